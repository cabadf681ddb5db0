//! Who in this process waits for something to happen to a run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millwork_core::id::RunId;
use tokio::sync::Notify;

/// Those who wait, by run.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_run: Mutex<HashMap<RunId, Arc<Notify>>>,
    /// How many runs are waited for: mostly none, and then nobody takes the lock.
    count: AtomicUsize,
}

impl Waiters {
    fn by_run(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Notify>>> {
        // Nothing panics while it holds the lock, so a poisoned map is as good as any.
        self.by_run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_count(&self, by_run: &HashMap<RunId, Arc<Notify>>) {
        self.count.store(by_run.len(), Ordering::SeqCst);
    }

    /// Begins to wait for a run.
    pub(super) fn join(&self, run: RunId) -> Waiter<'_> {
        let mut by_run = self.by_run();
        let happened = Arc::clone(by_run.entry(run).or_default());
        self.note_count(&by_run);
        Waiter {
            waiters: self,
            run,
            happened,
        }
    }

    /// Tells everybody who waits for a run.
    pub(super) fn tell(&self, run: RunId) {
        self.tell_all(&[run]);
    }

    /// Tells everybody who waits for one of some runs.
    pub(super) fn tell_all(&self, runs: &[RunId]) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let by_run = self.by_run();
        for run in runs {
            if let Some(happened) = by_run.get(run) {
                happened.notify_waiters();
            }
        }
    }
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    run: RunId,
    happened: Arc<Notify>,
}

impl Waiter<'_> {
    pub(super) fn happened(&self) -> &Notify {
        &self.happened
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut by_run = self.waiters.by_run();
        // Two hold it now: the map and this one. Where there are more, somebody else waits too.
        let is_last = by_run
            .get(&self.run)
            .is_some_and(|kept| Arc::ptr_eq(kept, &self.happened) && Arc::strong_count(kept) <= 2);
        if is_last {
            by_run.remove(&self.run);
            self.waiters.note_count(&by_run);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use millwork_core::time::Timestamp;

    use super::*;

    #[test]
    fn everybody_who_waits_is_told_and_nobody_is_forgotten() {
        let waiters = Waiters::default();
        let run = |number| RunId::from_parts(Timestamp::EPOCH, [number; 10]);
        let (one, other) = (waiters.join(run(1)), waiters.join(run(1)));
        let elsewhere = waiters.join(run(2));
        let all = [&one, &other, &elsewhere].map(|waiter| waiter.happened().notified());
        let mut all = all.map(Box::pin);
        all.iter_mut().for_each(|waiting| {
            waiting.as_mut().enable();
        });
        waiters.tell(run(1));
        let told = all.map(|waiting| waiting.now_or_never().is_some());
        assert_eq!(told, [true, true, false]);
        drop((one, elsewhere));
        assert_eq!(waiters.by_run().len(), 1, "one still waits");
        drop(other);
        assert_eq!(waiters.count.load(Ordering::SeqCst), 0);
    }
}
