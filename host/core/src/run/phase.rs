//! Where a step of a run stands.

use crate::event::{LogLine, Wait};
use crate::json::Json;
use crate::outcome::{Failure, Resume, Then};
use crate::time::Timestamp;

/// A step of a run of which something has been recorded. A step that is not here has not begun, or is in its first
/// attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub phase: Phase,
    /// Which attempt the phase belongs to, from one.
    pub attempt: u32,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What its connector said, over all attempts.
    pub log: Vec<LogLine>,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// An attempt is being made.
    Running {
        /// What woke it, where the attempt had been suspended.
        resume: Option<Resume>,
    },
    /// An attempt asked to be woken later.
    Suspended {
        /// What it waits for.
        wait: Wait,
        /// What the connector left for itself.
        state: Vec<u8>,
        /// What happens on waking.
        then: Then,
    },
    /// An attempt failed, the next one is due at a time.
    Retrying {
        /// When.
        due: Timestamp,
        /// Why the last one failed.
        failure: Failure,
        /// What had woken it, where it had been suspended: the next attempt is told again.
        resume: Option<Resume>,
    },
    /// Done.
    Succeeded {
        /// Its result.
        output: Json,
    },
    /// Failed for good.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether the run goes on all the same, with the failure for an output.
        continued: bool,
    },
    /// Its condition did not hold.
    Skipped,
    /// It was under way when the run ended.
    Cancelled,
}

impl Phase {
    /// Whether what follows the step may begin.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Skipped => true,
            Self::Failed { continued, .. } => *continued,
            Self::Running { .. }
            | Self::Suspended { .. }
            | Self::Retrying { .. }
            | Self::Cancelled => false,
        }
    }

    /// Whether the step has come to an end, good or bad.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Skipped | Self::Failed { .. } | Self::Cancelled => true,
            Self::Running { .. } | Self::Suspended { .. } | Self::Retrying { .. } => false,
        }
    }

    /// When the clock has something to do here, if ever.
    pub(super) const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Suspended { wait, .. } => wait.due(),
            Self::Retrying { due, .. } => Some(*due),
            Self::Running { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Skipped
            | Self::Cancelled => None,
        }
    }
}
