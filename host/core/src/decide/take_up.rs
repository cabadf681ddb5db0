//! A run is taken up: fresh, woken, or after the host that ran it died.

use super::Deciding;
use crate::definition::Delivery;
use crate::effect::Effect;
use crate::event::{End, Event, Wait};
use crate::graph::{NodeIndex, Stage, Work};
use crate::outcome::{Failure, FailureKind, Resume, Then, Wake};
use crate::run::Phase;
use crate::step::StepKey;

impl Deciding<'_> {
    /// Goes on from where the journal ends. What was under way when it ended is to be done again, under the same keys,
    /// but for what is `under_way` here.
    pub(super) fn take_up(&mut self, under_way: &[StepKey]) {
        let is_current = |key: &StepKey| self.progress.is_under_way(self.graph, self.run, key);
        // Where the run has turned to its end, or been done again from an earlier point, what is under way here is of the
        // past.
        let is_stale = !under_way.iter().all(is_current);
        if is_stale {
            self.decision.effects.push(Effect::StopAttempts);
        }
        if self.run.paused_at().is_some() {
            return;
        }
        let here: std::collections::HashSet<&StepKey> =
            under_way.iter().filter(|_| !is_stale).collect();
        if !self.end_where_time_is_up() {
            self.continue_end(&here);
            self.continue_stage(|key| here.contains(key));
            self.advance_turns();
            self.deliver_signals();
            self.deliver_children();
        }
        self.wake();
    }

    /// At its end a run waits for those for which its steps wait.
    fn continue_end(&mut self, here: &std::collections::HashSet<&StepKey>) {
        if self.run.ending().is_none() {
            return;
        }
        let open: Vec<StepKey> = self.run.open_steps().cloned().collect();
        for key in open.iter().filter(|key| !here.contains(key)) {
            self.end_child_of(key);
        }
    }

    pub(super) fn continue_attempt(
        &mut self,
        index: NodeIndex,
        key: StepKey,
        attempt: u32,
        resume: Option<Resume>,
    ) {
        let node = self.graph.node(index);
        match (node.delivery, node.work) {
            (Delivery::AtLeastOnce, _) | (_, Work::Workflow) => {
                self.invoke(index, key, attempt, resume);
            }
            (Delivery::AtMostOnce, Work::Plugin) => {
                let failure = Failure::new(
                    FailureKind::OutcomeUnknown,
                    "outcome-unknown",
                    "the host died while this attempt ran, and the step's delivery is at-most-once: \
                     look whether it acted, then trigger the workflow again if it did not",
                );
                self.fail(index, key, attempt, self.now, failure, Vec::new());
            }
        }
    }

    /// Does what has come due.
    pub(super) fn wake(&mut self) {
        if self.run.paused_at().is_some() || self.run.status().is_finished() {
            return;
        }
        self.end_where_time_is_up();
        let due: Vec<StepKey> = self.run.due(self.now).cloned().collect();
        for step in due {
            if self.run.failed().is_some() && self.progress.stage == Stage::Steps {
                break;
            }
            if let Some(index) = self.graph.find(&step.name) {
                self.wake_step(index, &step);
            }
        }
        self.advance();
    }

    /// Turns the run to its end where it has taken too long.
    fn end_where_time_is_up(&mut self) -> bool {
        let is_up = self.run.time_limit().is_some_and(|limit| limit <= self.now);
        if is_up {
            let limit = self.graph.timeout.unwrap_or_default();
            self.turn(End::Failed {
                step: None,
                code: "run-timeout".to_owned(),
                message: format!(
                    "the run has taken longer than its `timeout` of {} seconds",
                    limit.as_secs_f64()
                ),
            });
        }
        is_up
    }

    fn wake_step(&mut self, index: NodeIndex, step: &StepKey) {
        let Some(found) = self.run.step(step) else {
            return;
        };
        let (attempt, started_at) = (found.attempt, found.started_at.unwrap_or(self.now));
        match found.phase.clone() {
            Phase::Retrying { resume, .. } => {
                let attempt = attempt + 1;
                self.record(Event::StepStarted {
                    step: step.clone(),
                    attempt,
                });
                self.invoke(index, step.clone(), attempt, resume);
            }
            Phase::Suspended {
                wait: Wait::Time { .. },
                then: Then::Complete(output),
                ..
            } => self.succeed(index, step.clone(), attempt, started_at, output, Vec::new()),
            Phase::Suspended {
                wait: Wait::Signal { name, .. },
                then: Then::Complete(_),
                ..
            } => {
                let failure = Failure::permanent(
                    "signal-timeout",
                    format!("the signal \"{name}\" did not arrive in time"),
                );
                self.fail(
                    index,
                    step.clone(),
                    attempt,
                    started_at,
                    failure,
                    Vec::new(),
                );
            }
            Phase::Suspended {
                wait,
                state,
                then: Then::CallAgain,
            } => {
                let wake = match wait {
                    Wait::Time { .. } => Wake::Timer,
                    Wait::Signal { .. } => Wake::SignalTimeout,
                    // A run has no time by which it has to end.
                    Wait::Run { .. } => return,
                };
                self.record(Event::StepResumed {
                    step: step.clone(),
                    wake: wake.clone(),
                });
                self.invoke(index, step.clone(), attempt, Some(Resume { wake, state }));
            }
            // None of these waits for the clock.
            Phase::Suspended {
                wait: Wait::Run { .. },
                ..
            }
            | Phase::Running { .. }
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Skipped
            | Phase::Cancelled => {}
        }
    }
}
