//! `/api/v1/jobs`: something done to every run that a filter finds, here on the server.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::{JobId, RunId, WorkflowId};
use millwork_core::run::RunStatus as Status;
use millwork_store::Labels;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Limit, Members};
use super::json::{Time, answer};
use super::labels;
use super::openapi::{Body as BodyProblems, InvalidRequest, TooManyJobs, Unavailable, UnknownJob};
use super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::problem::{Fault, Problem};
use super::query::{Id, Query, parsed};
use super::runs::{RunStatus, read_from};
use crate::engine::{Filter, JobView, Operation, RetryFrom, RetryWith, Task};
use crate::nearest::unknown;

/// What is to be done, and to which runs.
#[derive(ToSchema)]
#[schema(as = JobRequest, example = json!({"operation": "retry", "with": "newest", "filter": {"status": ["failed"], "labels": {"team": "shop"}}, "dry_run": true}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(super) struct JobRequest {
    /// `cancel`, `kill`, `pause`, `resume` or `retry`.
    #[schema(example = "cancel")]
    operation: String,
    /// Which runs: those of which everything that is said is true. It has to say something.
    filter: FilterRequest,
    /// Whether runs are only counted.
    dry_run: Option<bool>,
    /// Why, for people; kept in the journals of the runs. For `cancel`, `kill` and `pause`.
    reason: Option<String>,
    /// For `retry`: `failure` (the default), `start`, or a step such as `{"step": "charge"}`.
    #[schema(value_type = Option<Value>)]
    from: Option<Value>,
    /// For `retry`: `pinned` (the default) or `newest`.
    #[schema(example = "pinned")]
    with: Option<String>,
}

/// Which runs.
#[derive(ToSchema)]
#[schema(as = JobFilterRequest)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
struct FilterRequest {
    /// Only of this workflow.
    #[schema(value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// Only in one of these states; those that the operation is for where nothing is said.
    status: Option<Vec<RunStatus>>,
    /// Only triggered at this time or after it.
    created_from: Option<Time>,
    /// Only triggered before this time. Runs that are triggered after the job began are never touched.
    created_before: Option<Time>,
    /// Only with all of these labels.
    labels: Option<std::collections::HashMap<String, String>>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(super) struct JobDocument {
    /// The job's identifier.
    #[schema(value_type = Uuid)]
    id: JobId,
    /// What is done to each run: `cancel`, `kill`, `pause`, `resume` or `retry`.
    #[schema(example = "cancel")]
    operation: &'static str,
    /// `running`, `finished` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    /// Whether runs are only counted.
    dry_run: bool,
    /// Which runs.
    filter: FilterDocument,
    /// Runs that were found so far.
    #[schema(example = 120)]
    found: u64,
    /// Runs to which it was done.
    #[schema(example = 117)]
    done: u64,
    /// Runs to which it was not done because it does not fit them.
    #[schema(example = 3)]
    skipped: u64,
    /// How many were skipped for which reason.
    #[schema(value_type = std::collections::HashMap<String, u64>, example = json!({"it has ended: success": 3}))]
    skipped_because: std::collections::BTreeMap<String, u64>,
    /// Runs to which it could not be done.
    #[schema(example = 0)]
    failed: u64,
    /// The first of these.
    failures: Vec<JobFailure>,
    /// When it began.
    created_at: Time,
    /// When it was done with; null while it is under way.
    #[schema(required)]
    finished_at: Option<Time>,
}

/// Which runs a job is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobFilter)]
struct FilterDocument {
    /// Only of this workflow.
    #[schema(required, value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// Only in one of these states.
    status: Vec<RunStatus>,
    /// Only triggered at this time or after it.
    #[schema(required)]
    created_from: Option<Time>,
    /// Only triggered before this time.
    #[schema(required)]
    created_before: Option<Time>,
    /// Only with all of these labels.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    labels: Labels,
}

/// A run to which it could not be done.
#[derive(Debug, Serialize, ToSchema)]
struct JobFailure {
    /// The run.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// Why not, in a sentence.
    #[schema(
        example = "workflow 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55 cannot start: there is no plugin \"slack\""
    )]
    reason: String,
}

