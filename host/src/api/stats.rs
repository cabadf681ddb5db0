//! `GET /api/v1/stats`: how many runs are in each state; `…/history`: of those of a time, stretch by stretch of it.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_store::{OverTime, RunCounts};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::{Time, answer};
use super::openapi::{InvalidRequest, Unavailable, UnknownWorkflow};
use super::problem::{Fault, Problem};
use super::query::{Query, parsed};

/// How many runs are in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunCounts)]
pub(super) struct Counts {
    /// Triggered, and nothing of them has begun.
    pending: u64,
    /// Under way, asleep or waiting.
    running: u64,
    /// Every step is done.
    success: u64,
    /// A step failed for good.
    failed: u64,
    /// Held until somebody resumes them.
    paused: u64,
    /// Ended because somebody asked.
    cancelled: u64,
}

impl From<RunCounts> for Counts {
    fn from(counts: RunCounts) -> Self {
        Self {
            pending: counts.of(RunStatus::Pending),
            running: counts.of(RunStatus::Running),
            success: counts.of(RunStatus::Success),
            failed: counts.of(RunStatus::Failed),
            paused: counts.of(RunStatus::Paused),
            cancelled: counts.of(RunStatus::Cancelled),
        }
    }
}

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct Stats {
    /// The workflow, where one was asked for.
    #[schema(required, value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// How many runs are in each state; those that were removed are not counted.
    runs: Counts,
}

/// Read how many runs are in each state
///
/// Of all workflows, or of one. The counts are kept, so it costs the same however many runs there are.
#[utoipa::path(
    get,
    path = "/api/v1/stats",
    operation_id = "get_stats",
    tag = "runs",
    params(("workflow_id" = Option<Uuid>, Query, description = "Only runs of this workflow")),
    responses((status = 200, description = "The counts", body = Stats), UnknownWorkflow, InvalidRequest, Unavailable),
)]
pub(super) async fn stats(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let workflow_id = query.one("workflow_id", parsed);
    query.finish()?;
    let stats = Stats {
        workflow_id,
        runs: api.engine().count_runs(workflow_id).await?.into(),
    };
    Ok(answer(StatusCode::OK, &stats))
}

/// At how many runs one question looks.
const RUNS_MAX: usize = 100_000;

/// Into how many stretches a time is cut where nothing is said, and at most.
const STRETCHES_DEFAULT: u16 = 48;
const STRETCHES_MAX: u16 = 240;

/// How long the time is where nothing is said.
const SPAN_DEFAULT: i64 = 24 * 60 * 60 * 1_000_000;

/// How many of the runs of a time are in each state now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsHistory)]
pub(super) struct History {
    /// The workflow, where one was asked for.
    #[schema(required, value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// The runs were created at this time or after it,
    created_from: Time,
    /// and before this one.
    created_before: Time,
    /// From when on every run is counted: `created_from`, or later where there were more than 100,000 runs.
    counted_from: Time,
    /// How long each stretch is, in seconds.
    #[schema(example = 1800.0)]
    stretch_seconds: f64,
    /// The stretches, the earliest first.
    items: Vec<Stretch>,
}

/// The runs that were created within a stretch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsStretch)]
struct Stretch {
    /// When it begins.
    created_from: Time,
    /// How many of its runs are in each state now.
    runs: Counts,
}

/// Count runs over time
///
/// Those that were created within a time, by the state that they are in now, stretch by stretch. They are counted along an index, the newest
/// first and 100,000 at most: `counted_from` says from when on the counts hold all of them.
#[utoipa::path(
    get,
    path = "/api/v1/stats/history",
    operation_id = "get_stats_history",
    tag = "runs",
    params(
        ("workflow_id" = Option<Uuid>, Query, description = "Only runs of this workflow"),
        ("created_from" = Option<String>, Query, description = "Only runs triggered at this time or after it (RFC 3339); a day before `created_before` where nothing is said", example = "2026-01-31T09:00:00Z"),
        ("created_before" = Option<String>, Query, description = "Only runs triggered before this time (RFC 3339); now where nothing is said", example = "2026-02-01T00:00:00Z"),
        ("stretches" = Option<u32>, Query, description = "Into how many stretches the time is cut, from 1 to 240; 48 where nothing is said", minimum = 1, maximum = 240, example = 48),
    ),
    responses((status = 200, description = "The counts of each stretch", body = History), UnknownWorkflow, InvalidRequest, Unavailable),
)]
pub(super) async fn history(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = read(Query::of(&uri), api.engine().now())?;
    let counted = api.engine().count_over_time(query).await?;
    let mut begins = query.from;
    let items = counted.counts.into_iter().map(|counts| {
        let created_from = Time(begins);
        begins = begins.after(counted.stretch);
        Stretch {
            created_from,
            runs: counts.into(),
        }
    });
    let history = History {
        workflow_id: query.workflow,
        created_from: Time(query.from),
        created_before: Time(query.before),
        counted_from: Time(counted.counted_from),
        stretch_seconds: counted.stretch.as_secs_f64(),
        items: items.collect(),
    };
    Ok(answer(StatusCode::OK, &history))
}

fn read(mut query: Query, now: Timestamp) -> Result<OverTime, Problem> {
    let workflow = query.one("workflow_id", parsed);
    let from = query.one("created_from", parsed);
    let before: Timestamp = query.one("created_before", parsed).unwrap_or(now);
    let stretches = query.one("stretches", read_stretches);
    query.finish()?;
    let from = from.unwrap_or_else(|| {
        let day_before = before.as_micros().saturating_sub(SPAN_DEFAULT);
        Timestamp::from_micros(day_before.max(0))
    });
    if from >= before {
        let message = format!("must be before created_before, which is {before}");
        return Err(Problem::invalid(vec![Fault::new("created_from", message)]));
    }
    Ok(OverTime {
        workflow,
        from,
        before,
        stretches: stretches.unwrap_or(STRETCHES_DEFAULT),
        runs_max: RUNS_MAX,
    })
}

fn read_stretches(text: &str) -> Result<u16, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=STRETCHES_MAX).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {STRETCHES_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<OverTime, String> {
        let uri = format!("/api/v1/stats/history?{text}");
        let uri = uri.parse().expect("it is a URI");
        let now = "2026-02-01T00:00:00Z".parse().expect("it is a time");
        read(Query::of(&uri), now).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_question_that_says_nothing_is_about_the_last_day() {
        let query = read_text("").expect("it holds");
        assert_eq!(query.from.to_string(), "2026-01-31T00:00:00.000000Z");
        assert_eq!(query.before.to_string(), "2026-02-01T00:00:00.000000Z");
        assert_eq!((query.stretches, query.workflow), (48, None));
        let early = read_text("created_before=1970-01-01T09:00:00Z").expect("it holds");
        assert_eq!(early.from, Timestamp::EPOCH);
    }

    #[test]
    fn a_question_that_does_not_hold_is_refused_by_the_name_of_the_place() {
        for (text, place) in [
            ("stretches=0", "stretches: must be"),
            ("stretches=241", "stretches: must be"),
            (
                "created_from=2026-02-01T00:00:00Z",
                "created_from: must be before",
            ),
            ("created_from=now", "created_from: cannot be read"),
            ("buckets=5", "buckets: unknown parameter"),
        ] {
            let refused = read_text(text).expect_err("it does not hold");
            assert!(refused.contains(place), "{text}: {refused}");
        }
    }
}
