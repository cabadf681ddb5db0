//! Limits on the runs of a workflow: how many of a key are under way at once, and how many of a key begin in a span of time.
//!
//! A run that a limit keeps waiting has begun nothing. It costs a row, and is not due before its turn has come; so nothing
//! looks at it. Who ends gives its slot back in the same transaction, and lets the next one in by making its row due. What is
//! decided is the same in every store: see [`desk`].

pub(crate) mod desk;
pub(crate) mod records;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::Summary;
use millwork_core::time::Timestamp;

use crate::{Due, Error};

/// PORT: tells what limits hold and whom they keep waiting. They are applied by [`crate::Store::commit`].
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Lists the keys that runs hold or wait for, and rates that were used lately, in the order of their names.
    async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error>;

    /// Finds what a run waits for. Nothing where no limit keeps it.
    async fn find_turn(&self, run: RunId) -> Result<Option<Turn>, Error>;

    /// Lists the runs that hold a slot of a key or wait for one, but for the newest `kept`: the oldest first, at most `limit`.
    async fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Result<Vec<RunId>, Error>;
}

/// What a commit asks of the limits that its run is under. A run that is under none asks nothing, and pays nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Passage {
    /// The run is to be let in: the commit's own records say that it was.
    Enter(Box<Enter>),
    /// The run ends with this commit. It gives back what it held, or gives up its place in a queue.
    Leave {
        /// When.
        at: Timestamp,
    },
}

/// A run that asks to be let in. One that holds its place already keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Enter {
    /// When it asks. A store reads no clock.
    pub at: Timestamp,
    /// Keys count within a workflow.
    pub workflow: WorkflowId,
    /// What the newest version that anybody came with says of a limit holds for the key.
    pub version: u32,
    /// The slot that it has to hold until it ends.
    pub slot: Option<Slot>,
    /// The rate at which runs like it begin. Asked of after the slot is held.
    pub rate: Option<Rate>,
    /// Of those who wait the lowest number is let in first, then the one that has waited longest.
    pub priority: u8,
    /// How many may wait for a key.
    pub queue_max: u32,
    /// What happens where no slot is free.
    pub when_full: WhenFull,
    /// What is written in place of the commit's own records where the run has to wait. May have no records where the run
    /// exists. It is due when its turn may have come, or as is said here, whichever is sooner.
    pub waiting: Variant,
}

/// A bound on how many runs of a key are under way at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which key.
    pub key: String,
    /// How many.
    pub limit: u32,
}

/// A bound on how many runs of a key begin in any span of a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Which key.
    pub key: String,
    /// How many.
    pub limit: u32,
    /// The length of the span.
    pub per: Duration,
}

/// What happens to a run that finds no free slot.
#[derive(Clone, Debug, PartialEq)]
pub enum WhenFull {
    /// It waits.
    Wait,
    /// Nothing is written: [`crate::Committed::Full`].
    Refuse,
    /// This is written instead, and it does not wait.
    Instead(Variant),
}

/// Another shape of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The records.
    pub records: Vec<String>,
    /// What the row says.
    pub summary: Summary,
    /// From when on the run has something to do.
    pub due_at: Option<Timestamp>,
}

impl Passage {
    /// The keys that a newcomer needs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = LimitKey> {
        let enter = match self {
            Self::Enter(enter) => Some(enter),
            Self::Leave { .. } => None,
        };
        enter.into_iter().flat_map(|enter| {
            let key = |kind, key: &str| LimitKey {
                workflow: enter.workflow,
                kind,
                key: key.to_owned(),
            };
            let slot = enter
                .slot
                .as_ref()
                .map(|slot| key(LimitKind::Concurrency, &slot.key));
            let rate = enter
                .rate
                .as_ref()
                .map(|rate| key(LimitKind::Rate, &rate.key));
            slot.into_iter().chain(rate)
        })
    }

    /// What it says of how many of a kind may.
    pub(crate) fn limit(&self, kind: LimitKind) -> Option<u32> {
        match (self, kind) {
            (Self::Leave { .. }, _) => None,
            (Self::Enter(enter), LimitKind::Concurrency) => Some(enter.slot.as_ref()?.limit),
            (Self::Enter(enter), LimitKind::Rate) => Some(enter.rate.as_ref()?.limit),
        }
    }
}

/// The length of a span, as databases keep it.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// What became of a run that passed the limits. The commit is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// What became of it.
    pub outcome: Outcome,
    /// Other runs whose turn has come, or will come at a time: their rows say so too.
    pub woken: Vec<Due>,
}

/// What became of a run that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in: the commit's own records are written.
    In,
    /// It waits: what [`Enter::waiting`] says is written.
    Waits {
        /// When it is due.
        due_at: Option<Timestamp>,
    },
    /// What [`WhenFull::Instead`] says is written.
    Instead,
    /// It has left.
    Out,
}

/// Why a run was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// The key that is full.
    pub key: LimitKey,
    /// Its limit.
    pub limit: u32,
    /// How many wait for it. Where that is why, no more may.
    pub waiting: u32,
}

/// What is limited of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// How many runs are under way at once.
    Concurrency,
    /// How many runs begin in a span of time.
    Rate,
}

impl LimitKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of limit: use concurrency or rate")]
pub struct ParseLimitKindError(String);

impl FromStr for LimitKind {
    type Err = ParseLimitKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Concurrency, Self::Rate]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseLimitKindError(text.to_owned()))
    }
}

/// A key that is limited. Sorts as lists do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey {
    /// The workflow within which it counts.
    pub workflow: WorkflowId,
    /// What is limited.
    pub kind: LimitKind,
    /// The key.
    pub key: String,
}

/// Which limits to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitQuery {
    /// Only of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only after this one.
    pub after: Option<LimitKey>,
    /// At most so many.
    pub limit: usize,
}

/// A limit in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// What is limited.
    pub key: LimitKey,
    /// How many.
    pub limit: u32,
    /// In which span of time, where it is a rate.
    pub per: Option<Duration>,
    /// How many runs hold a slot. None holds a rate.
    pub held: u32,
    /// How many runs wait.
    pub waiting: u32,
    /// When a rate lets the next run begin, where it has let as many begin as fit into a span. That may have passed.
    pub next_at: Option<Timestamp>,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// For what it waits.
    pub limit: LimitRow,
    /// How many are let in before it, and itself: from one.
    pub position: u32,
    /// Since when it waits for its limits.
    pub since: Timestamp,
    /// Its priority.
    pub priority: u8,
}
