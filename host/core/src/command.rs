//! What somebody asks of a run. Imperative: a command may be refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{LogLine, Pin};
use crate::id::RunId;
use crate::json::Json;
use crate::outcome::{Failure, Outcome};
use crate::retry::Chance;
use crate::run::RunStatus;
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
        /// In which round.
        round: u32,
    },
    /// Hand a signal to the run.
    Signal(Signal),
    /// Tell the run that another, for which a step of it waits, has ended.
    EndChild(Box<ChildEnd>),
    /// Begin nothing more until [`Self::Resume`]. What is under way may finish.
    Pause {
        /// Why, in the words of who asks.
        reason: Option<String>,
    },
    /// Go on after [`Self::Pause`].
    Resume,
    /// End the run, after what it has done is undone.
    Cancel {
        /// Why, in the words of who asks.
        reason: Option<String>,
    },
    /// End the run at once.
    Kill {
        /// Why, in the words of who asks.
        reason: Option<String>,
    },
    /// Let a run that has ended go on from an earlier point.
    Retry(Box<Retry>),
}

/// The end of a run for which a step of another waits.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildEnd {
    /// The step that waits.
    pub step: StepKey,
    /// The run that has ended.
    pub run: RunId,
    /// How.
    pub status: RunStatus,
    /// Its result, where it succeeded and has one.
    pub output: Option<Json>,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
}

/// From where a run that has ended goes on, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// From where.
    pub from: From,
    /// The version of the workflow that it goes on with, whose graph is the one that decides.
    pub version: u32,
    /// What each `type` means from here on; what it meant before where absent.
    pub plugins: Option<Arc<BTreeMap<String, Pin>>>,
}

/// From where a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// From what failed or was cut off.
    Failure,
    /// From a step, or an iteration of one.
    Step(StepKey),
    /// From the beginning.
    Start,
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
    /// In which round: what [`crate::effect::InvokePlugin::round`] said.
    pub round: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// What it came to.
    pub result: Result<Outcome, Failure>,
    /// What the connector said.
    pub log: Vec<LogLine>,
    /// For the wait before the next attempt, should there be one.
    pub chance: Chance,
}
