//! A run is taken up: fresh, woken, or after the host that ran it died.

use super::{Begun, Deciding, key};
use crate::definition::Delivery;
use crate::event::{Event, Wait};
use crate::graph::NodeIndex;
use crate::outcome::{Failure, FailureKind, Then, Wake};
use crate::run::{Phase, Step};
use crate::step::StepKey;

impl Deciding<'_> {
    /// Goes on from where the journal ends. What was under way when it ended is to be done again, under the same keys,
    /// but for what is `under_way` here.
    pub(super) fn take_up(&mut self, under_way: &[StepKey]) {
        for index in 0..self.graph.nodes().len() {
            if self.run.status().is_finished() {
                return;
            }
            let step = key(self.graph.node(index));
            if under_way.contains(&step) {
                continue;
            }
            match self.run.step(&step) {
                Some(Step {
                    phase: Phase::Running { resume },
                    attempt,
                    ..
                }) => {
                    let (attempt, resume) = (*attempt, resume.clone());
                    self.continue_attempt(index, attempt, resume);
                }
                Some(_) => {}
                None => {
                    if self.begin_if_ready(index) == Some(Begun::Skipped) {
                        self.settle(index);
                    }
                }
            }
        }
        self.deliver_signals();
        self.wake();
        self.end_if_done();
    }

    fn continue_attempt(
        &mut self,
        index: NodeIndex,
        attempt: u32,
        resume: Option<crate::outcome::Resume>,
    ) {
        match self.graph.node(index).delivery {
            Delivery::AtLeastOnce => self.invoke(index, attempt, resume),
            Delivery::AtMostOnce => {
                let failure = Failure::new(
                    FailureKind::OutcomeUnknown,
                    "outcome-unknown",
                    "the host died while this attempt ran, and the step's delivery is at-most-once: \
                     look whether it acted, then trigger the workflow again if it did not",
                );
                self.fail(index, attempt, self.now, failure, Vec::new());
            }
        }
    }

    /// Does what has come due.
    pub(super) fn wake(&mut self) {
        let due: Vec<StepKey> = self.run.due(self.now).cloned().collect();
        for step in due {
            if self.run.status().is_finished() {
                return;
            }
            if let Some(index) = self.graph.find(&step.name) {
                self.wake_step(index, &step);
            }
        }
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
                self.invoke(index, attempt, resume);
            }
            Phase::Suspended {
                wait: Wait::Time { .. },
                then: Then::Complete(output),
                ..
            } => {
                self.record(Event::StepSucceeded {
                    step: step.clone(),
                    attempt,
                    started_at,
                    output,
                    log: Vec::new(),
                });
                self.settle(index);
            }
            Phase::Suspended {
                wait: Wait::Signal { name, .. },
                then: Then::Complete(_),
                ..
            } => {
                let failure = Failure::permanent(
                    "signal-timeout",
                    format!("the signal \"{name}\" did not arrive in time"),
                );
                self.fail(index, attempt, started_at, failure, Vec::new());
            }
            Phase::Suspended {
                wait,
                state,
                then: Then::CallAgain,
            } => {
                let wake = match wait {
                    Wait::Time { .. } => Wake::Timer,
                    Wait::Signal { .. } => Wake::SignalTimeout,
                };
                self.record(Event::StepResumed {
                    step: step.clone(),
                    wake: wake.clone(),
                });
                self.invoke(index, attempt, Some(crate::outcome::Resume { wake, state }));
            }
            // None of these waits for the clock.
            Phase::Running { .. }
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Skipped
            | Phase::Cancelled => {}
        }
    }
}
