//! What somebody asks of a run. Imperative: a command may be refused.

use crate::event::LogLine;
use crate::json::Json;
use crate::outcome::{Failure, Outcome};
use crate::retry::Chance;
use crate::step::StepKey;
use crate::time::Timestamp;

/// What somebody asks of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Go on from where the journal ends: a fresh run begins, a run whose host died goes on, a run whose time has come
    /// wakes. What is due and what is under way becomes effects.
    TakeUp,
    /// The same, by a host that has attempts of the run under way: they are left alone. For after somebody else has
    /// advanced the run.
    Resync {
        /// The steps whose attempts are being made here.
        under_way: Vec<StepKey>,
    },
    /// Do what has come due; leave what is under way alone.
    Wake,
    /// The limits that the run is bound by let it in: it may be taken up. Changes nothing where it has been let in before.
    Admit,
    /// An attempt came back.
    CompleteAttempt(Box<AttemptReturned>),
    /// An attempt has been under way long enough to be looked at.
    RecordStart {
        /// The step.
        step: StepKey,
        /// Which attempt.
        attempt: u32,
    },
    /// Hand a signal to the run.
    Signal(Signal),
    /// End the run.
    Cancel {
        /// Why, in the words of who asks.
        reason: Option<String>,
    },
}

/// A signal to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub payload: Json,
    /// What makes a second signal with the same key the same signal.
    pub key: Option<String>,
}

/// An attempt that came back.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptReturned {
    /// The step.
    pub step: StepKey,
    /// Which attempt.
    pub attempt: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// What it came to.
    pub result: Result<Outcome, Failure>,
    /// What the connector said.
    pub log: Vec<LogLine>,
    /// For the wait before the next attempt, should there be one.
    pub chance: Chance,
}
