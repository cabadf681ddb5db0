//! A run as the API shows it. Made from the run's journal and its workflow's graph; a step of which nothing has been
//! recorded is shown as what it must be doing.

use std::borrow::Cow;
use std::sync::Arc;

use millwork_core::decide::Progress;
use millwork_core::event::{LogLevel, LogLine, Wait};
use millwork_core::graph::{Graph, Node};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::Failure;
use millwork_core::run::{Loop, Phase, Run, RunError, Step};
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
struct ParentStep {
    /// The other run.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// The step; with an iteration, where it is one of a loop.
    #[schema(example = "ship")]
    step: String,
}

/// What a run or a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct WaitingFor<'a> {
    /// A time that the step asked for, a signal, the next attempt after a failed one, the end of another run, or somebody
    /// who lets a paused run go on.
    kind: WaitKind,
    /// When the clock ends the wait; null where it never does.
    #[schema(required)]
    until: Option<Time>,
    /// The step that waits; absent where the whole run does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cool-off")]
    step: Option<Cow<'a, str>>,
    /// The run whose end it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Since when the run is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    /// Which attempt is waited for, where it is the next after a failed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
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
    Run,
    Paused,
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
    /// Its result; any JSON. Of a loop, what its iterations gave, in the order of the list.
    #[schema(required, value_type = Option<Value>)]
    output: Option<Output<'a>>,
    /// Why it failed, in a sentence.
    #[schema(required)]
    error: Option<&'a str>,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StepFailure<'a>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor<'a>>,
    /// Its iterations, where it is a loop whose list is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    iterations: Option<Iterations<'a>>,
    /// What its plugin said, over all attempts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    log: Vec<LogEntry<'a>>,
}

/// What a step gave.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Output<'a> {
    One(&'a RawValue),
    Each(Vec<Option<&'a RawValue>>),
}

/// The iterations of a loop.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Iterations<'a> {
    /// How many there are.
    #[schema(example = 10)]
    total: u32,
    /// How many are done.
    #[schema(example = 3)]
    done: u32,
    /// Those that have begun, at most two hundred: those that are not done first.
    #[schema(no_recursion)]
    shown: Vec<IterationResult<'a>>,
}

/// An iteration of a loop.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct IterationResult<'a> {
    /// Which, from zero.
    index: u32,
    /// As of a step.
    #[serde(flatten)]
    result: StepResult<'a>,
}

/// Iterations of one loop that are shown.
const ITERATIONS_SHOWN: usize = 200;

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
            started_by: created.origin.as_ref().map(StartedBy::of),
            created_at: Time(run.created_at()),
            started_at: run.started_at().map(Time),
            completed_at: run.completed_at().map(Time),
            output: run.output().map(Json::raw),
            error: run.error().map(ToString::to_string),
            failure: run.error().map(RunFailure::of),
            retries: run.round(),
            parent: created.parent.as_ref().map(|parent| ParentStep {
                run_id: parent.run,
                step: parent.step.to_string(),
            }),
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
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

/// A run, its workflow, and how far it has come.
#[derive(Clone, Copy)]
struct Look<'a, 'p> {
    graph: &'a Graph,
    run: &'a Run,
    progress: &'p Progress,
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

impl<'a> StepResult<'a> {
    /// Shows a step. What undoes another is shown from when it begins.
    fn of(node: &'a Node, look: Look<'a, '_>) -> Option<Self> {
        let name = &*node.name;
        let key = StepKey::of(Arc::clone(&node.name));
        let undone = node.undoes.map(|undone| &*look.graph.node(undone).name);
        if let Some(found) = look.run.find_loop(undone.unwrap_or(name)) {
            return Self::of_loop(node, found, look);
        }
        let shown = Self::single(name, &key, look);
        (node.undoes.is_none() || shown.status != StepStatus::Pending).then_some(shown)
    }

    /// Shows a step that is no loop, or an iteration of one.
    fn single(name: &'a str, key: &StepKey, look: Look<'a, '_>) -> Self {
        let Look {
            graph,
            run,
            progress,
        } = look;
        match run.step(key) {
            Some(step) => Self::recorded(name, key, step),
            // A first attempt is recorded only when it ends.
            None if run.started_at().is_some() && progress.is_under_way(graph, run, key) => Self {
                attempt: 1,
                ..Self::new(name, StepStatus::Running)
            },
            None => Self::new(name, StepStatus::Pending),
        }
    }

