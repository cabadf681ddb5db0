//! A run as the API shows it. Made from the run's journal and its workflow's graph; a step of which nothing has been
//! recorded is shown as what it must be doing.

use std::sync::Arc;

use millwork_core::event::{LogLevel, LogLine, Wait};
use millwork_core::graph::{Graph, Node};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::outcome::Failure;
use millwork_core::run::{Phase, Run, RunError, Step};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_store::limits::Turn;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::json::Time;
use super::origin::StartedBy;
use super::status::{RunStatus, StepStatus};
use super::turn::{LimitWait, RunWait};

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
    /// Why it failed, in a sentence.
    #[schema(required)]
    error: Option<String>,
    /// Why it failed, for programs.
    #[schema(required)]
    failure: Option<RunFailure<'a>>,
    /// What it waits for while nothing of it is under way: a limit that has not let it begin, or of its steps' waits the one
    /// that ends first.
    #[schema(required)]
    waiting_for: Option<RunWait<'a>>,
    /// Every step of the workflow by its name, in the order of the definition.
    #[schema(value_type = std::collections::HashMap<String, StepResult>)]
    step_results: StepResults<'a>,
}

/// Why a run failed, for programs.
#[derive(Debug, Serialize, ToSchema)]
struct RunFailure<'a> {
    /// The step that failed.
    #[schema(value_type = String, example = "fetch")]
    step: String,
    /// A word for programs.
    #[schema(example = "http-404")]
    code: &'a str,
    /// A sentence for people.
    #[schema(example = "GET https://shop.example/orders/7 answered 404 Not Found")]
    message: &'a str,
}

/// What a run or a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct WaitingFor<'a> {
    /// A time that the step asked for, a signal, or the next attempt after a failed one.
    kind: WaitKind,
    /// When the clock ends the wait; null where it never does.
    #[schema(required)]
    until: Option<Time>,
    /// The step that waits.
    #[schema(example = "cool-off")]
    step: &'a str,
    /// The signal's name, where it waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    /// Why the last attempt failed, where the next one is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StepFailure<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WaitKind)]
enum WaitKind {
    Time,
    Signal,
    Retry,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
struct StepResult<'a> {
    /// The step's name.
    #[schema(example = "fetch")]
    step_name: &'a str,
    /// Where it stands. One that sleeps or waits is `running`, and says so in `waiting_for`.
    status: StepStatus,
    /// Which attempt that is about, from one; zero before the first.
    #[schema(example = 1)]
    attempt: u32,
    /// When its first attempt began.
    #[schema(required)]
    started_at: Option<Time>,
    /// When it ended.
    #[schema(required)]
    completed_at: Option<Time>,
    /// Its result; any JSON.
    #[schema(required, value_type = Option<Value>)]
    output: Option<&'a RawValue>,
    /// Why it failed, in a sentence.
    #[schema(required)]
    error: Option<&'a str>,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StepFailure<'a>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor<'a>>,
    /// What its plugin said, over all attempts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    log: Vec<LogEntry<'a>>,
}

/// Why an attempt at a step failed, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct StepFailure<'a> {
    /// A word for programs.
    #[schema(example = "http-503")]
    code: &'a str,
    /// A sentence for people.
    #[schema(example = "GET https://shop.example/orders/7 answered 503 Service Unavailable")]
    message: &'a str,
}

