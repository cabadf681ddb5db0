//! Who waits in this process for a run to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millwork_core::id::RunId;
use tokio::sync::Notify;

/// Those who wait, by run.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<HashMap<RunId, Arc<Notify>>>);

impl Waiters {
    fn all(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Notify>>> {
        // Nothing panics while it holds the lock, so a poisoned map is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for a run.
    pub(super) fn join(&self, run: RunId) -> Waiter<'_> {
        let ended = Arc::clone(self.all().entry(run).or_default());
        Waiter {
            waiters: self,
            run,
            ended,
        }
    }

    /// Tells everybody who waits that a run has ended.
    pub(super) fn tell(&self, run: RunId) {
        if let Some(ended) = self.all().remove(&run) {
            ended.notify_waiters();
        }
    }
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    run: RunId,
    ended: Arc<Notify>,
}

impl Waiter<'_> {
    pub(super) fn ended(&self) -> &Notify {
        &self.ended
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut all = self.waiters.all();
        // Two hold it now: the map and this one. Where there are more, somebody else waits too.
        let is_last = all
            .get(&self.run)
            .is_some_and(|kept| Arc::ptr_eq(kept, &self.ended) && Arc::strong_count(kept) <= 2);
        if is_last {
            all.remove(&self.run);
        }
    }
}