impl JobDocument {
    fn of(job: JobView) -> Self {
        let (filter, progress) = (job.task.filter, job.progress);
        let failures = progress.failures.into_iter().map(|failure| JobFailure {
            run_id: failure.run,
            reason: failure.reason,
        });
        Self {
            id: job.id,
            operation: match job.task.operation {
                Operation::Cancel { .. } => "cancel",
                Operation::Kill { .. } => "kill",
                Operation::Pause { .. } => "pause",
                Operation::Resume => "resume",
                Operation::Retry { .. } => "retry",
            },
            status: match (job.finished_at, job.is_cancelled) {
                (_, true) => "cancelled",
                (Some(_), false) => "finished",
                (None, false) => "running",
            },
            dry_run: job.task.dry_run,
            filter: FilterDocument {
                workflow_id: filter.workflow,
                status: filter.statuses.into_iter().map(RunStatus::from).collect(),
                created_from: filter.created_from.map(Time),
                created_before: filter.created_before.map(Time),
                labels: filter.labels,
            },
            found: progress.found,
            done: progress.done,
            skipped: progress.skipped,
            skipped_because: progress.reasons,
            failed: progress.failed,
            failures: failures.collect(),
            created_at: Time(job.created_at),
            finished_at: job.finished_at.map(Time),
        }
    }
}

/// Start a job
///
/// Does something to every run that the filter finds, page by page, on the server: the answer comes once the job is durable, and the
/// job goes on whatever becomes of the caller or of this process. Runs that are triggered after it began are not touched.
#[utoipa::path(
    post,
    path = "/api/v1/jobs",
    operation_id = "start_job",
    tag = "runs",
    request_body(content = JobRequest, content_type = "application/json"),
    responses(
        (status = 202, description = "The job, which is under way", body = JobDocument),
        TooManyJobs, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn start(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, REQUEST_LIMIT, api.body_timeout()).await?;
    let job = api.engine().start_job(read(&body)?).await?;
    Ok(answer(StatusCode::ACCEPTED, &JobDocument::of(job)))
}

/// List jobs
///
/// The latest first, a page at a time; those that have finished too.
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    operation_id = "list_jobs",
    tag = "runs",
    params(
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
    ),
    responses((status = 200, description = "A page of jobs", body = Page<JobDocument>), InvalidRequest, Unavailable),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let after = query.one("cursor", read_cursor).map(JobId::from_bytes);
    query.finish()?;
    // One more than asked for tells whether there is another page.
    let jobs = api.engine().list_jobs(after, limit + 1).await?;
    let items = jobs.into_iter().map(JobDocument::of).collect();
    let page = Page::of(items, limit, |job: &JobDocument| *job.id.as_bytes());
    Ok(answer(StatusCode::OK, &page))
}

/// Read a job
///
/// How far it has come: `found`, `done`, `skipped` with the reasons, `failed`.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}",
    operation_id = "get_job",
    tag = "runs",
    params(("job_id" = Uuid, Path, description = "The job, with or without dashes")),
    responses((status = 200, description = "The job", body = JobDocument), UnknownJob, InvalidRequest, Unavailable),
)]
pub(super) async fn show(State(api): State<Api>, Id(job): Id<JobId>) -> Result<Response, Problem> {
    let job = api.engine().find_job(job).await?;
    Ok(answer(StatusCode::OK, &JobDocument::of(job)))
}

/// Cancel a job
///
/// It ends after the page of runs that is under way. What is done stays done. One that has finished stays as it is.
#[utoipa::path(
    delete,
    path = "/api/v1/jobs/{job_id}",
    operation_id = "cancel_job",
    tag = "runs",
    params(("job_id" = Uuid, Path, description = "The job, with or without dashes")),
    responses((status = 200, description = "The job, which has ended", body = JobDocument), UnknownJob, InvalidRequest, Unavailable),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Id(job): Id<JobId>,
) -> Result<Response, Problem> {
    let job = api.engine().cancel_job(job).await?;
    Ok(answer(StatusCode::OK, &JobDocument::of(job)))
}

