//! What happened to a run: the journal, and the only place that knows how it is written down.
//!
//! A record is one JSON object, `{"v":1,"at":<microseconds>,"event":{"<kind>":{…}}}`. The format is versioned: a
//! later host reads every version that was ever released, and an older host refuses a newer one in words.

mod created;

pub use created::{Origin, Parent, Pin, RunCreated};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::json::Json;
use crate::outcome::{Failure, Then, Wake};
use crate::run::RunStatus;
use crate::step::StepKey;
use crate::time::Timestamp;

/// The version of the journal format that this code writes.
pub const FORMAT: u32 = 1;

/// Where an event stands in its run's journal, from zero.
pub type Seq = u32;

/// An event with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened to a run. Past tense: an event is never taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The run exists. Always the first event, and only the first.
    RunCreated(Arc<RunCreated>),
    /// The limits that it is bound by have let the run in.
    RunAdmitted {},
    /// An attempt began. Written before an attempt that may run only once, and for attempts that take long enough
    /// to be looked at; the others begin and end between two records.
    StepStarted {
        /// The step.
        step: StepKey,
        /// Which attempt, from one.
        attempt: u32,
    },
    /// An attempt asked to be woken later.
    StepSuspended {
        /// The step.
        step: StepKey,
        /// Which attempt, from one.
        attempt: u32,
        /// When the call began.
        started_at: Timestamp,
        /// What it waits for.
        wait: Wait,
        /// What the connector left for itself, as Base64.
        #[serde(default, skip_serializing_if = "Vec::is_empty", with = "base64_bytes")]
        state: Vec<u8>,
        /// What happens on waking.
        then: Then,
        /// What the connector said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log: Vec<LogLine>,
    },
    /// A suspended step woke and is to be called again.
    StepResumed {
        /// The step.
        step: StepKey,
        /// What woke it.
        wake: Wake,
    },
    /// The step is done.
    StepSucceeded {
        /// The step.
        step: StepKey,
        /// Which attempt, from one.
        attempt: u32,
        /// When the attempt began.
        started_at: Timestamp,
        /// Its result.
        output: Json,
        /// What the connector said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log: Vec<LogLine>,
    },
    /// An attempt failed, and another will be made.
    StepRetryScheduled {
        /// The step.
        step: StepKey,
        /// Which attempt failed, from one.
        attempt: u32,
        /// When the attempt began.
        started_at: Timestamp,
        /// Why it failed.
        failure: Failure,
        /// When the next one begins.
        due: Timestamp,
        /// What the connector said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log: Vec<LogLine>,
    },
    /// The step failed for good.
    StepFailed {
        /// The step.
        step: StepKey,
        /// Which attempt was the last, from one.
        attempt: u32,
        /// When the attempt began.
        started_at: Timestamp,
        /// Why it failed.
        failure: Failure,
        /// Whether the run goes on all the same, with the failure for an output.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        continued: bool,
        /// What the connector said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log: Vec<LogLine>,
    },
    /// The step is a loop, and its list is known. Its iterations follow, each with events of its own.
    LoopStarted {
        /// The step.
        step: StepKey,
        /// What it goes through. Kept, so that what is around it may change and the loop does not.
        items: Json,
        /// How many iterations are under way at a time.
        parallel: u32,
    },
    /// The step's condition did not hold.
    StepSkipped {
        /// The step.
        step: StepKey,
    },
    /// The step was running or waiting when its run ended.
    StepCancelled {
        /// The step.
        step: StepKey,
    },
    /// Somebody sent a signal. It waits until a step asks for it.
    SignalReceived {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Json,
        /// What makes a second signal with the same key the same signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// The run that a step waits for has come to its end.
    ChildEnded {
        /// The step.
        step: StepKey,
        /// The run that ended.
        run: RunId,
        /// How.
        status: RunStatus,
        /// Its result, where it succeeded and has one.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::json::present"
        )]
        output: Option<Json>,
        /// Why it failed, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Somebody holds the run: nothing of it begins until it is resumed.
    RunPaused {
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody lets the run go on.
    RunResumed {},
    /// It is known how the run ends, and something is to be done before it does: compensations, `on_failure`, `finally`.
    EndBegan {
        /// How it ends.
        end: End,
    },
    /// Every step is done.
    RunSucceeded {
        /// The result, where the workflow says what that is.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::json::present"
        )]
        output: Option<Json>,
    },
    /// The run failed: because a step did, or for what is true of the whole.
    RunFailed {
        /// The step that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepKey>,
        /// A word for programs.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// Somebody asked for it to end.
    RunCancelled {
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody ended it at once: nothing was undone.
    RunKilled {
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run had ended, and somebody lets it go on from an earlier point.
    RunRetried {
        /// What is done again: a step, a loop with all its iterations, or a single iteration.
        reset: Vec<StepKey>,
        /// The version of the workflow that it keeps from here on, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
        /// What each `type` means from here on, where that is something else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugins: Option<Arc<BTreeMap<String, Pin>>>,
        /// When it has taken too long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Every step is done.
    Succeeded {
        /// The result, where the workflow says what that is.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::json::present"
        )]
        output: Option<Json>,
    },
    /// It failed.
    Failed {
        /// The step that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepKey>,
        /// A word for programs.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// Somebody asked for it.
    Cancelled {
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// What a suspended step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// A point in time.
    Time {
        /// When.
        due: Timestamp,
    },
    /// A named signal.
    Signal {
        /// Its name.
        name: String,
        /// When to stop waiting; never where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// The end of another run.
    Run {
        /// Which.
        run: RunId,
    },
}

impl Event {
    /// Whether it was written for somebody outside, and not by who drives the run.
    #[must_use]
    pub const fn comes_from_outside(&self) -> bool {
        match self {
            Self::RunCreated(_)
            | Self::RunCancelled { .. }
            | Self::RunKilled { .. }
            | Self::RunPaused { .. }
            | Self::RunResumed {}
            | Self::RunRetried { .. }
            | Self::ChildEnded { .. }
            | Self::StepCancelled { .. }
            | Self::SignalReceived { .. }
            | Self::EndBegan {
                end: End::Cancelled { .. },
            } => true,
            Self::RunAdmitted {}
            | Self::StepStarted { .. }
            | Self::StepSuspended { .. }
            | Self::StepResumed { .. }
            | Self::StepSucceeded { .. }
            | Self::StepRetryScheduled { .. }
            | Self::StepFailed { .. }
            | Self::StepSkipped { .. }
            | Self::LoopStarted { .. }
            | Self::EndBegan {
                end: End::Succeeded { .. } | End::Failed { .. },
            }
            | Self::RunSucceeded { .. }
            | Self::RunFailed { .. } => false,
        }
    }
}

impl Wait {
    /// When the clock ends the wait, if ever.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Time { due } => Some(*due),
            Self::Signal { deadline, .. } => *deadline,
            Self::Run { .. } => None,
        }
    }
}

/// A line that a connector wrote to its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// How loud.
    pub level: LogLevel,
    /// What it said.
    pub message: String,
}

/// How loud a line of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// The smallest steps.
    Trace,
    /// For who looks into it.
    Debug,
    /// The story.
    Info,
    /// Something is off, and it went on.
    Warn,
    /// Somebody should look.
    Error,
}

