//! Runs as the store takes them in and gives them back.

use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;

use crate::Labels;
use crate::limits::{Full, Outcome, Passage, Passed, Variant, WhenFull};

/// A step in the life of a run, to be written whole or not at all.
///
/// A commit that breaks the rules of its form (no records, `new` elsewhere than at zero) finds its run nowhere: it conflicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Which run.
    pub run: RunId,
    /// Where the first record goes. The journal has at most one record at a position: of two writers
    /// who would both advance a run, the slower finds its place taken.
    pub first_seq: Seq,
    /// The records, as [`millwork_core::event::Record::encode`] wrote them. At least one.
    pub records: Vec<String>,
    /// What the row of the run says from now on.
    pub summary: Summary,
    /// From when on the run has something to do; absent where only a signal can move it, and where it is finished.
    pub due_at: Option<Timestamp>,
    /// Whether the row says of that what it said before instead, where it said something: for who writes into a run that
    /// another one may see to.
    pub keeps_due: bool,
    /// What the row says for good; present exactly where `first_seq` is zero.
    pub new: Option<NewRun>,
    /// What it asks of the limits that the run is under; absent where it is under none, or goes on holding what it holds.
    pub passage: Option<Passage>,
}

impl Commit {
    /// Whether it keeps the rules of its form.
    pub(crate) fn is_in_form(&self) -> bool {
        let is_new = self.new.is_some();
        let begins_whole = |passage: &Passage| match passage {
            Passage::Enter(enter) => {
                let instead_is_empty = matches!(&enter.when_full, WhenFull::Instead(variant) if variant.records.is_empty());
                !(instead_is_empty || is_new && enter.waiting.records.is_empty())
            }
            Passage::Leave { .. } => !is_new,
        };
        !self.records.is_empty()
            && is_new == (self.first_seq == 0)
            && self.passage.as_ref().is_none_or(begins_whole)
    }

    /// The commit as the limits have it written.
    pub(crate) fn shaped(self, passage: Passage, outcome: Outcome) -> Self {
        let Passage::Enter(enter) = passage else {
            return self;
        };
        let Variant {
            records,
            summary,
            due_at,
        } = match (outcome, enter.when_full) {
            (Outcome::Waits { due_at }, _) => Variant {
                due_at,
                ..enter.waiting
            },
            (Outcome::Instead, WhenFull::Instead(instead)) => instead,
            (Outcome::In | Outcome::Out | Outcome::Instead, _) => return self,
        };
        Self {
            records,
            summary,
            due_at,
            keeps_due: false,
            ..self
        }
    }
}

/// What the row of a run says from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its version.
    pub version: u32,
    /// Whether that has to be the newest version of a workflow that takes runs, at the moment at which this is written. So who
    /// remembers which version was the newest need not ask, and cannot be wrong.
    pub is_newest: bool,
    /// When the run was created: to the millisecond, the time in the run's id, from which lists take their order.
    pub created_at: Timestamp,
    /// What makes a second trigger with the same key the same run.
    pub idempotency: Option<Idempotency>,
    /// Texts by their names, by which people find it. The journal has them too: these are for lists.
    pub labels: Labels,
}

impl NewRun {
    /// Takes the idempotency key out, with what it is looked up by.
    pub(crate) fn take_key(&mut self) -> Option<(WorkflowId, Timestamp, Idempotency)> {
        let key = self.idempotency.take()?;
        Some((self.workflow, self.created_at, key))
    }
}

/// A caller's promise that two triggers with the same key are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key; it counts within one workflow.
    pub key: String,
    /// A digest of the request: the same key with another request is a mistake.
    pub fingerprint: Digest,
    /// From when on the key is forgotten. A store reads no clock: a new run's `created_at` says what time it is.
    pub expires_at: Timestamp,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is written, and durable.
    Written,
    /// Nothing is written: the run is not where the commit expected it (its place in the journal is taken, or there is a gap before it).
    Conflict,
    /// Nothing is written: the version is not the newest any more, or the workflow takes no runs.
    Outdated,
    /// Nothing is written: the idempotency key has already made this run, from a request with this fingerprint.
    Replayed {
        /// The run that the key made.
        run: RunId,
        /// The request that made it.
        fingerprint: Digest,
    },
    /// It asked something of limits, and is written and durable in the shape that they gave it.
    Passed(Passed),
    /// Nothing is written: a limit is full, and the run does not wait.
    Full(Full),
}

/// A run that has something to do from a time on. Sorts by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// From when on.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQuery {
    /// Only of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only in one of these states; any where empty.
    pub statuses: Vec<RunStatus>,
    /// Only with all of these labels: a name and its value each. The list is read along the first of them.
    pub labels: Vec<(String, String)>,
    /// Only created at or after this time.
    pub created_from: Option<Timestamp>,
    /// Only created before this time.
    pub created_before: Option<Timestamp>,
    /// Only beyond this run, in the order of the list.
    pub after: Option<RunId>,
    /// Which way.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
}

impl RunQuery {
    /// The first and the last identifier that can be in the list; nothing where none can. An identifier begins with its time
    /// of creation in milliseconds; the column has the rest of the answer.
    pub(crate) fn id_range(&self) -> Option<(u128, u128)> {
        let random_bits = 80;
        let at = |time: Timestamp| u128::try_from(time.as_millis()).unwrap_or(0) << random_bits;
        let mut first = self.created_from.map_or(0, at);
        let mut last = self
            .created_before
            .map_or(u128::MAX, |before| at(before) | ((1 << random_bits) - 1));
        if let Some(after) = self.after {
            let after = u128::from_be_bytes(*after.as_bytes());
            match self.order {
                Order::NewestFirst => last = last.min(after.checked_sub(1)?),
                Order::OldestFirst => first = first.max(after.checked_add(1)?),
            }
        }
        (first <= last).then_some((first, last))
    }
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The latest created first.
    NewestFirst,
    /// The earliest created first.
    OldestFirst,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which run.
    pub run: RunId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub version: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where it stands.
    pub summary: Summary,
    /// From when on it has something to do.
    pub due_at: Option<Timestamp>,
    /// The first record of its journal, which carries the payload.
    pub first_record: String,
}

/// Bytes of records after which a stretch of a journal ends.
pub const STRETCH_BYTES_MAX: usize = 4 << 20;

/// A stretch of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where the run stands.
    pub status: RunStatus,
    /// The records, oldest first.
    pub records: Vec<String>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

impl Stretch {
    /// Takes records as far as a stretch goes.
    pub(crate) fn take(
        status: RunStatus,
        records: impl IntoIterator<Item = String>,
        limit: usize,
    ) -> Self {
        let mut stretch = Self {
            status,
            records: Vec::new(),
            has_more: false,
        };
        let mut bytes = 0;
        for record in records {
            if stretch.records.len() == limit || bytes >= STRETCH_BYTES_MAX {
                stretch.has_more = true;
                break;
            }
            bytes += record.len();
            stretch.records.push(record);
        }
        stretch
    }
}