/// A filter with as many labels as a run may have; that is no setting.
const REQUEST_LIMIT: Limit = Limit {
    what: "the request",
    bytes: std::num::NonZeroUsize::new(32 << 10).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

const FIELDS: [&str; 6] = ["operation", "filter", "dry_run", "reason", "from", "with"];

fn read(body: &[u8]) -> Result<Task, Problem> {
    let mut faults = Vec::new();
    let (mut operation, mut filter, mut dry_run) = (None, None, false);
    let (mut reason, mut from, mut with) = (None, None, None);
    for (name, value) in Members::read(body)?.0 {
        if value.get() == "null" {
            continue;
        }
        let text = || body::string(value).map(std::borrow::Cow::into_owned);
        match &*name {
            "operation" => operation = text(),
            "filter" => filter = Some(read_filter(value, &mut faults)),
            "dry_run" => match value.get() {
                "true" => dry_run = true,
                "false" => dry_run = false,
                _ => faults.push(Fault::new("/dry_run", "must be true or false")),
            },
            "reason" => match text() {
                Some(text) => reason = Some(text),
                None => faults.push(Fault::new("/reason", "must be a string")),
            },
            "from" => match read_from(value) {
                Ok(place) => from = Some(place),
                Err(fault) => faults.push(fault),
            },
            "with" => match text().as_deref() {
                Some("pinned") => with = Some(RetryWith::Pinned),
                Some("newest") => with = Some(RetryWith::Newest),
                _ => faults.push(Fault::new("/with", "must be one of \"pinned\", \"newest\"")),
            },
            other => faults.push(Fault::new(
                body::pointer(other),
                unknown("field", other, FIELDS),
            )),
        }
    }
    let (has_reason, has_retry) = (reason.is_some(), from.is_some() || with.is_some());
    let (takes_reason, operation) = match operation.as_deref() {
        Some("cancel") => (true, Some(Operation::Cancel { reason })),
        Some("kill") => (true, Some(Operation::Kill { reason })),
        Some("pause") => (true, Some(Operation::Pause { reason })),
        Some("resume") => (false, Some(Operation::Resume)),
        Some("retry") => {
            let from = from.unwrap_or(RetryFrom::Failure).into();
            let with = with.unwrap_or_default();
            (false, Some(Operation::Retry { from, with }))
        }
        _ => {
            let message = "must be one of \"cancel\", \"kill\", \"pause\", \"resume\", \"retry\"";
            faults.push(Fault::new("/operation", message));
            (true, None)
        }
    };
    if has_reason && !takes_reason {
        let message = "is for \"cancel\", \"kill\" and \"pause\" only";
        faults.push(Fault::new("/reason", message));
    }
    if has_retry
        && operation
            .as_ref()
            .is_some_and(|o| !matches!(o, Operation::Retry { .. }))
    {
        let message = "`from` and `with` are for the operation \"retry\" only";
        faults.push(Fault::new("/operation", message));
    }
    let filter = filter.unwrap_or_default();
    if filter.is_empty() && faults.is_empty() {
        let message = "says nothing, which would be every run: give at least one of workflow_id, status, created_from, created_before, labels";
        faults.push(Fault::new("/filter", message));
    }
    match operation {
        Some(operation) if faults.is_empty() => Ok(Task {
            operation,
            filter,
            dry_run,
        }),
        _ => Err(Problem::invalid(faults)),
    }
}

const FILTERS: [&str; 5] = [
    "workflow_id",
    "status",
    "created_from",
    "created_before",
    "labels",
];

fn read_filter(value: &RawValue, faults: &mut Vec<Fault>) -> Filter {
    let mut filter = Filter::default();
    let Ok(Members(members)) = Members::read(value.get().as_bytes()) else {
        faults.push(Fault::new("/filter", "must be an object"));
        return filter;
    };
    for (name, value) in members {
        if value.get() == "null" {
            continue;
        }
        let place = format!("/filter{}", body::pointer(&name));
        let text = body::string(value).unwrap_or_default();
        let read = match &*name {
            "workflow_id" => parsed(&text).map(|id| filter.workflow = Some(id)),
            "created_from" => parsed(&text).map(|at| filter.created_from = Some(at)),
            "created_before" => parsed(&text).map(|at| filter.created_before = Some(at)),
            "status" => read_statuses(value).map(|statuses| filter.statuses = statuses),
            "labels" => {
                filter.labels = labels::read(&place, value, faults);
                Ok(())
            }
            other => Err(unknown("field", other, FILTERS)),
        };
        if let Err(message) = read {
            faults.push(Fault::new(place, message));
        }
    }
    filter
}

/// Reads a state, or a list of them.
fn read_statuses(value: &RawValue) -> Result<Vec<Status>, String> {
    let must = || "must be a state such as \"failed\", or a list of them".to_owned();
    let words = match serde_json::from_str(value.get()) {
        Ok(Value::String(word)) => vec![Value::String(word)],
        Ok(Value::Array(words)) if !words.is_empty() => words,
        _ => return Err(must()),
    };
    let read = |word: &Value| parsed(word.as_str().ok_or_else(must)?);
    words.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Task, String> {
        read(text.as_bytes()).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_job_says_what_is_done_to_which_runs() {
        let text = r#"{"operation": "retry", "from": "start", "with": "newest", "dry_run": true,
            "filter": {"status": ["failed"], "labels": {"team": "shop"}, "created_from": "2026-01-31T09:00:00Z"}}"#;
        let task = read_text(text).expect("it holds");
        let from = RetryFrom::Start.into();
        let with = RetryWith::Newest;
        assert_eq!(task.operation, Operation::Retry { from, with });
        assert!(task.dry_run);
        assert_eq!(task.filter.statuses, [Status::Failed]);
        assert_eq!(task.filter.labels["team"], "shop");
        assert_eq!(
            task.filter.created_from,
            "2026-01-31T09:00:00Z".parse().ok()
        );
        let paused = read_text(r#"{"operation": "resume", "filter": {"status": "paused"}}"#);
        assert_eq!(paused.map(|task| task.operation), Ok(Operation::Resume));
    }

    #[test]
    fn a_job_that_does_not_hold_is_refused_by_the_name_of_the_place() {
        for (text, place) in [
            (r#"{"operation": "cancel"}"#, "/filter: says nothing"),
            (
                r#"{"operation": "cancel", "filter": {}}"#,
                "/filter: says nothing",
            ),
            (
                r#"{"operation": "cancel", "filter": 7}"#,
                "/filter: must be",
            ),
            (
                r#"{"operation": "stop", "filter": {"status": "failed"}}"#,
                "/operation: must be",
            ),
            (
                r#"{"operation": "cancel", "filter": {"status": []}}"#,
                "/filter/status: must be",
            ),
            (
                r#"{"operation": "cancel", "filter": {"statsu": "failed"}}"#,
                "/filter/statsu: unknown field",
            ),
            (
                r#"{"operation": "cancel", "filter": {"labels": {"a": 1}}}"#,
                "/filter/labels/a: must be",
            ),
            (
                r#"{"operation": "resume", "reason": "x", "filter": {"status": "paused"}}"#,
                "/reason: is for",
            ),
            (
                r#"{"operation": "kill", "with": "newest", "filter": {"status": "paused"}}"#,
                "/operation: `from` and",
            ),
            (
                r#"{"operation": "kill", "dryrun": true, "filter": {"status": "paused"}}"#,
                "/dryrun: unknown field",
            ),
        ] {
            let refused = read_text(text).expect_err("it does not hold");
            assert!(refused.contains(place), "{text}: {refused}");
        }
    }
}