/// What a list shows of a run's first record: read without the rest, which is most of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Opening {
    /// What the trigger carried.
    pub payload: Json,
    /// Texts by their names, by which people find the run.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Opening {
    /// Reads it; nothing, where the record is of something else.
    ///
    /// # Errors
    /// Where a later host wrote the record, or it is damaged.
    pub fn decode(text: &str) -> Result<Option<Self>, DecodeError> {
        #[derive(Deserialize)]
        struct Read {
            event: Kind,
        }
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "run-created")]
            created: Option<Opening>,
        }
        check_format(text)?;
        let Read { event } = serde_json::from_str(text).map_err(DecodeError::Damaged)?;
        Ok(event.created)
    }
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A later host wrote it.
    #[error(
        "the record has journal format {found}, this host reads up to {FORMAT}: use the version of the host that wrote it, or a later one"
    )]
    Newer {
        /// The format found.
        found: u32,
    },
    /// It is damaged.
    #[error("the record is damaged")]
    Damaged(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    at: Timestamp,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Read {
    at: Timestamp,
    event: Event,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl Record {
    /// Writes the record as the journal keeps it.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(&Written {
            v: FORMAT,
            at: self.at,
            event: &self.event,
        })
        .expect("an event is made of strings, numbers and JSON, all of which can be written")
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// Where a later host wrote it, or it is damaged.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        check_format(text)?;
        let Read { at, event } = serde_json::from_str(text).map_err(DecodeError::Damaged)?;
        Ok(Self { at, event })
    }
}

/// Says whether this host knows the format of a record.
fn check_format(text: &str) -> Result<(), DecodeError> {
    // Format 1 is the first: there is no older one to convert.
    if text.starts_with("{\"v\":1,") {
        return Ok(());
    }
    match serde_json::from_str(text).map_err(DecodeError::Damaged)? {
        Version { v: 0 } => Err(DecodeError::Damaged(serde::de::Error::custom(
            "there never was a journal format 0",
        ))),
        Version { v } if v > FORMAT => Err(DecodeError::Newer { found: v }),
        Version { .. } => Ok(()),
    }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)
    }
}