/// A line of a plugin's log.
#[derive(Debug, Serialize, ToSchema)]
struct LogEntry<'a> {
    /// When it was said.
    at: Time,
    /// How loud: `trace`, `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String, example = "info")]
    level: LogLevel,
    /// What was said.
    message: &'a str,
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
        let steps: Vec<_> = graph
            .nodes()
            .iter()
            .map(|node| StepResult::of(node, run, graph))
            .collect();
        let created = run.created();
        Self {
            uuid: run.id(),
            id: run.id(),
            workflow_id: created.workflow,
            workflow_version: created.version,
            status: run.status().into(),
            payload: created.payload.raw(),
            started_by: created.origin.as_ref().map(StartedBy::of),
            created_at: Time(run.created_at()),
            started_at: run.started_at().map(Time),
            completed_at: run.completed_at().map(Time),
            error: run.error().map(ToString::to_string),
            failure: run.error().map(RunFailure::of),
            waiting_for: soonest(&steps).map(RunWait::Step),
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

impl<'a> RunFailure<'a> {
    fn of(error: &'a RunError) -> Self {
        Self {
            step: error.step.to_string(),
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
    waits
        .min_by_key(|wait| wait.until.map_or(Timestamp::MAX, |until| until.0))
        .cloned()
}

impl<'a> StepResult<'a> {
    fn of(node: &'a Node, run: &'a Run, graph: &Graph) -> Self {
        let name = &*node.name;
        match run.step(&StepKey::of(Arc::clone(&node.name))) {
            Some(step) => Self::recorded(name, step),
            None if is_in_first_attempt(node, run, graph) => Self {
                attempt: 1,
                ..Self::new(name, StepStatus::Running)
            },
            None => Self::new(name, StepStatus::Pending),
        }
    }

    fn new(step_name: &'a str, status: StepStatus) -> Self {
        Self {
            step_name,
            status,
            attempt: 0,
            started_at: None,
            completed_at: None,
            output: None,
            error: None,
            failure: None,
            waiting_for: None,
            log: Vec::new(),
        }
    }

    fn recorded(name: &'a str, step: &'a Step) -> Self {
        let mut shown = Self {
            attempt: step.attempt,
            started_at: step.started_at.map(Time),
            completed_at: step.completed_at.map(Time),
            log: step.log.iter().map(LogEntry::of).collect(),
            ..Self::new(name, StepStatus::of(&step.phase))
        };
        match &step.phase {
            Phase::Succeeded { output } => shown.output = Some(output.raw()),
            Phase::Failed { failure } => {
                shown.error = Some(&failure.message);
                shown.failure = Some(StepFailure::of(failure));
            }
            Phase::Suspended { wait, .. } => shown.waiting_for = Some(WaitingFor::of(name, wait)),
            Phase::Retrying { due, failure, .. } => {
                shown.waiting_for = Some(WaitingFor::next_attempt(name, *due, failure));
            }
            Phase::Running { .. } | Phase::Skipped | Phase::Cancelled => {}
        }
        shown
    }
}

/// Whether a step of which nothing has been recorded is in its first attempt, which is recorded only when it ends.
fn is_in_first_attempt(node: &Node, run: &Run, graph: &Graph) -> bool {
    let is_done = |index: usize| {
        let step = run.step(&StepKey::of(Arc::clone(&graph.node(index).name)));
        step.is_some_and(|step| step.phase.is_done())
    };
    run.started_at().is_some()
        && !run.status().is_finished()
        && node.needs.iter().all(|&index| is_done(index))
}

impl<'a> WaitingFor<'a> {
    fn of(step: &'a str, wait: &'a Wait) -> Self {
        let until = wait.due().map(Time);
        let (kind, signal) = match wait {
            Wait::Time { .. } => (WaitKind::Time, None),
            Wait::Signal { name, .. } => (WaitKind::Signal, Some(name.as_str())),
        };
        Self {
            kind,
            until,
            step,
            signal,
            failure: None,
        }
    }

    fn next_attempt(step: &'a str, due: Timestamp, failure: &'a Failure) -> Self {
        let failure = Some(StepFailure::of(failure));
        Self {
            kind: WaitKind::Retry,
            until: Some(Time(due)),
            step,
            signal: None,
            failure,
        }
    }
}

impl<'a> StepFailure<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            code: &failure.code,
            message: &failure.message,
        }
    }
}

impl<'a> LogEntry<'a> {
    fn of(line: &'a LogLine) -> Self {
        Self {
            at: Time(line.at),
            level: line.level,
            message: &line.message,
        }
    }
}
