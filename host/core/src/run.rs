//! A run as its journal tells it: the fold of its events, and nothing else.
//!
//! [`Run::apply`] is the only thing that changes a run. The machine uses it on what it has just decided, and recovery
//! uses it on what the store has kept, so a run that was interrupted cannot differ from one that was not.

mod phase;
mod signals;
mod status;

pub use phase::{Phase, Step};
pub use signals::Signals;
pub use status::{ParseStatusError, RunStatus};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::event::{Event, LogLine, Record, RunCreated, Seq};
use crate::id::RunId;
use crate::outcome::{Resume, Wake};
use crate::step::StepKey;
use crate::time::Timestamp;

/// A run: what its events say.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    id: RunId,
    next_seq: Seq,
    created: Arc<RunCreated>,
    created_at: Timestamp,
    status: RunStatus,
    /// It is bound by limits that have not let it in.
    awaits_admission: bool,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    error: Option<RunError>,
    steps: BTreeMap<StepKey, Step>,
    /// How many of `steps` let their followers begin. Derived; kept so that the end is seen without looking at all.
    steps_done: usize,
    /// When the clock has something to do, soonest first. Derived from `steps`; kept so that nobody has to look
    /// through ten thousand of them.
    wakes: BTreeSet<(Timestamp, StepKey)>,
    /// Signals that have arrived, and which of them no step has taken yet.
    signals: Signals,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// The step that failed.
    pub step: StepKey,
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
            awaits_admission: created.bounds.is_some(),
            created,
            created_at: at,
            status: RunStatus::Pending,
            started_at: None,
            completed_at: None,
            error: None,
            steps: BTreeMap::new(),
            steps_done: 0,
            wakes: BTreeSet::new(),
            signals: Signals::default(),
        }
    }

    /// Takes in the next record of the journal.
    pub fn apply(&mut self, record: &Record) {
        self.next_seq += 1;
        let at = record.at;
        match &record.event {
            // Only the first record can be this one; `fold` has taken it.
            Event::RunCreated(_) => {}
            Event::RunAdmitted {} => self.awaits_admission = false,
            Event::StepStarted { step, attempt } => {
                self.begin(at);
                let resume = self.resumed(step);
                self.change(step, *attempt, Some(at), Phase::Running { resume }, &[]);
            }
            Event::StepSuspended {
                step,
                attempt,
                started_at,
                wait,
                state,
                then,
                log,
            } => {
                self.begin(*started_at);
                let phase = Phase::Suspended {
                    wait: wait.clone(),
                    state: state.clone(),
                    then: then.clone(),
                };
                self.change(step, *attempt, Some(*started_at), phase, log);
            }
            Event::StepResumed { step, wake } => self.resume(step, wake),
            Event::StepSucceeded {
                step,
                attempt,
                started_at,
                output,
                log,
            } => {
                self.begin(*started_at);
                self.finish(
                    step,
                    *attempt,
                    Some(*started_at),
                    at,
                    Phase::Succeeded {
                        output: output.clone(),
                    },
                    log,
                );
            }
            Event::StepRetryScheduled {
                step,
                attempt,
                started_at,
                failure,
                due,
                log,
            } => {
                self.begin(*started_at);
                let phase = Phase::Retrying {
                    due: *due,
                    failure: failure.clone(),
                    resume: self.resumed(step),
                };
                self.change(step, *attempt, Some(*started_at), phase, log);
            }
            Event::StepFailed {
                step,
                attempt,
                started_at,
                failure,
                log,
            } => {
                self.begin(*started_at);
                self.finish(
                    step,
                    *attempt,
                    Some(*started_at),
                    at,
                    Phase::Failed {
                        failure: failure.clone(),
                    },
                    log,
                );
            }
            Event::StepSkipped { step } => {
                self.begin(at);
                self.finish(step, 0, None, at, Phase::Skipped, &[]);
            }
            Event::StepCancelled { step } => {
                let attempt = self.steps.get(step).map_or(1, |step| step.attempt);
                self.finish(step, attempt, None, at, Phase::Cancelled, &[]);
            }
            Event::SignalReceived { name, payload, key } => {
                self.signals.receive(name, payload, key.as_deref());
            }
            Event::RunSucceeded {} => {
                self.begin(at);
                self.end(RunStatus::Success, at);
            }
            Event::RunFailed {
                step,
                code,
                message,
            } => {
                self.error = Some(RunError {
                    step: step.clone(),
                    code: code.clone(),
                    message: message.clone(),
                });
                self.end(RunStatus::Failed, at);
            }
            Event::RunCancelled { .. } => self.end(RunStatus::Cancelled, at),
        }
    }

    fn begin(&mut self, at: Timestamp) {
        if self.status == RunStatus::Pending {
            self.status = RunStatus::Running;
        }
        self.started_at = earlier(self.started_at, Some(at));
    }

    fn end(&mut self, status: RunStatus, at: Timestamp) {
        self.status = status;
        self.completed_at = Some(at);
        self.wakes.clear();
    }

    fn change(
        &mut self,
        key: &StepKey,
        attempt: u32,
        started_at: Option<Timestamp>,
        phase: Phase,
        log: &[LogLine],
    ) -> &mut Step {
        let step = self.steps.entry(key.clone()).or_insert_with(|| Step {
            phase: Phase::Running { resume: None },
            attempt,
            started_at: None,
            completed_at: None,
            log: Vec::new(),
        });
        if let Some(due) = step.phase.due() {
            self.wakes.remove(&(due, key.clone()));
        }
        if let Some(due) = phase.due() {
            self.wakes.insert((due, key.clone()));
        }
        self.steps_done += usize::from(phase.is_done());
        self.steps_done -= usize::from(step.phase.is_done());
        step.phase = phase;
        step.attempt = attempt;
        // An attempt that was recorded while it ran tells only at its end when it began.
        step.started_at = earlier(step.started_at, started_at);
        step.log.extend_from_slice(log);
        step
    }

    fn finish(
        &mut self,
        key: &StepKey,
        attempt: u32,
        started_at: Option<Timestamp>,
        at: Timestamp,
        phase: Phase,
        log: &[LogLine],
    ) {
        self.change(key, attempt, started_at, phase, log)
            .completed_at = Some(at);
    }

    /// What woke the step, where it had been suspended and has not come to an end since.
    fn resumed(&self, key: &StepKey) -> Option<Resume> {
        match &self.steps.get(key)?.phase {
            Phase::Running { resume } | Phase::Retrying { resume, .. } => resume.clone(),
            Phase::Suspended { .. }
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Skipped
            | Phase::Cancelled => None,
        }
    }

    fn resume(&mut self, key: &StepKey, wake: &Wake) {
        if let Wake::Signal { name, .. } = wake {
            self.signals.take(name);
        }
        let (attempt, state) = match self.steps.get(key) {
            Some(Step {
                phase: Phase::Suspended { state, .. },
                attempt,
                ..
            }) => (*attempt, state.clone()),
            Some(step) => (step.attempt, Vec::new()),
            None => (1, Vec::new()),
        };
        let resume = Some(Resume {
            wake: wake.clone(),
            state,
        });
        self.change(key, attempt, None, Phase::Running { resume }, &[]);
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

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> RunStatus {
        self.status
    }

    /// Whether it is bound by limits that have not let it in: nothing of it begins before.
    #[must_use]
    pub const fn awaits_admission(&self) -> bool {
        self.awaits_admission
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

    /// Why it failed.
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

    /// When the clock next has something to do in this run, if ever.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(due, _)| *due)
    }

    /// The steps for which the clock has something to do by `now`, soonest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &StepKey> {
        self.wakes
            .iter()
            .take_while(move |(due, _)| *due <= now)
            .map(|(_, key)| key)
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
            status: self.status,
            started_at: self.started_at,
            completed_at: self.completed_at,
            error: self.error.as_ref().map(ToString::to_string),
        }
    }
}

fn earlier(known: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    known.into_iter().chain(told).min()
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step \"{}\" failed: {}", self.step, self.message)
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
