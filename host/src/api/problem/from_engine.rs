//! What the engine's refusals mean to a caller.

use std::time::Duration;

use millwork_core::decide::Rejection;
use millwork_core::definition::Problem as DefinitionProblem;

use super::{Fault, Kind, Problem};
use crate::engine;

/// How long to wait for a database that is away.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long another host takes to answer in this one's place.
const SHUTDOWN_RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        use engine::Error;
        let detail = error.to_string();
        match error {
            Error::InvalidDefinition(problems) => {
                let faults = problems
                    .into_iter()
                    .map(|problem| Fault::new(problem.path, problem.message))
                    .collect();
                Self::of_faults(Kind::InvalidDefinition, &detail, faults)
            }
            Error::InvalidPayload(problems) => {
                let below = |problem: DefinitionProblem| {
                    Fault::new(format!("/payload{}", problem.path), problem.message)
                };
                Self::invalid(problems.into_iter().map(below).collect())
            }
            Error::UnknownWorkflow(_) => Self::new(Kind::UnknownWorkflow, detail),
            Error::UnknownVersion { .. } => Self::new(Kind::UnknownVersion, detail),
            Error::WorkflowArchived(_) => Self::new(Kind::WorkflowArchived, detail),
            Error::WorkflowInUse { .. } => Self::new(Kind::WorkflowInUse, detail),
            Error::WorkflowChanged { .. } => Self::new(Kind::WorkflowChanged, detail),
            Error::UnknownRun(_) => Self::new(Kind::UnknownRun, detail),
            Error::Overloaded { retry_after, .. } => {
                Self::new(Kind::Overloaded, detail).retry_after(retry_after)
            }
            Error::UnknownDelivery(_) => Self::new(Kind::UnknownDelivery, detail),
            Error::UnknownJob(_) => Self::new(Kind::UnknownJob, detail),
            Error::TooManyJobs { retry_after, .. } => {
                Self::new(Kind::TooManyJobs, detail).retry_after(retry_after)
            }
            Error::LimitReached { retry_after, .. } => {
                Self::new(Kind::LimitReached, detail).retry_after(retry_after)
            }
            Error::InvalidKey(error) => {
                Self::invalid(vec![Fault::new("/payload", error.to_string())])
            }
            Error::IdempotencyKeyReused { .. } => Self::new(Kind::IdempotencyKeyReused, detail),
            Error::Rejected(rejection) => match rejection {
                Rejection::Finished { .. } => Self::new(Kind::RunFinished, detail),
                Rejection::TooManySignals { .. } => Self::new(Kind::TooManySignals, detail),
                Rejection::Ending { .. } => Self::new(Kind::RunEnding, detail),
                Rejection::NotFinished { .. } => Self::new(Kind::RunNotFinished, detail),
                Rejection::NothingToRetry { .. } => Self::new(Kind::NothingToRetry, detail),
                Rejection::UnknownStep { message, .. } => {
                    Self::invalid(vec![Fault::new("/from", message)])
                }
                // Only a driver makes attempts.
                Rejection::StaleAttempt { .. } => Self::internal(),
            },
            Error::WorkflowNotNamed { .. } | Error::NoSuchWorkflow { .. } => {
                Self::invalid(vec![Fault::new("/workflow", detail)])
            }
            Error::PluginMissing { .. } => Self::new(Kind::PluginMissing, detail),
            Error::Journal { .. } => Self::internal().caused_by(error),
            Error::Commit(_) => Self::new(
                Kind::Unavailable,
                "the store is unavailable: could not commit".to_owned(),
            )
            .retry_after(STORE_RETRY_AFTER)
            .caused_by(error),
            Error::ShuttingDown => {
                Self::new(Kind::ShuttingDown, detail).retry_after(SHUTDOWN_RETRY_AFTER)
            }
            Error::Store(error) => Self::from(error),
        }
    }
}

impl From<millwork_store::Error> for Problem {
    fn from(error: millwork_store::Error) -> Self {
        use millwork_store::Error;
        match &error {
            Error::Unavailable { action, .. } => {
                let detail = format!("the store is unavailable: could not {action}");
                Self::new(Kind::Unavailable, detail)
                    .retry_after(STORE_RETRY_AFTER)
                    .caused_by(error)
            }
            Error::Damaged { .. }
            | Error::Newer { .. }
            | Error::Older { .. }
            | Error::InUse { .. } => Self::internal().caused_by(error),
        }
    }
}

