//! What happens next: given a run and a command, the events to write and the effects to carry out.
//!
//! One file a command. Each ends in `Deciding::settle`, which looks at what the finished steps have set free.

mod admit;
mod attempt;
mod cancel;
mod scope;
mod signal;
mod start;
mod take_up;

pub use signal::{SIGNALS_MAX, only_waits};

use std::collections::BTreeSet;
use std::time::Duration;

use crate::command::Command;
use crate::effect::{Effect, InvokePlugin};
use crate::event::{Event, Record};
use crate::graph::{Graph, Node, NodeIndex};
use crate::outcome::{Failure, Resume};
use crate::retry::RetryPolicy;
use crate::run::{Phase, Run, RunStatus};
use crate::step::StepKey;
use crate::time::Timestamp;

/// How long an attempt may take where neither the step nor its connector says.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be written, and what is to be done once it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The next records of the journal, in order.
    pub records: Vec<Record>,
    /// What to do outside.
    pub effects: Vec<Effect>,
}

/// A command that does not fit the run. A normal answer: the run is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing more can happen to the run.
    #[error("run {run} has ended: its status is {status}", run = .run)]
    Finished {
        /// Which run.
        run: crate::id::RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// The run has been sent as many signals as one takes.
    #[error("run {run} has been sent {SIGNALS_MAX} signals, and takes no more: that is the limit")]
    TooManySignals {
        /// Which run.
        run: crate::id::RunId,
    },
    /// The attempt is not the one that is under way: the run has gone on without it.
    #[error("attempt {attempt} at step \"{step}\" is not under way any more")]
    StaleAttempt {
        /// The step.
        step: StepKey,
        /// The attempt.
        attempt: u32,
    },
}

/// Decides what a command makes of a run.
///
/// `run` is advanced as if the records were written; a caller who cannot write them drops it and loads the run again.
///
/// # Errors
/// Where the command does not fit the run, which is then as it was.
pub fn decide(
    graph: &Graph,
    run: &mut Run,
    command: Command,
    now: Timestamp,
) -> Result<Decision, Rejection> {
    if run.status().is_finished() {
        return Err(Rejection::Finished {
            run: run.id(),
            status: run.status(),
        });
    }
    let mut deciding = Deciding {
        graph,
        run,
        now,
        begun: BTreeSet::new(),
        decision: Decision::default(),
    };
    if deciding.run.awaits_admission() {
        deciding.await_admission(command)?;
        return Ok(deciding.decision);
    }
    match command {
        Command::Admit => {}
        Command::TakeUp => deciding.take_up(&[]),
        Command::Resync { under_way } => deciding.take_up(&under_way),
        Command::Wake => deciding.wake(),
        Command::CompleteAttempt(returned) => deciding.complete_attempt(*returned)?,
        Command::RecordStart { step, attempt } => deciding.record_start(&step, attempt)?,
        Command::Signal(signal) => deciding.signal(signal)?,
        Command::Cancel { reason } => deciding.cancel(reason),
    }
    Ok(deciding.decision)
}

/// A decision in the making. Every event is applied to the run at once, so each next thought sees what the last one did.
struct Deciding<'a> {
    graph: &'a Graph,
    run: &'a mut Run,
    now: Timestamp,
    /// The steps that this decision has begun. A first attempt leaves no event behind, so the run does not tell.
    begun: BTreeSet<NodeIndex>,
    decision: Decision,
}

