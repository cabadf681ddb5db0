//! What a step came to: the words between the machine and the connectors.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::json::Json;
use crate::time::Timestamp;

/// What an attempt at a step came to, where it worked.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done; the output of the step.
    Completed(Json),
    /// To be continued.
    Suspended(Suspension),
}

/// A connector's wish to be woken later. Nothing of it stays in memory meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspension {
    /// What it waits for.
    pub until: Until,
    /// Handed back on waking.
    pub state: Vec<u8>,
    /// What happens on waking.
    pub then: Then,
}

/// What a suspended step waits for, in the connector's words.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// A point in time.
    At(Timestamp),
    /// A span from now.
    After(Duration),
    /// A named signal to the run, for at most this long.
    Signal {
        /// The signal's name.
        name: String,
        /// How long to wait; for ever where absent.
        timeout: Option<Duration>,
    },
    /// The end of another run.
    Run(RunId),
}

/// What happens when a suspended step wakes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// The connector is invoked again.
    CallAgain,
    /// The step completes with this output, without another call.
    Complete(Json),
}

/// What woke a suspended step; handed to the connector with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    /// What happened.
    pub wake: Wake,
    /// The state that it left.
    pub state: Vec<u8>,
}

/// Why a suspended step goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wake {
    /// The time has come.
    Timer,
    /// The signal has arrived.
    Signal {
        /// The signal's name.
        name: String,
        /// What came with it.
        payload: Json,
    },
    /// The signal did not arrive in time.
    SignalTimeout,
}

/// Why an attempt did not work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// What to make of it.
    pub kind: FailureKind,
    /// A word for programs: `http-404`, `plugin-timeout`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What else there is to say.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::json::present"
    )]
    pub details: Option<Json>,
}

/// What the machine makes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Another attempt may work.
    Retryable,
    /// Another attempt may work, after this long where the other side said so.
    RateLimited {
        /// Milliseconds to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    /// Another attempt would fail the same way.
    Permanent,
    /// It took too long; another attempt may work.
    Timeout,
    /// The step was cancelled while it ran.
    Cancelled,
    /// The host died during an attempt that may run only once: nobody knows whether it acted.
    OutcomeUnknown,
}

impl FailureKind {
    /// Whether another attempt may work.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Retryable | Self::RateLimited { .. } | Self::Timeout => true,
            Self::Permanent | Self::Cancelled | Self::OutcomeUnknown => false,
        }
    }
}

impl Failure {
    /// A failure that another attempt would repeat.
    #[must_use]
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, code, message)
    }

    /// A failure that another attempt may mend.
    #[must_use]
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, code, message)
    }

    /// A failure of any kind.
    #[must_use]
    pub fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            details: None,
        }
    }
}