impl Problem {
    /// A mistake of ours. The caller learns nothing but the request's identifier, under which the log has the rest.
    pub(in crate::api) fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "something went wrong here; the log has more under the request's identifier",
        )
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use axum::response::IntoResponse as _;
    use millwork_core::id::{RunId, WorkflowId};
    use millwork_core::run::RunStatus;

    use super::*;

    fn told(error: engine::Error) -> String {
        let problem = Problem::from(error);
        let body: serde_json::Value =
            serde_json::from_slice(&problem.body("r-1")).expect("it is JSON");
        let retry_after = problem
            .clone()
            .into_response()
            .headers()
            .get(header::RETRY_AFTER)
            .cloned();
        let retry_after = retry_after
            .map(|wait| format!(", retry after {wait:?}"))
            .unwrap_or_default();
        format!(
            "{} {}{retry_after}: {}",
            body["status"],
            problem.kind().slug(),
            body["detail"]
        )
    }

    #[test]
    fn every_refusal_has_a_status_and_a_sentence() {
        let (run, workflow) = (RunId::from_bytes([1; 16]), WorkflowId::from_bytes([2; 16]));
        let unavailable = millwork_store::Error::Unavailable {
            action: "commit",
            source: "FATAL: password of user millwork".into(),
        };
        let damaged = millwork_store::Error::Damaged {
            what: "a journal",
            detail: "SELECT".to_owned(),
        };
        let errors = [
            engine::Error::InvalidDefinition(vec![DefinitionProblem::new(
                "/steps/0/type",
                "is missing",
            )]),
            engine::Error::UnknownWorkflow(workflow),
            engine::Error::UnknownRun(run),
            engine::Error::Overloaded {
                backlog: 9,
                limit: 8,
                retry_after: Duration::from_secs(5),
            },
            engine::Error::LimitReached {
                message: "1 runs with the concurrency key \"k\" are under way, which is the workflow's limit"
                    .to_owned(),
                retry_after: Duration::from_secs(5),
            },
            engine::Error::InvalidKey(millwork_core::bounds::KeyError {
                place: "concurrency.key",
                reason: "gives null for this payload, which is no key".to_owned(),
            }),
            engine::Error::IdempotencyKeyReused {
                key: "k".to_owned(),
            },
            engine::Error::Rejected(Rejection::Finished {
                run,
                status: RunStatus::Success,
            }),
            engine::Error::Rejected(Rejection::Ending { run }),
            engine::Error::Rejected(Rejection::NotFinished {
                run,
                status: RunStatus::Running,
            }),
            engine::Error::Rejected(Rejection::NothingToRetry { run }),
            engine::Error::ShuttingDown,
            engine::Error::Store(unavailable),
            engine::Error::Store(damaged),
        ];
        let told: Vec<_> = errors.into_iter().map(told).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        422 invalid-definition: "the definition does not hold: /steps/0/type: is missing"
        404 unknown-workflow: "Workflow 02020202-0202-0202-0202-020202020202 not found"
        404 unknown-run: "Workflow run not found"
        503 overloaded, retry after "5": "9 runs are waiting to be executed, the limit is 8 (engine.backlog_max)"
        429 limit-reached, retry after "5": "1 runs with the concurrency key \"k\" are under way, which is the workflow's limit"
        422 invalid-request: "the request does not hold: /payload: concurrency.key gives null for this payload, which is no key"
        409 idempotency-key-reused: "the idempotency key \"k\" was used with another request"
        409 run-finished: "run 01010101-0101-0101-0101-010101010101 has ended: its status is success"
        409 run-ending: "run 01010101-0101-0101-0101-010101010101 is ending already, and what closes it is under way; kill it to end it at once"
        409 run-not-finished: "run 01010101-0101-0101-0101-010101010101 has not ended: its status is running; cancel it first"
        409 nothing-to-retry: "nothing of run 01010101-0101-0101-0101-010101010101 failed; name the step from which it is to be done again, or say from the start"
        503 shutting-down, retry after "1": "the engine is shutting down"
        503 unavailable, retry after "2": "the store is unavailable: could not commit"
        500 internal: "something went wrong here; the log has more under the request's identifier"
        "#);
    }
}
