//! A run as its journal tells it: the fold of its events, and nothing else.
//!
//! [`Run::apply`] is the only thing that changes a run. The machine uses it on what it has just decided, and recovery
//! uses it on what the store has kept, so a run that was interrupted cannot differ from one that was not.

mod apply;
mod children;
mod derived;
mod loops;
mod phase;
mod reopen;
mod signals;
mod status;

pub use children::{Children, Ended};
pub(crate) use derived::Derived;
pub use loops::Loop;
pub use phase::{Phase, Step};
pub use signals::Signals;
pub use status::{ParseStatusError, RunStatus};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::decide::Progress;
use crate::event::{End, Event, Pin, Record, RunCreated, Seq};
use crate::id::RunId;
use crate::json::Json;
use crate::step::StepKey;
use crate::time::Timestamp;

/// A run: what its events say.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    id: RunId,
    next_seq: Seq,
    created: Arc<RunCreated>,
    created_at: Timestamp,
    /// The version of the workflow that it keeps, and what each `type` means: as it was created, or last retried.
    version: u32,
    plugins: Option<Arc<BTreeMap<String, Pin>>>,
    /// How often it was retried, and when for the last time.
    round: u32,
    reopened_at: Option<Timestamp>,
    status: RunStatus,
    /// Since when it waits for the limits that bind it to let it in.
    awaits_since: Option<Timestamp>,
    /// Since when somebody holds it.
    paused_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    /// When it has taken too long.
    deadline: Option<Timestamp>,
    /// How it ends, once that is known.
    ending: Option<End>,
    /// The first step that failed for good before it was known how the run ends.
    failed: Option<StepKey>,
    error: Option<RunError>,
    output: Option<Json>,
    steps: BTreeMap<StepKey, Step>,
    /// The loops whose lists are known, by the step's name.
    loops: BTreeMap<Arc<str>, Loop>,
    /// What has succeeded, in that order: the reverse is how it is undone.
    succeeded: Vec<StepKey>,
    /// Bytes of all outputs together.
    outputs_bytes: usize,
    /// How often a step came to an end of its own in an earlier round, and so used its key up.
    keys_used: BTreeMap<StepKey, u32>,
    /// Signals that have arrived, and which of them no step has taken yet.
    signals: Signals,
    /// The runs for which steps wait.
    children: Children,
    /// How many of `steps` let their followers begin. Derived; kept so that the end is seen without looking at all.
    steps_done: usize,
    /// The steps of which something has been recorded, and not their end. Derived from `steps`.
    open: BTreeSet<StepKey>,
    /// When the clock has something to do, soonest first. Derived from `steps`; kept so that nobody has to look
    /// through ten thousand of them.
    wakes: BTreeSet<(Timestamp, StepKey)>,
    /// What the machine worked out of this run and its graph.
    pub(crate) progress: Derived<Progress>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// The step that failed; absent where it was not for a step.
    pub step: Option<StepKey>,
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// The journal cannot be what this machine wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is no event at all.
    #[error("the journal of {0:?} is empty")]
    Empty(RunId),
    /// It does not begin with the creation of the run.
    #[error("the journal of {0:?} does not begin with run-created")]
    Headless(RunId),
}

impl Run {
    /// Folds a journal, oldest record first.
    ///
    /// # Errors
    /// Where the journal is empty or does not begin with the creation of the run.
    pub fn fold<'a>(
        id: RunId,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<Self, FoldError> {
        let mut records = records.into_iter();
        let first = records.next().ok_or(FoldError::Empty(id))?;
        let Event::RunCreated(created) = &first.event else {
            return Err(FoldError::Headless(id));
        };
        let mut run = Self::new(id, Arc::clone(created), first.at);
        for record in records {
            run.apply(record);
        }
        Ok(run)
    }

    /// A run of which only the first event has been written.
    #[must_use]
    pub fn new(id: RunId, created: Arc<RunCreated>, at: Timestamp) -> Self {
        Self {
            id,
            next_seq: 1,
            created_at: at,
            version: created.version,
            plugins: None,
            round: 0,
            reopened_at: None,
            awaits_since: created.bounds.is_some().then_some(at),
            status: RunStatus::Pending,
            paused_at: None,
            started_at: None,
            completed_at: None,
            deadline: created.deadline,
            created,
            ending: None,
            failed: None,
            error: None,
            output: None,
            steps: BTreeMap::new(),
            loops: BTreeMap::new(),
            succeeded: Vec::new(),
            outputs_bytes: 0,
            keys_used: BTreeMap::new(),
            signals: Signals::default(),
            children: Children::default(),
            steps_done: 0,
            open: BTreeSet::new(),
            wakes: BTreeSet::new(),
            progress: Derived::default(),
        }
    }

    /// Which run this is.
    #[must_use]
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// Where the next event goes in the journal.
    #[must_use]
    pub const fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// How it began.
    #[must_use]
    pub const fn created(&self) -> &Arc<RunCreated> {
        &self.created
    }

