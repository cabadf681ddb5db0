//! Who was promised what: which run stands for which trigger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The triggers of a proof, by their number.
#[derive(Debug)]
pub(super) struct Ledger {
    runs: u64,
    taken: AtomicU64,
    unanswered: AtomicU64,
    given_up: AtomicU64,
    acknowledged: Mutex<BTreeMap<u64, String>>,
    settled: watch::Sender<u64>,
    gate: watch::Sender<u64>,
}

/// Leave to send a trigger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) number: u64,
    /// Whether the server died since the one before.
    pub(super) waited: bool,
}

impl Ledger {
    pub(super) fn new(runs: u64, gate: u64) -> Self {
        Self {
            runs,
            taken: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            settled: watch::Sender::new(0),
            gate: watch::Sender::new(gate),
        }
    }

    /// The next trigger, once it may be sent; nothing where all have been.
    pub(super) async fn next(&self) -> Option<Ticket> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.runs {
            return None;
        }
        let mut gate = self.gate.subscribe();
        let waited = number >= *gate.borrow_and_update();
        // The sender lives in this very ledger, so the wait cannot be cut off.
        drop(gate.wait_for(|gate| number < *gate).await);
        Some(Ticket { number, waited })
    }

    /// Lets triggers up to a number through.
    pub(super) fn open_gate(&self, gate: u64) {
        self.gate.send_replace(gate);
    }

    /// A trigger was answered with a run.
    pub(super) fn acknowledge(&self, number: u64, run: String) {
        self.lock().insert(number, run);
        self.settled.send_modify(|settled| *settled += 1);
    }

    /// A trigger was sent and got no answer. Whether it started a run is not known.
    pub(super) fn leave_unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// A trigger without an answer is not sent again.
    pub(super) fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        self.settled.send_modify(|settled| *settled += 1);
    }

    /// Waits until more than so many triggers are settled: acknowledged or given up.
    pub(super) async fn wait_for_settled(&self, triggers: u64) {
        // As above: the sender outlives the wait.
        drop(
            self.settled
                .subscribe()
                .wait_for(|settled| *settled > triggers)
                .await,
        );
    }

    pub(super) fn acknowledged(&self) -> BTreeMap<u64, String> {
        self.lock().clone()
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, String>> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
