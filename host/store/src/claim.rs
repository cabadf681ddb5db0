//! Who sees to a run, where several processes share the store.
//!
//! A claim is no lock. It moves the row's `due_at` ahead, so that nobody else finds the run due before that time has come;
//! whoever has it moves it on while the run is in hand, and where that process dies the run is due again by itself. What
//! keeps two processes from both advancing a run is the journal's key, never a claim.

use millwork_core::id::RunId;
use millwork_core::time::Timestamp;

/// Which due runs to take on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Only these; any where absent. Each is named once.
    pub among: Option<Vec<RunId>>,
    /// Only what is due before this time.
    pub before: Timestamp,
    /// When they are due again, unless somebody has moved that on. Not before `before`.
    pub until: Timestamp,
    /// At most so many, the soonest due first.
    pub limit: usize,
}

/// A claim that is to hold for longer, or to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The run.
    pub run: RunId,
    /// When it is due as far as its holder knows. Where the row says something else, somebody else has it.
    pub from: Timestamp,
    /// When it is due from now on; absent where only somebody else can move it.
    pub to: Option<Timestamp>,
}
