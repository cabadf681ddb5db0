//! Which runs this process has in hand: queued, or being driven.
//!
//! It keeps one process from driving a run twice at once, and carries the word to a driver that something has happened
//! to its run. It is a convenience: between processes the journal's key does the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use millwork_core::id::RunId;
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
}

impl Handle {
    /// Waits until somebody else has done something to the run.
    pub(super) async fn happened(&self) {
        self.happened.notified().await;
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

    /// Lets go of the run, and says whether somebody has knocked since the driver last looked.
    pub(super) fn leave(self) -> bool {
        let handle = Arc::clone(&self.handle);
        drop(self);
        // Nobody can find the handle any more, so a permit that is there now is the last there will be.
        handle.happened().now_or_never().is_some()
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

    /// Whether a run is in hand.
    pub(super) fn holds(&self, run: RunId) -> bool {
        self.runs().contains_key(&run)
    }

    /// How many runs are in hand.
    pub(super) fn len(&self) -> usize {
        self.runs().len()
    }
}
