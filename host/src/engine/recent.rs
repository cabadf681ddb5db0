//! Long runs that were read lately: what has come since is read, and not all of it again.
//!
//! A run is the fold of its journal, and folding goes on from anywhere. A run of a few dozen events is read in less time than it takes to
//! look for it here; one of a hundred thousand, which is woken every minute or sent a signal every second, is not. The
//! journal only grows, so what is kept is never wrong, at most behind.

use millwork_core::event::Seq;
use millwork_core::id::RunId;
use millwork_core::run::Run;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Events from which on a run is kept.
const LONG: Seq = 1_000;

/// What is kept takes about so much memory.
const KEPT_MAX_BYTES: u64 = 128 << 20;

/// What an event costs in memory, besides its output, generously.
const EVENT_BYTES: u64 = 500;

/// Runs that were read lately.
pub(super) struct Recent(Cache<RunId, Run, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<RunId, Run> for Weight {
    fn weight(&self, _: &RunId, run: &Run) -> u64 {
        let outputs = u64::try_from(run.outputs_bytes()).unwrap_or(u64::MAX);
        outputs.saturating_add(u64::from(run.next_seq()) * EVENT_BYTES)
    }
}

impl Default for Recent {
    fn default() -> Self {
        let runs = usize::try_from(KEPT_MAX_BYTES / (u64::from(LONG) * EVENT_BYTES));
        Self(Cache::with_weighter(
            runs.unwrap_or(1),
            KEPT_MAX_BYTES,
            Weight,
        ))
    }
}

impl Recent {
    /// A run as it was when it was read last, if it is long; and not ahead of a place in its journal.
    pub(super) fn find(&self, id: RunId, not_ahead_of: Seq) -> Option<Run> {
        let found = self.0.get(&id);
        found.filter(|run| run.next_seq() <= not_ahead_of)
    }

    /// Keeps a long run that has not ended. One that has is looked at rarely, and may be removed from the store.
    pub(super) fn keep(&self, run: &Run) {
        if run.next_seq() < LONG {
            return;
        }
        if run.status().is_finished() {
            self.0.remove(&run.id());
        } else {
            self.0.insert(run.id(), run.clone());
        }
    }
}
