//! Which runs this process has in hand: queued, or being driven.
//!
//! It keeps one process from driving a run twice at once, and carries the word to a driver that something has happened
//! to its run. It is a convenience: between processes the journal's key does the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use tokio::sync::Notify;

/// The runs in hand.
#[derive(Debug, Default)]
pub(super) struct Registry {
    runs: Mutex<HashMap<RunId, Hold>>,
}

#[derive(Debug)]
enum Hold {
    Queued,
    Driven(Arc<Handle>),
}

/// The way to the driver of a run.
#[derive(Debug, Default)]
pub(super) struct Handle {
    happened: Notify,
    /// What the run's row says about when it is due, as far as is known here.
    claimed_until_us: AtomicI64,
}

impl Handle {
    /// Waits until somebody else has done something to the run.
    pub(super) async fn happened(&self) {
        self.happened.notified().await;
    }

    /// Tells the driver to look again.
    pub(super) fn knock(&self) {
        self.happened.notify_one();
    }

    /// Until when this process sees to the run.
    pub(super) fn claimed_until(&self) -> Timestamp {
        Timestamp::from_micros(self.claimed_until_us.load(Ordering::Acquire))
    }

    /// Notes what the driver has written into the run's row.
    pub(super) fn claim(&self, until: Timestamp) {
        self.claimed_until_us
            .store(until.as_micros(), Ordering::Release);
    }

    /// Notes that a claim was renewed, unless the driver has written another since.
    pub(super) fn renewed(&self, from: Timestamp, to: Timestamp) {
        let _ = self.claimed_until_us.compare_exchange(
            from.as_micros(),
            to.as_micros(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }
}

/// A place for a run that is about to be queued; given back where it is dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    registry: &'a Registry,
    run: RunId,
}

impl Reserved<'_> {
    /// The run is on the bus: whoever takes it from there takes the place over.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut runs = self.registry.runs();
        if matches!(runs.get(&self.run), Some(Hold::Queued)) {
            runs.remove(&self.run);
        }
    }
}

/// A run that is being driven here, until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    registry: &'a Registry,
    run: RunId,
    handle: Arc<Handle>,
}

impl Held<'_> {
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lets go of the run. Where somebody has knocked since the driver last looked, says until when this process still
    /// sees to it.
    pub(super) fn leave(self) -> Option<Timestamp> {
        let handle = Arc::clone(&self.handle);
        drop(self);
        // Nobody can find the handle any more, so a permit that is there now is the last there will be.
        let knocked = handle.happened().now_or_never();
        knocked.map(|()| handle.claimed_until())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.registry.runs().remove(&self.run);
    }
}

impl Registry {
    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Hold>> {
        // Nothing panics while it holds the lock, so a poisoned map is as good as any.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a run that is about to be queued. Where it is in hand already, the one who has it is told to look
    /// again, and there is nothing to queue.
    pub(super) fn enqueue(&self, run: RunId) -> Option<Reserved<'_>> {
        match self.runs().entry(run) {
            Entry::Vacant(vacant) => {
                vacant.insert(Hold::Queued);
                Some(Reserved {
                    registry: self,
                    run,
                })
            }
            Entry::Occupied(held) => {
                if let Hold::Driven(handle) = held.get() {
                    handle.happened.notify_one();
                }
                None
            }
        }
    }

    /// Takes a place for a run that nobody else knows yet.
    pub(super) fn reserve(&self, run: RunId) -> Reserved<'_> {
        self.runs().insert(run, Hold::Queued);
        Reserved {
            registry: self,
            run,
        }
    }

    /// Takes a place for a new run, unless it turns out to be known.
    pub(super) fn reserve_new(&self, run: RunId) -> Option<Reserved<'_>> {
        match self.runs().entry(run) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                vacant.insert(Hold::Queued);
                Some(Reserved {
                    registry: self,
                    run,
                })
            }
        }
    }

    /// Begins to drive a run; nothing where somebody does already, who is told to look again.
    pub(super) fn enter(&self, run: RunId) -> Option<Held<'_>> {
        let mut runs = self.runs();
        if let Some(Hold::Driven(handle)) = runs.get(&run) {
            handle.happened.notify_one();
            return None;
        }
        let handle = Arc::new(Handle::default());
        runs.insert(run, Hold::Driven(Arc::clone(&handle)));
        Some(Held {
            registry: self,
            run,
            handle,
        })
    }

    /// Tells whoever drives a run that something has happened to it.
    pub(super) fn knock(&self, run: RunId) {
        if let Some(Hold::Driven(handle)) = self.runs().get(&run) {
            handle.happened.notify_one();
        }
    }

    /// The runs that are being driven whose claims are as asked for.
    pub(super) fn driven(&self, is_asked: impl Fn(Timestamp) -> bool) -> Vec<(RunId, Arc<Handle>)> {
        let runs = self.runs();
        let driven = runs.iter().filter_map(|(run, hold)| match hold {
            Hold::Driven(handle) => Some((run, handle, handle.claimed_until())),
            Hold::Queued => None,
        });
        driven
            // Who has only just begun to look at a run has not claimed it yet.
            .filter(|(_, _, until)| until.as_micros() > 0 && is_asked(*until))
            .map(|(run, handle, _)| (*run, Arc::clone(handle)))
            .collect()
    }

    /// Whether a run is in hand.
    pub(super) fn holds(&self, run: RunId) -> bool {
        self.runs().contains_key(&run)
    }

    /// How many runs are in hand.
    pub(super) fn len(&self) -> usize {
        self.runs().len()
    }
}
