//! Tells the world that runs have ended, at least once each.
//!
//! Where there is a world to tell, the row of a run that has ended stays due. When the bus has taken what there is to be told for
//! good, the row is settled, and in the same transaction a delivery is kept for each webhook that wants to know; where that does
//! not come about, whoever finds the run due tells of its end again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millwork_bus::{Bus, Ended};
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_core::trace::TraceContext;
use millwork_store::{Delivery, Store};
use tokio::sync::mpsc;

use super::{Engine, Error};
use crate::events::Audience;
use crate::telemetry;

/// Runs settled at once.
const BATCH_MAX: usize = 2_000;

/// How long to gather what is to be settled. Nobody waits for it.
const GATHER: Duration = Duration::from_millis(100);

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Where ends are announced.
pub(super) struct Announcer {
    bus: Arc<dyn Bus>,
    audience: Option<Arc<Audience>>,
    told: mpsc::UnboundedSender<Settled>,
    /// Ends of which events are to be made: for that the names of their workflows are looked up.
    ends: mpsc::UnboundedSender<(Run, Arc<Telling>)>,
}

/// A run whose end the bus has taken for good, and the deliveries that are to be kept of it.
struct Settled {
    run: RunId,
    deliveries: Vec<Delivery>,
}

/// Events that are to be made, for [`tell_events`].
pub(super) type Ends = mpsc::UnboundedReceiver<(Run, Arc<Telling>)>;

impl Announcer {
    /// Starts the task that settles what has been told. The other half is what [`tell_events`] works off.
    pub(super) fn start(
        bus: Arc<dyn Bus>,
        store: Arc<dyn Store>,
        audience: Option<Arc<Audience>>,
    ) -> (Self, Ends) {
        let (told, settling) = mpsc::unbounded_channel();
        let (ends, waiting) = mpsc::unbounded_channel();
        tokio::spawn(settle(store, settling, audience.clone()));
        let announcer = Self {
            bus,
            audience,
            told,
            ends,
        };
        (announcer, waiting)
    }

    /// Whether there is anybody to tell.
    pub(super) fn has_audience(&self) -> bool {
        self.bus.is_shared() || self.audience.is_some()
    }

    /// Announces the end of a run, where there is anybody to tell.
    pub(super) fn announce(&self, run: &Run, trace: Option<TraceContext>) {
        let Some(completed_at) = run.completed_at().filter(|_| self.has_audience()) else {
            return;
        };
        let telling = Arc::new(Telling {
            run: run.id(),
            left: AtomicUsize::new(1 + usize::from(self.audience.is_some())),
            has_failed: AtomicBool::new(false),
            deliveries: Mutex::default(),
            told: self.told.clone(),
        });
        if self.audience.is_some() {
            // Where nobody tells any more, the process ends; the end is announced once more, by another.
            let _ = self.ends.send((run.clone(), Arc::clone(&telling)));
        }
        let ended = Ended {
            run: run.id(),
            workflow: run.created().workflow,
            version: run.version(),
            status: run.status(),
            error: run.summary().error,
            created_at: run.created_at(),
            completed_at,
            trace,
        };
        let settle = move |is_told| telling.note(is_told);
        self.bus.announce(ended, Box::new(settle));
    }
}

/// An end that is being told in several ways.
pub(super) struct Telling {
    run: RunId,
    /// In how many ways it is still to be told.
    left: AtomicUsize,
    has_failed: AtomicBool,
    deliveries: Mutex<Vec<Delivery>>,
    told: mpsc::UnboundedSender<Settled>,
}

impl Telling {
    /// Notes that it was told in one way, or was not.
    fn note(&self, is_told: bool) {
        if !is_told {
            self.has_failed.store(true, Ordering::Release);
        }
        let is_last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last && !self.has_failed.load(Ordering::Acquire) {
            let mut deliveries = self
                .deliveries
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Where nobody settles any more, the process ends; the end is announced once more, by another.
            let _ = self.told.send(Settled {
                run: self.run,
                deliveries: std::mem::take(&mut *deliveries),
            });
        }
    }
}

/// Makes events of ends, and tells them.
pub(super) async fn tell_events(engine: Engine, mut ends: Ends) {
    let parts = &engine.0;
    let Some(audience) = &parts.announcer.audience else {
        return;
    };
    while let Some((run, telling)) = ends.recv().await {
        let graph = find_graph(&engine, &run).await;
        let name = graph.as_ref().map(|graph| graph.name.as_ref());
        let trace = engine.0.options.traces.of_run(&run);
        let Some(event) = audience.event(&run, name, trace) else {
            telling.note(false);
            continue;
        };
        *telling
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = audience.deliveries(&run, name, &event);
        let settle = move |is_told| telling.note(is_told);
        parts.bus.tell(run.id(), &event, Box::new(settle));
    }
}

/// Finds the workflow of a run: filters may be about its name, so it is asked for until the store answers.
async fn find_graph(engine: &Engine, run: &Run) -> Option<Arc<Graph>> {
    let parts = &engine.0;
    loop {
        let workflow = run.created().workflow;
        match parts.definitions.find(workflow, run.version()).await {
            Ok(compiled) => return Some(Arc::clone(&compiled.graph)),
            Err(Error::Store(error @ millwork_store::Error::Unavailable { .. })) => {
                tracing::warn!(run.id = %run.id(), error = &error as &dyn std::error::Error, "could not find the workflow of a run that has ended; trying again");
                let clock = &parts.clock;
                clock.sleep_until(clock.now().after(PAUSE)).await;
            }
            Err(error) => {
                // It was deleted since, or is of a later host.
                tracing::warn!(run.id = %run.id(), error = &error as &dyn std::error::Error, "an event does without the name of its workflow");
                return None;
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a moment to gather in, which nobody sees"
)]
async fn settle(
    store: Arc<dyn Store>,
    mut told: mpsc::UnboundedReceiver<Settled>,
    audience: Option<Arc<Audience>>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while told.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let settled = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let runs: Vec<_> = batch.iter().map(|settled| settled.run).collect();
        let deliveries: Vec<_> = batch.drain(..).flat_map(|of| of.deliveries).collect();
        let has_deliveries = !deliveries.is_empty();
        // Alone on a store nobody would tell of these ends again before the next start: so it is tried until it is written.
        loop {
            let written = match has_deliveries {
                false => store.settle(runs.clone()).await,
                true => store.hand_over(runs.clone(), deliveries.clone()).await,
            };
            match written {
                Ok(()) => break,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not note that the ends of runs have been told; trying again"
                ),
            }
            tokio::time::sleep(PAUSE).await;
        }
        metrics::counter!(telemetry::ENDS_SETTLED).increment(settled);
        if let Some(audience) = audience.as_ref().filter(|_| has_deliveries) {
            audience.kept.notify_waiters();
        }
        tokio::time::sleep(GATHER).await;
    }
}
