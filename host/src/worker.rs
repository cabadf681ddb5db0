//! The worker: takes work items from the bus and has the engine execute them, so many at a time.

use std::sync::Arc;

use millwork_bus::{Bus, Delivery};
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::telemetry;

/// Executes what comes over the bus until the bus is closed. At most `in_flight_max` runs are executed at a time; a run
/// that waits is not executed.
pub async fn work(engine: Engine, bus: Arc<dyn Bus>, in_flight_max: usize) {
    let places = Arc::new(Semaphore::new(in_flight_max));
    loop {
        // The place before the item: what is taken from the bus is begun at once.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Some(Delivery { item, receipt }) = bus.receive().await else {
            return;
        };
        let in_flight = metrics::gauge!(telemetry::IN_FLIGHT);
        in_flight.increment(1.0);
        let engine_of_run = engine.clone();
        engine.track(async move {
            engine_of_run.execute(item).await;
            in_flight.decrement(1.0);
            drop(receipt);
            drop(place);
        });
    }
}
