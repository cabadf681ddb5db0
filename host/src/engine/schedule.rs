//! What is due soon and seen to by this process, in memory: so that a timer fires when it is due, and not when somebody
//! next looks into the store. The truth is the store's index of due runs; how they come from there is in `alone` and
//! `shared`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millwork_bus::{Known, WorkItem};
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use tokio::sync::Notify;

use super::Engine;

/// How long a due run is put off that found no room on the bus, where nobody else would bring it.
const PUT_OFF: Duration = Duration::from_millis(50);

/// A run that is due soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Soon {
    /// From when on.
    pub(super) at: Timestamp,
    /// Which run.
    pub(super) run: RunId,
    /// Until when this process sees to it.
    pub(super) until: Timestamp,
}

/// What is due soon.
#[derive(Debug)]
pub(super) struct Schedule {
    near: Mutex<Near>,
    /// Something has come into `near` that is due sooner than all that was there.
    sooner: Notify,
}

#[derive(Debug)]
struct Near {
    due: BinaryHeap<Reverse<Soon>>,
    /// Up to where the store has been read.
    horizon: Timestamp,
}

impl Schedule {
    /// An empty one, of what is due before a time: what lies beyond need not be remembered.
    pub(super) fn up_to(horizon: Timestamp) -> Self {
        Self {
            near: Mutex::new(Near {
                due: BinaryHeap::new(),
                horizon,
            }),
            sooner: Notify::new(),
        }
    }

    fn near(&self) -> MutexGuard<'_, Near> {
        // Nothing panics while it holds the lock, so a poisoned heap is as good as any.
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers when a run is next due. The store knows already: what lies beyond the horizon need not be remembered.
    pub(super) fn add(&self, soon: Soon) {
        let mut near = self.near();
        if soon.at >= near.horizon {
            return;
        }
        let is_soonest = near
            .due
            .peek()
            .is_none_or(|Reverse(first)| soon.at < first.at);
        near.due.push(Reverse(soon));
        drop(near);
        if is_soonest {
            self.sooner.notify_one();
        }
    }

    /// The same for a time of this process's own, which the store does not know: remembered however far away it is.
    pub(super) fn add_beyond_horizon(&self, soon: Soon) {
        self.near().due.push(Reverse(soon));
        self.sooner.notify_one();
    }

    /// Moves the horizon, and returns where it was. What is committed from now on is remembered by whoever commits it.
    pub(super) fn raise_horizon(&self, to: Timestamp) -> Timestamp {
        let mut near = self.near();
        let before = near.horizon;
        near.horizon = before.max(to);
        before
    }

    /// Takes out what is due by `now`, and says when to look again.
    fn take_due(&self, now: Timestamp) -> (Vec<Soon>, Option<Timestamp>) {
        let mut near = self.near();
        let mut due = Vec::new();
        while let Some(Reverse(first)) = near.due.peek() {
            if first.at > now {
                break;
            }
            due.extend(near.due.pop().map(|Reverse(first)| first));
        }
        (due, near.due.peek().map(|Reverse(next)| next.at))
    }

    /// Takes a run out, wherever it stands. Looks through all of them: for what happens seldom.
    pub(super) fn take(&self, run: RunId) -> Option<Soon> {
        let mut near = self.near();
        let found = near.due.iter().find(|Reverse(soon)| soon.run == run)?.0;
        near.due.retain(|Reverse(soon)| soon.run != run);
        Some(found)
    }

    /// Takes everything out.
    pub(super) fn take_all(&self) -> Vec<Soon> {
        let due = std::mem::take(&mut self.near().due);
        due.into_iter().map(|Reverse(soon)| soon).collect()
    }

    /// Runs in memory that are due soon.
    pub(super) fn len(&self) -> usize {
        self.near().due.len()
    }
}

/// Fires what is due in memory, when it is due.
pub(super) async fn fire(engine: Engine) {
    let parts = &engine.0;
    loop {
        // Interest is registered before the look, so that nothing sooner is slept through.
        let sooner = parts.schedule.sooner.notified();
        let now = parts.clock.now();
        let (due, next) = parts.schedule.take_due(now);
        for soon in due {
            metrics::counter!(crate::telemetry::TIMERS_FIRED).increment(1);
            metrics::histogram!(crate::telemetry::TIMER_LATENESS_SECONDS)
                .record(now.since(soon.at).as_secs_f64());
            let item = WorkItem {
                run: soon.run,
                known: Known::Claimed { until: soon.until },
            };
            if !engine.hand_on(item) {
                parts.schedule.add_beyond_horizon(Soon {
                    at: now.after(PUT_OFF),
                    ..soon
                });
            }
        }
        match next {
            None => sooner.await,
            Some(next) => {
                tokio::select! {
                    () = sooner => {}
                    () = parts.clock.sleep_until(next) => {}
                }
            }
        }
    }
}
