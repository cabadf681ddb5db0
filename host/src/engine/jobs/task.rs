//! What a job is to do and how far it has come, as they are written down.

use std::collections::BTreeMap;

use millwork_core::command::From as RetryFrom;
use millwork_core::id::{JobId, RunId, WorkflowId};
use millwork_core::run::RunStatus;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_store::{Job, Labels};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::control::RetryWith;
use super::super::{Error, jobs};

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What is done to each run.
    pub operation: Operation,
    /// To which runs.
    pub filter: Filter,
    /// Whether they are only counted.
    #[serde(default)]
    pub dry_run: bool,
}

/// What is done to each run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It is cancelled.
    Cancel {
        /// Why, for people.
        reason: Option<String>,
    },
    /// It is killed.
    Kill {
        /// Why, for people.
        reason: Option<String>,
    },
    /// It is paused.
    Pause {
        /// Why, for people.
        reason: Option<String>,
    },
    /// It is resumed.
    Resume,
    /// It is done again.
    Retry {
        /// From where.
        from: From,
        /// With what.
        with: RetryWith,
    },
}

/// From where a run is done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// From what failed or was cut off.
    Failure,
    /// From the beginning.
    Start,
    /// From a step.
    Step(StepKey),
}

impl std::convert::From<&From> for RetryFrom {
    fn from(from: &From) -> Self {
        match from {
            From::Failure => Self::Failure,
            From::Start => Self::Start,
            From::Step(step) => Self::Step(step.clone()),
        }
    }
}

impl std::convert::From<RetryFrom> for From {
    fn from(from: RetryFrom) -> Self {
        match from {
            RetryFrom::Failure => Self::Failure,
            RetryFrom::Start => Self::Start,
            RetryFrom::Step(step) => Self::Step(step),
        }
    }
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// Only of this workflow.
    #[serde(default)]
    pub workflow: Option<WorkflowId>,
    /// Only in one of these states.
    #[serde(default)]
    pub statuses: Vec<RunStatus>,
    /// Only triggered at this time or after it.
    #[serde(default)]
    pub created_from: Option<Timestamp>,
    /// Only triggered before this time: at the latest, the job's beginning.
    #[serde(default)]
    pub created_before: Option<Timestamp>,
    /// Only with all of these labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Filter {
    /// Whether it says nothing: then it would find every run there is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last run of the last page.
    pub cursor: Option<RunId>,
    /// Runs that were found.
    pub found: u64,
    /// Runs to which it was done.
    pub done: u64,
    /// Runs to which it was not done because it did not fit them.
    pub skipped: u64,
    /// How many of these for which reason.
    pub reasons: BTreeMap<String, u64>,
    /// Runs to which it could not be done.
    pub failed: u64,
    /// The first of these.
    pub failures: Vec<Failure>,
}

/// A run to which it could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which run.
    pub run: RunId,
    /// Why not.
    pub reason: String,
}

/// Failures that are told one by one.
const FAILURES_MAX: usize = 20;

impl Progress {
    /// Notes what came of a run.
    pub(super) fn note(&mut self, run: RunId, outcome: jobs::Outcome) {
        match outcome {
            jobs::Outcome::Done => self.done += 1,
            jobs::Outcome::Skipped(reason) => {
                self.skipped += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            jobs::Outcome::Failed(reason) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_MAX {
                    self.failures.push(Failure { run, reason });
                }
            }
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// Which.
    pub id: JobId,
    /// What it is to do.
    pub task: Task,
    /// How far it has come.
    pub progress: Progress,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was done with.
    pub finished_at: Option<Timestamp>,
    /// Whether somebody ended it before it was done.
    pub is_cancelled: bool,
}

impl JobView {
    pub(super) fn read(job: &Job) -> Result<Self, Error> {
        Ok(Self {
            id: job.id,
            task: read(&job.task)?,
            progress: read(&job.progress)?,
            created_at: job.created_at,
            finished_at: job.finished_at,
            is_cancelled: job.is_cancelled,
        })
    }
}

/// What is written, in this version of it.
#[derive(Serialize, Deserialize)]
struct Written<T> {
    v: u32,
    #[serde(flatten)]
    it: T,
}

pub(super) fn write<T: Serialize>(it: &T) -> String {
    serde_json::to_string(&Written { v: 1, it })
        .expect("texts, numbers and maps by name can be written as JSON")
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let read = serde_json::from_str::<Written<T>>(text);
    let damaged = |detail: String| {
        let what = "a job";
        Error::Store(millwork_store::Error::Damaged { what, detail })
    };
    match read {
        Ok(Written { v: 1, it }) => Ok(it),
        Ok(Written { v, .. }) => Err(damaged(format!("it is of version {v}"))),
        Err(error) => Err(damaged(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_job_is_read_back() {
        let step = StepKey {
            name: "charge".into(),
            iteration: Some(3),
        };
        let task = Task {
            operation: Operation::Retry {
                from: From::Step(step),
                with: RetryWith::Newest,
            },
            filter: Filter {
                statuses: vec![RunStatus::Failed],
                created_before: Some(Timestamp::from_micros(7)),
                labels: Labels::from([("team".to_owned(), "shop".to_owned())]),
                ..Filter::default()
            },
            dry_run: true,
        };
        assert_eq!(read::<Task>(&write(&task)).expect("it holds"), task);
        let mut progress = Progress::default();
        for _ in 0..30 {
            progress.note(
                RunId::from_bytes([1; 16]),
                jobs::Outcome::Failed("no".to_owned()),
            );
        }
        progress.note(
            RunId::from_bytes([2; 16]),
            jobs::Outcome::Skipped("it ended".to_owned()),
        );
        assert_eq!(
            (progress.failed, progress.failures.len()),
            (30, FAILURES_MAX)
        );
        assert_eq!(
            read::<Progress>(&write(&progress)).expect("it holds"),
            progress
        );
        assert!(read::<Progress>(r#"{"v": 2}"#).is_err());
    }
}
