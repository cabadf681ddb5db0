//! Tells the world that runs have ended, at least once each.
//!
//! Where there is a world to tell, the row of a run that has ended stays due. When the bus has taken the announcement for
//! good, the row is settled; where that does not come about, whoever claims the run announces its end again.

use std::sync::Arc;
use std::time::Duration;

use millwork_bus::{Bus, Ended};
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_store::Store;
use tokio::sync::mpsc;

use crate::telemetry;

/// Runs settled at once.
const BATCH_MAX: usize = 2_000;

/// How long to gather what is to be settled. Nobody waits for it.
const GATHER: Duration = Duration::from_millis(100);

/// Where ends are announced.
pub(super) struct Announcer {
    bus: Arc<dyn Bus>,
    told: mpsc::UnboundedSender<RunId>,
}

impl Announcer {
    /// Starts the task that settles what has been told.
    pub(super) fn start(bus: Arc<dyn Bus>, store: Arc<dyn Store>) -> Self {
        let (told, settling) = mpsc::unbounded_channel();
        tokio::spawn(settle(store, settling));
        Self { bus, told }
    }

    /// Announces the end of a run, where there is anybody to tell.
    pub(super) fn announce(&self, run: &Run) {
        let Some(completed_at) = run.completed_at().filter(|_| self.bus.is_shared()) else {
            return;
        };
        let id = run.id();
        let ended = Ended {
            run: id,
            workflow: run.created().workflow,
            version: run.version(),
            status: run.status(),
            error: run.summary().error,
            created_at: run.created_at(),
            completed_at,
        };
        let told = self.told.clone();
        let settle = move |is_told| {
            if is_told {
                // Where nobody settles any more, the process ends; the end is announced once more, by another.
                let _ = told.send(id);
            }
        };
        self.bus.announce(ended, Box::new(settle));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a moment to gather in, which nobody sees"
)]
async fn settle(store: Arc<dyn Store>, mut told: mpsc::UnboundedReceiver<RunId>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while told.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let settled = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match store.settle(std::mem::take(&mut batch)).await {
            Ok(()) => metrics::counter!(telemetry::ENDS_SETTLED).increment(settled),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not note that the ends of runs have been told; they are told again"
            ),
        }
        tokio::time::sleep(GATHER).await;
    }
}
