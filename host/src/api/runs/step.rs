//! A step of a run as the API shows it. One of which nothing has been recorded is shown as what it must be doing.

use std::sync::Arc;

use millwork_core::decide::Progress;
use millwork_core::event::{LogLevel, LogLine};
use millwork_core::graph::{Graph, Node};
use millwork_core::run::{Loop, Phase, Run, Step};
use millwork_core::step::StepKey;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::json::Time;
use super::status::StepStatus;
use super::waiting::{StepFailure, WaitingFor};

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepResult<'a> {
    /// The step's name.
    #[schema(example = "fetch")]
    pub(super) step_name: &'a str,
    /// Where it stands. One that sleeps or waits is `running`, and says so in `waiting_for`.
    pub(super) status: StepStatus,
    /// Which attempt that is about, from one; zero before the first.
    #[schema(example = 1)]
    pub(super) attempt: u32,
    /// When its first attempt began.
    #[schema(required)]
    pub(super) started_at: Option<Time>,
    /// When it ended.
    #[schema(required)]
    pub(super) completed_at: Option<Time>,
    /// Its result; any JSON. Of a loop, what its iterations gave, in the order of the list.
    #[schema(required, value_type = Option<Value>)]
    pub(super) output: Option<Output<'a>>,
    /// Why it failed, in a sentence.
    #[schema(required)]
    pub(super) error: Option<&'a str>,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<StepFailure<'a>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting_for: Option<WaitingFor<'a>>,
    /// Its iterations, where it is a loop whose list is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub(super) iterations: Option<Iterations<'a>>,
    /// What its plugin said, over all attempts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) log: Vec<LogEntry<'a>>,
}

/// What a step gave.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Output<'a> {
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

/// A line of a plugin's log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogEntry<'a> {
    /// When it was said.
    at: Time,
    /// How loud: `trace`, `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String, example = "info")]
    level: LogLevel,
    /// What was said.
    message: &'a str,
}

/// A run, its workflow, and how far it has come.
#[derive(Clone, Copy)]
pub(super) struct Look<'a, 'p> {
    pub(super) graph: &'a Graph,
    pub(super) run: &'a Run,
    pub(super) progress: &'p Progress,
}

impl<'a> StepResult<'a> {
    /// Shows a step. What undoes another is shown from when it begins.
    pub(super) fn of(node: &'a Node, look: Look<'a, '_>) -> Option<Self> {
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

impl<'a> LogEntry<'a> {
    pub(super) fn of(line: &'a LogLine) -> Self {
        Self {
            at: Time(line.at),
            level: line.level,
            message: &line.message,
        }
    }
}
