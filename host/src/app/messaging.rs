//! Which bus, and how a process joins it.

use std::sync::Arc;

use millwork_bus::{Bus, Local};

use super::role::Role;
use crate::clock::Clock;
use crate::config::{BusKind, Config};

/// Joins the bus that the configuration says.
pub(super) async fn join(
    config: &Config,
    role: Role,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Bus>> {
    match config.bus() {
        BusKind::Local => Ok(Arc::new(Local::new(config.engine.queue_max.get()))),
        BusKind::Kafka => unreachable!(),
    }
}

/// What the start prints.
pub(super) fn describe(config: &Config) -> String {
    match config.bus() {
        BusKind::Local => "a queue in this process".to_owned(),
        BusKind::Kafka => format!(
            "Kafka at {}, group {}",
            config.kafka.bootstrap_servers, config.kafka.consumer_group
        ),
    }
}