    fn of_loop(node: &'a Node, found: &'a Loop, look: Look<'a, '_>) -> Option<Self> {
        let name = &*node.name;
        let key = |iteration| StepKey {
            name: Arc::clone(&node.name),
            iteration: Some(iteration),
        };
        let all = (0..found.length()).map(|i| (i, Self::single(name, &key(i), look)));
        let all: Vec<_> = all
            .filter(|(_, result)| result.status != StepStatus::Pending)
            .collect();
        if node.undoes.is_some() && all.is_empty() {
            return None;
        }
        let is_done =
            |result: &Self| matches!(result.status, StepStatus::Success | StepStatus::Skipped);
        let has = |status| all.iter().any(|(_, result)| result.status == status);
        let status = if node.undoes.is_none() && found.is_done() {
            StepStatus::Success
        } else if has(StepStatus::Failed) && look.run.status().is_finished() {
            StepStatus::Failed
        } else if look.run.status().is_finished() && node.undoes.is_none() {
            StepStatus::Cancelled
        } else if node.undoes.is_some() && all.iter().all(|(_, result)| is_done(result)) {
            StepStatus::Success
        } else {
            StepStatus::Running
        };
        let failed = all.iter().find(|(_, r)| r.status == StepStatus::Failed);
        let (error, failure) = match failed {
            Some((_, result)) if status == StepStatus::Failed => {
                (result.error, result.failure.clone())
            }
            _ => (None, None),
        };
        let is_over = !matches!(status, StepStatus::Running);
        let completed = all
            .iter()
            .filter_map(|(_, r)| r.completed_at.map(|at| at.0));
        let is_under_way = all
            .iter()
            .any(|(_, r)| r.status == StepStatus::Running && r.waiting_for.is_none());
        let waits = all.iter().filter_map(|(_, r)| r.waiting_for.as_ref());
        let waiting_for = waits.min_by_key(|wait| wait.is_until()).cloned();
        let output = (status == StepStatus::Success).then(|| {
            let outputs = (0..found.length()).map(|i| match &look.run.step(&key(i))?.phase {
                Phase::Succeeded { output } => Some(output.raw()),
                _ => None,
            });
            Output::Each(outputs.collect())
        });
        let done = all.iter().filter(|(_, result)| is_done(result)).count();
        let shown = Self {
            attempt: all.iter().map(|(_, r)| r.attempt).max().unwrap_or(0),
            started_at: all
                .iter()
                .filter_map(|(_, r)| r.started_at.map(|at| at.0))
                .min()
                .map(Time),
            completed_at: completed.max().filter(|_| is_over).map(Time),
            output,
            error,
            failure,
            waiting_for: waiting_for.filter(|_| !is_under_way),
            ..Self::new(name, status)
        };
        let mut iterations: Vec<_> = all
            .into_iter()
            .map(|(index, result)| IterationResult { index, result })
            .collect();
        iterations.sort_by_key(|iteration| is_done(&iteration.result));
        iterations.truncate(ITERATIONS_SHOWN);
        Some(Self {
            iterations: Some(Iterations {
                total: found.length(),
                done: match node.undoes {
                    None => found.done(),
                    Some(_) => u32::try_from(done).unwrap_or(u32::MAX),
                },
                shown: iterations,
            }),
            ..shown
        })
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
            iterations: None,
            log: Vec::new(),
        }
    }

    fn recorded(name: &'a str, key: &StepKey, step: &'a Step) -> Self {
        let mut shown = Self {
            attempt: step.attempt,
            started_at: step.started_at.map(Time),
            completed_at: step.completed_at.map(Time),
            log: step.log.iter().map(LogEntry::of).collect(),
            ..Self::new(name, StepStatus::of(&step.phase))
        };
        match &step.phase {
            Phase::Succeeded { output } => shown.output = Some(Output::One(output.raw())),
            Phase::Failed { failure, .. } => {
                shown.error = Some(&failure.message);
                shown.failure = Some(StepFailure::of(failure));
            }
            Phase::Suspended { wait, .. } => shown.waiting_for = Some(WaitingFor::of(key, wait)),
            Phase::Retrying { due, failure, .. } => {
                let attempt = step.attempt + 1;
                shown.waiting_for = Some(WaitingFor::next_attempt(key, attempt, *due, failure));
            }
            Phase::Running { .. } | Phase::Skipped | Phase::Cancelled => {}
        }
        shown
    }
}

impl<'a> WaitingFor<'a> {
    /// It waits, as a step.
    fn new(kind: WaitKind, step: &StepKey) -> Self {
        Self {
            kind,
            until: None,
            step: Some(Cow::Owned(step.to_string())),
            run: None,
            since: None,
            attempt: None,
            signal: None,
            failure: None,
        }
    }

    fn of(step: &StepKey, wait: &'a Wait) -> Self {
        let until = wait.due().map(Time);
        match wait {
            Wait::Time { .. } => Self {
                until,
                ..Self::new(WaitKind::Time, step)
            },
            Wait::Signal { name, .. } => Self {
                until,
                signal: Some(name),
                ..Self::new(WaitKind::Signal, step)
            },
            Wait::Run { run } => Self {
                run: Some(*run),
                ..Self::new(WaitKind::Run, step)
            },
        }
    }

    fn next_attempt(step: &StepKey, attempt: u32, due: Timestamp, failure: &'a Failure) -> Self {
        Self {
            until: Some(Time(due)),
            attempt: Some(attempt),
            failure: Some(StepFailure::of(failure)),
            ..Self::new(WaitKind::Retry, step)
        }
    }

    /// The whole run is held.
    fn held(since: Timestamp) -> Self {
        Self {
            kind: WaitKind::Paused,
            until: None,
            step: None,
            run: None,
            since: Some(Time(since)),
            attempt: None,
            signal: None,
            failure: None,
        }
    }

    /// When it ends, at the latest.
    fn is_until(&self) -> Timestamp {
        self.until.map_or(Timestamp::MAX, |until| until.0)
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