impl Deciding<'_> {
    fn record(&mut self, event: Event) {
        let record = Record {
            at: self.now,
            event,
        };
        self.run.apply(&record);
        self.decision.records.push(record);
    }

    /// Begins what the end of a step has set free, and ends the run where nothing is left.
    fn settle(&mut self, finished: NodeIndex) {
        let mut set_free = vec![finished];
        while let Some(index) = set_free.pop() {
            for &dependent in &self.graph.node(index).dependents {
                if self.run.status().is_finished() {
                    return;
                }
                if self.begin_if_ready(dependent) == Some(Begun::Skipped) {
                    set_free.push(dependent);
                }
            }
        }
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        if !self.run.status().is_finished() && self.run.steps_done() == self.graph.nodes().len() {
            self.record(Event::RunSucceeded {});
        }
    }

    /// Fails a step for good, and with it the run.
    fn fail(
        &mut self,
        index: NodeIndex,
        attempt: u32,
        started_at: Timestamp,
        failure: Failure,
        log: Vec<crate::event::LogLine>,
    ) {
        let step = key(self.graph.node(index));
        let (code, message) = (failure.code.clone(), failure.message.clone());
        self.record(Event::StepFailed {
            step: step.clone(),
            attempt,
            started_at,
            failure,
            log,
        });
        self.stop_steps();
        self.record(Event::RunFailed {
            step,
            code,
            message,
        });
    }

    /// Ends every step that has begun and not come to its end, and with it every attempt.
    fn stop_steps(&mut self) {
        for index in 0..self.graph.nodes().len() {
            if is_under_way(self.graph, self.run, index) || is_waiting(self.graph, self.run, index)
            {
                self.record(Event::StepCancelled {
                    step: key(self.graph.node(index)),
                });
            }
        }
        // What this decision was about to begin need not begin.
        self.decision.effects = vec![Effect::StopAttempts];
    }

    fn invoke(&mut self, index: NodeIndex, attempt: u32, resumed: Option<Resume>) {
        let node = self.graph.node(index);
        let refuse = |failure: Failure| (failure, self.now);
        let prepared = match self.run.created().plugins.get(&node.connector) {
            None => Err(refuse(Failure::permanent(
                "plugin-not-pinned",
                format!(
                    "the run was started without a plugin for the type \"{}\"",
                    node.connector
                ),
            ))),
            Some(pin) => node
                .config
                .render(&scope::RunScope::of(self.graph, self.run))
                .map(|config| (pin.clone(), config))
                .map_err(|error| {
                    refuse(Failure::permanent("expression-failed", error.to_string()))
                }),
        };
        match prepared {
            Ok((pin, config)) => {
                let timeout = node
                    .timeout
                    .or_else(|| pin.timeout_ms.map(Duration::from_millis))
                    .unwrap_or(DEFAULT_TIMEOUT);
                let invoke = InvokePlugin {
                    step: key(node),
                    attempt,
                    pin,
                    config,
                    timeout,
                    resumed,
                };
                self.decision
                    .effects
                    .push(Effect::InvokePlugin(Box::new(invoke)));
            }
            Err((failure, now)) => self.fail(index, attempt, now, failure, Vec::new()),
        }
    }

    fn retry_policy(&self, node: &Node) -> RetryPolicy {
        let connectors_own = self
            .run
            .created()
            .plugins
            .get(&node.connector)
            .and_then(|pin| pin.attempts_max);
        RetryPolicy {
            attempts_max: node.retry.attempts_max.or(connectors_own),
            ..node.retry
        }
    }
}

/// What beginning a step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// An attempt is to be made, or the step has failed already.
    Begun,
    /// Its condition does not hold: what waits for it may begin.
    Skipped,
}

fn key(node: &Node) -> StepKey {
    StepKey {
        name: std::sync::Arc::clone(&node.name),
        iteration: None,
    }
}

/// Whether a step's time has come and nothing of it has been recorded: its first attempt is to be made, or is being made.
fn is_ready(graph: &Graph, run: &Run, index: NodeIndex) -> bool {
    let node = graph.node(index);
    let is_done = |&before: &NodeIndex| {
        run.step(&key(graph.node(before)))
            .is_some_and(|step| step.phase.is_done())
    };
    run.step(&key(node)).is_none() && node.needs.iter().all(is_done)
}

/// Whether an attempt at a step is to be made, or is being made.
fn is_under_way(graph: &Graph, run: &Run, index: NodeIndex) -> bool {
    match run.step(&key(graph.node(index))).map(|step| &step.phase) {
        None => is_ready(graph, run, index),
        Some(phase) => matches!(phase, Phase::Running { .. }),
    }
}

/// Whether a step waits for the clock or a signal.
fn is_waiting(graph: &Graph, run: &Run, index: NodeIndex) -> bool {
    run.step(&key(graph.node(index)))
        .is_some_and(|step| matches!(step.phase, Phase::Suspended { .. } | Phase::Retrying { .. }))
}
