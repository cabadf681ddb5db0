//! A run as the API shows it. Made from the run's journal and its workflow's graph; a step of which nothing has been
//! recorded is shown as what it must be doing.

use millwork_core::decide::Progress;
use millwork_core::event::Parent;
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::{Run, RunError};
use millwork_store::Labels;
use millwork_store::limits::Turn;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::json::Time;
use super::origin::StartedBy;
use super::status::{RunStatus, StepStatus};
use super::step::{Look, StepResult};
use super::turn::{LimitWait, RunWait};
use super::waiting::WaitingFor;

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub(in crate::api) struct RunDocument<'a> {
    /// The run's identifier.
    #[schema(value_type = Uuid)]
    uuid: RunId,
    /// The run's identifier again.
    #[schema(value_type = Uuid)]
    id: RunId,
    /// The workflow.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// The version of the workflow that the run keeps to its end.
    #[schema(example = 1)]
    workflow_version: u32,
    /// Where the run stands. One that sleeps or waits is `running`, and says so in `waiting_for`.
    status: RunStatus,
    /// What the trigger carried.
    #[schema(value_type = Object)]
    payload: &'a RawValue,
    /// Texts by their names, by which it is found; where it has any.
    #[serde(skip_serializing_if = "has_none")]
    #[schema(required = false)]
    labels: &'a Labels,
    /// What started it, where nobody asked for it: the clock, an inbound webhook, a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<StartedBy<'a>>,
    /// When it was triggered.
    created_at: Time,
    /// When its first step began.
    #[schema(required)]
    started_at: Option<Time>,
    /// When it ended.
    #[schema(required)]
    completed_at: Option<Time>,
    /// Its result, where the workflow says what that is; any JSON.
    #[schema(required, value_type = Option<Value>)]
    output: Option<&'a RawValue>,
    /// Why it failed, in a sentence.
    #[schema(required)]
    error: Option<String>,
    /// Why it failed, for programs.
    #[schema(required)]
    failure: Option<RunFailure<'a>>,
    /// How often it was retried.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    retries: u32,
    /// The step of another run that it is, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    parent: Option<ParentStep>,
    /// What it waits for while nothing of it is under way: a limit that has not let it begin, somebody who holds it, or of its
    /// steps' waits the one that ends first.
    #[schema(required)]
    waiting_for: Option<RunWait<'a>>,
    /// Every step of the workflow by its name, in the order of the definition.
    #[schema(value_type = std::collections::HashMap<String, StepResult>)]
    step_results: StepResults<'a>,
}

/// Why a run failed, for programs.
#[derive(Debug, Serialize, ToSchema)]
struct RunFailure<'a> {
    /// The step that failed; null where it is true of the whole, as of a run that took too long.
    #[schema(required, example = "fetch")]
    step: Option<String>,
    /// A word for programs.
    #[schema(example = "http-404")]
    code: &'a str,
    /// A sentence for people.
    #[schema(example = "GET https://shop.example/orders/7 answered 404 Not Found")]
    message: &'a str,
}

/// The step of another run that a run is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParentStep {
    /// The other run.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// The step; with an iteration, where it is one of a loop.
    #[schema(example = "ship")]
    step: String,
}

/// The steps by name, in the order of the definition.
#[derive(Debug)]
struct StepResults<'a>(Vec<StepResult<'a>>);

impl Serialize for StepResults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for step in &self.0 {
            map.serialize_entry(step.step_name, step)?;
        }
        map.end()
    }
}

impl<'a> RunDocument<'a> {
    /// Shows a run.
    pub(in crate::api) fn of(run: &'a Run, graph: &'a Graph) -> Self {
        let progress = Progress::of(graph, run);
        let look = Look {
            graph,
            run,
            progress: &progress,
        };
        let steps: Vec<_> = graph
            .nodes()
            .iter()
            .filter_map(|node| StepResult::of(node, look))
            .collect();
        let created = run.created();
        Self {
            uuid: run.id(),
            id: run.id(),
            workflow_id: created.workflow,
            workflow_version: run.version(),
            status: run.status().into(),
            payload: created.payload.raw(),
            labels: &created.labels,
            started_by: created.origin.as_ref().map(StartedBy::of),
            created_at: Time(run.created_at()),
            started_at: run.started_at().map(Time),
            completed_at: run.completed_at().map(Time),
            output: run.output().map(Json::raw),
            error: run.error().map(ToString::to_string),
            failure: run.error().map(RunFailure::of),
            retries: run.round(),
            parent: created.parent.as_ref().map(ParentStep::of),
            waiting_for: match run.paused_at() {
                Some(since) => Some(WaitingFor::held(since)),
                None => soonest(&steps),
            }
            .map(RunWait::Step),
            step_results: StepResults(steps),
        }
    }
}

impl<'a> RunDocument<'a> {
    /// Shows what keeps the run from beginning, where a limit does.
    pub(in crate::api) fn kept_by(self, turn: Option<&'a Turn>) -> Self {
        let kept_by = turn.map(|turn| RunWait::Limit(LimitWait::of(turn)));
        Self {
            waiting_for: kept_by.or(self.waiting_for),
            ..self
        }
    }
}

fn has_none(labels: &&Labels) -> bool {
    labels.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ParentStep {
    pub(super) fn of(parent: &Parent) -> Self {
        Self {
            run_id: parent.run,
            step: parent.step.to_string(),
        }
    }
}

impl<'a> RunFailure<'a> {
    fn of(error: &'a RunError) -> Self {
        Self {
            step: error.step.as_ref().map(ToString::to_string),
            code: &error.code,
            message: &error.message,
        }
    }
}

/// What the run waits for: nothing, while a step of it is under way.
fn soonest<'a>(steps: &[StepResult<'a>]) -> Option<WaitingFor<'a>> {
    let is_under_way =
        |step: &StepResult<'_>| step.status == StepStatus::Running && step.waiting_for.is_none();
    if steps.iter().any(is_under_way) {
        return None;
    }
    let waits = steps.iter().filter_map(|step| step.waiting_for.as_ref());
    waits.min_by_key(|wait| wait.is_until()).cloned()
}
