//! The words for where a run or a step stands.

use millwork_core::run::{self, Phase};
use serde::Serialize;
use utoipa::ToSchema;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum RunStatus {
    /// Triggered, and nothing of it has begun.
    Pending,
    /// Under way, asleep or waiting.
    Running,
    /// Every step is done.
    Success,
    /// A step failed for good.
    Failed,
    /// Held until somebody resumes it.
    Paused,
    /// Ended because somebody asked.
    Cancelled,
}

impl From<run::RunStatus> for RunStatus {
    fn from(status: run::RunStatus) -> Self {
        match status {
            run::RunStatus::Pending => Self::Pending,
            run::RunStatus::Running => Self::Running,
            run::RunStatus::Success => Self::Success,
            run::RunStatus::Failed => Self::Failed,
            run::RunStatus::Paused => Self::Paused,
            run::RunStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum StepStatus {
    /// It has not begun.
    Pending,
    /// Under way, asleep or waiting.
    Running,
    /// Done.
    Success,
    /// Failed for good.
    Failed,
    /// Its condition did not hold.
    Skipped,
    /// It was under way when the run ended.
    Cancelled,
}

impl StepStatus {
    pub(in crate::api) const fn of(phase: &Phase) -> Self {
        match phase {
            Phase::Running { .. } | Phase::Suspended { .. } | Phase::Retrying { .. } => {
                Self::Running
            }
            Phase::Succeeded { .. } => Self::Success,
            Phase::Failed { .. } => Self::Failed,
            Phase::Skipped => Self::Skipped,
            Phase::Cancelled => Self::Cancelled,
        }
    }
}