    /// When it was created.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The version of the workflow that it keeps: as it was created, or last retried.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What each `type` of its workflow means.
    #[must_use]
    pub fn plugins(&self) -> &BTreeMap<String, Pin> {
        match &self.plugins {
            Some(plugins) => plugins,
            None => &self.created.plugins,
        }
    }

    /// How often it was retried.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// When it was retried for the last time.
    #[must_use]
    pub const fn reopened_at(&self) -> Option<Timestamp> {
        self.reopened_at
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> RunStatus {
        match (self.status, self.paused_at) {
            (RunStatus::Pending | RunStatus::Running, Some(_)) => RunStatus::Paused,
            (status, _) => status,
        }
    }

    /// Since when somebody holds it, where somebody does. It is then [`RunStatus::Paused`], and nothing of it begins.
    #[must_use]
    pub const fn paused_at(&self) -> Option<Timestamp> {
        self.paused_at
    }

    /// How it ends, once that is known and something is still to be done before it does.
    #[must_use]
    pub const fn ending(&self) -> Option<&End> {
        self.ending.as_ref()
    }

    /// When it has taken too long.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Its result, where it succeeded and its workflow says what that is.
    #[must_use]
    pub const fn output(&self) -> Option<&Json> {
        self.output.as_ref()
    }

    /// Whether it is bound by limits that have not let it in: nothing of it begins before, and its time limit stands still.
    #[must_use]
    pub const fn awaits_admission(&self) -> bool {
        self.awaits_since.is_some()
    }

    /// When its first attempt at a step began.
    #[must_use]
    pub const fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When it ended.
    #[must_use]
    pub const fn completed_at(&self) -> Option<Timestamp> {
        self.completed_at
    }

    /// The first step that failed for good, before it was known how the run ends.
    pub(crate) const fn failed(&self) -> Option<&StepKey> {
        self.failed.as_ref()
    }

    /// Why it failed; or what went wrong while it was cancelled.
    #[must_use]
    pub const fn error(&self) -> Option<&RunError> {
        self.error.as_ref()
    }

    /// What has been recorded of a step.
    #[must_use]
    pub fn step(&self, key: &StepKey) -> Option<&Step> {
        self.steps.get(key)
    }

    /// How many steps are done: succeeded or skipped.
    #[must_use]
    pub const fn steps_done(&self) -> usize {
        self.steps_done
    }

    /// Every step of which something has been recorded, by name.
    pub fn steps(&self) -> impl Iterator<Item = (&StepKey, &Step)> {
        self.steps.iter()
    }

    /// The steps of which something has been recorded, and not their end.
    pub fn open_steps(&self) -> impl Iterator<Item = &StepKey> {
        self.open.iter()
    }

    /// A loop whose list is known, by its step's name.
    #[must_use]
    pub fn find_loop(&self, name: &str) -> Option<&Loop> {
        self.loops.get(name)
    }

    /// What has succeeded, in that order.
    #[must_use]
    pub fn succeeded(&self) -> &[StepKey] {
        &self.succeeded
    }

    /// How many bytes its outputs have together, as JSON.
    #[must_use]
    pub const fn outputs_bytes(&self) -> usize {
        self.outputs_bytes
    }

    /// How often a step came to an end of its own in an earlier round.
    #[must_use]
    pub fn keys_used(&self, step: &StepKey) -> u32 {
        self.keys_used.get(step).copied().unwrap_or_default()
    }

    /// When the clock next has something to do in this run, if ever. Never, while somebody holds it.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let first = self.wakes.first().map(|(due, _)| *due);
        let wake = first.into_iter().chain(self.time_limit()).min();
        wake.filter(|_| self.paused_at.is_none())
    }

    /// When its time is up. Its end may take as long as it takes.
    pub(crate) fn time_limit(&self) -> Option<Timestamp> {
        let is_open =
            !self.status.is_finished() && self.ending.is_none() && self.awaits_since.is_none();
        self.deadline.filter(|_| is_open)
    }

    /// The steps for which the clock has something to do by `now`, soonest first. None, while somebody holds the run.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &StepKey> {
        self.wakes
            .iter()
            .take_while(move |(due, _)| *due <= now && self.paused_at.is_none())
            .map(|(_, key)| key)
    }

    /// The runs for which its steps wait.
    #[must_use]
    pub const fn children(&self) -> &Children {
        &self.children
    }

    /// The signals that have arrived.
    #[must_use]
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// What the lists and filters of the store keep of the run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            status: self.status(),
            started_at: self.started_at,
            completed_at: self.completed_at,
            error: self.error.as_ref().map(ToString::to_string),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "step \"{step}\" failed: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What changes in a run while it lives, as the store lists and filters it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Where it stands.
    pub status: RunStatus,
    /// When its first attempt at a step began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
}
