//! What happens next: given a run and a command, the events to write and the effects to carry out.
//!
//! One file a command, or a few that belong together. Those of the driver end in `Deciding::advance`, which does what the
//! run's state asks for, up to where it waits. Those of others (`control`, `again`, `Signal`, `EndChild`) write an event
//! and nothing more: whoever drives the run looks again.

mod admit;
mod advance;
mod again;
mod attempt;
mod begin;
mod child;
mod control;
mod progress;
mod scope;
mod signal;
mod take_up;

pub use progress::Progress;
pub use signal::SIGNALS_MAX;

use std::collections::VecDeque;
use std::time::Duration;

use crate::command::Command;
use crate::effect::Effect;
use crate::event::{Event, LogLine, Record};
use crate::graph::{Graph, Node, NodeIndex, Stage};
use crate::id::RunId;
use crate::json::Json;
use crate::outcome::Failure;
use crate::retry::RetryPolicy;
use crate::run::{Run, RunStatus};
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
    #[error("run {run} has ended: its status is {status}")]
    Finished {
        /// Which run.
        run: RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// The run is on its way to another end.
    #[error(
        "run {run} is ending already, and what closes it is under way; kill it to end it at once"
    )]
    Ending {
        /// Which run.
        run: RunId,
    },
    /// Only a run that has ended can be retried.
    #[error("run {run} has not ended: its status is {status}; cancel it first")]
    NotFinished {
        /// Which run.
        run: RunId,
        /// Where it stands.
        status: RunStatus,
    },
    /// Nothing of the run failed or was cut off.
    #[error(
        "nothing of run {run} failed; name the step from which it is to be done again, or say from the start"
    )]
    NothingToRetry {
        /// Which run.
        run: RunId,
    },
    /// The run has no such step from which it could be done again.
    #[error("{message}")]
    UnknownStep {
        /// Which run.
        run: RunId,
        /// A sentence for who asked.
        message: String,
    },
    /// The run has been sent as many signals as one takes.
    #[error("run {run} has been sent {SIGNALS_MAX} signals, and takes no more: that is the limit")]
    TooManySignals {
        /// Which run.
        run: RunId,
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
    if run.status().is_finished() && !matches!(command, Command::Retry(_)) {
        return Err(Rejection::Finished {
            run: run.id(),
            status: run.status(),
        });
    }
    let known = run.progress.0.take();
    // Whoever takes a run up believes nothing.
    let looks_again = matches!(command, Command::TakeUp | Command::Resync { .. });
    let known = known.filter(|_| !looks_again);
    let mut deciding = Deciding {
        progress: known.unwrap_or_else(|| Progress::of(graph, run)),
        graph,
        run,
        now,
        ready: VecDeque::new(),
        decision: Decision::default(),
    };
    let decided = deciding.carry_out(command);
    let Deciding {
        progress, decision, ..
    } = deciding;
    // After a retry nothing of it holds any more.
    let is_new = decision
        .records
        .iter()
        .any(|record| matches!(record.event, Event::RunRetried { .. }));
    run.progress.0 = Some(progress).filter(|_| !is_new);
    decided.map(|()| decision)
}

/// A decision in the making. Every event is applied to the run at once, so each next thought sees what the last one did.
struct Deciding<'a> {
    graph: &'a Graph,
    run: &'a mut Run,
    now: Timestamp,
    progress: Progress,
    /// What has been set free and not begun. A first attempt leaves no event behind, so each stands here once.
    ready: VecDeque<Turn>,
    decision: Decision,
}

/// What may begin.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// A step: its needs are done.
    Node(NodeIndex),
    /// An iteration of a loop: there is room for it.
    Iteration(NodeIndex, u32),
}

impl Deciding<'_> {
    fn carry_out(&mut self, command: Command) -> Result<(), Rejection> {
        if self.run.awaits_admission() && !matches!(command, Command::Retry(_)) {
            return self.await_admission(command);
        }
        match command {
            Command::Admit => {}
            Command::TakeUp => self.take_up(&[]),
            Command::Resync { under_way } => self.take_up(&under_way),
            Command::Wake => self.wake(),
            Command::CompleteAttempt(returned) => self.complete_attempt(*returned)?,
            Command::RecordStart {
                step,
                attempt,
                round,
            } => self.record_start(&step, attempt, round)?,
            Command::Signal(signal) => self.signal(signal)?,
            Command::EndChild(end) => self.end_child(*end),
            Command::Pause { reason } => self.pause(reason),
            Command::Resume => self.resume(),
            Command::Cancel { reason } => self.cancel(reason)?,
            Command::Kill { reason } => self.kill(reason),
            Command::Retry(retry) => self.retry(*retry)?,
        }
        Ok(())
    }

    fn record(&mut self, event: Event) {
        let record = Record {
            at: self.now,
            event,
        };
        self.run.apply(&record);
        self.decision.records.push(record);
    }

    /// A step succeeds, unless its output is more than the run may hold.
    fn succeed(
        &mut self,
        index: NodeIndex,
        step: StepKey,
        attempt: u32,
        started_at: Timestamp,
        output: Json,
        log: Vec<LogLine>,
    ) {
        if let Some(failure) = self.refuse_output(&output) {
            return self.fail(index, step, attempt, started_at, failure, log);
        }
        self.record(Event::StepSucceeded {
            step: step.clone(),
            attempt,
            started_at,
            output,
            log,
        });
        self.finished(index, &step);
    }

    /// Why an output cannot be kept, where it cannot.
    fn refuse_output(&self, output: &Json) -> Option<Failure> {
        let limit = self.graph.limits.outputs_max_bytes;
        let sum = self.run.outputs_bytes().saturating_add(output.len_bytes());
        (sum > limit).then(|| {
            Failure::permanent(
                "outputs-too-large",
                format!(
                    "with this the outputs of the run would have {sum} bytes, the limit is {limit} (limits.run_outputs_max_bytes): keep large results elsewhere, and pass on where they are"
                ),
            )
        })
    }

    /// Fails a step for good. What that means for the run is for [`Self::advance`] to say.
    fn fail(
        &mut self,
        index: NodeIndex,
        step: StepKey,
        attempt: u32,
        started_at: Timestamp,
        failure: Failure,
        log: Vec<LogLine>,
    ) {
        let node = self.graph.node(index);
        let continued = match node.on_error {
            crate::definition::OnError::Continue => true,
            crate::definition::OnError::Fail => false,
        };
        self.record(Event::StepFailed {
            step: step.clone(),
            attempt,
            started_at,
            failure,
            continued,
            log,
        });
        match node.stage {
            _ if continued => self.finished(index, &step),
            Stage::Steps | Stage::Compensation => {}
            Stage::OnFailure | Stage::Finally => {
                self.stop_stage();
                self.progress.failed = Some(step);
            }
        }
    }

    /// A step is done, or an iteration of one: what waited for it may begin.
    fn finished(&mut self, index: NodeIndex, key: &StepKey) {
        let found = self.run.find_loop(&key.name);
        match (key.iteration, found) {
            (Some(_), Some(found)) if !found.is_done() => {
                let next = found.latest();
                let next = next.map(|iteration| Turn::Iteration(index, iteration));
                self.ready.extend(next);
            }
            _ => self.node_finished(index),
        }
    }

    /// A step is done with all its iterations: what waited for it may begin.
    fn node_finished(&mut self, index: NodeIndex) {
        let set_free = self.progress.finish(self.graph, index);
        self.ready.extend(set_free.map(Turn::Node));
    }

    fn retry_policy(&self, node: &Node) -> RetryPolicy {
        let pin = self.run.plugins().get(&node.connector);
        let connectors_own = pin.and_then(|pin| pin.attempts_max);
        RetryPolicy {
            attempts_max: node.retry.attempts_max.or(connectors_own),
            ..node.retry
        }
    }
}

/// Whether nothing of a run is being done: it waits for the clock, for a signal or for another run, so that nobody need
/// be looking at it. Of a run that is held, only what has been recorded is known to be under way.
#[must_use]
pub fn only_waits(graph: &Graph, run: &Run) -> bool {
    !Progress::of(graph, run).is_anything_under_way(graph, run)
}
