//! An attempt came back.

use super::{Deciding, Rejection};
use crate::command::AttemptReturned;
use crate::definition::Delivery;
use crate::event::{Event, LogLine, Wait};
use crate::graph::{NodeIndex, Stage, Work};
use crate::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use crate::retry::Chance;
use crate::step::StepKey;
use crate::time::Timestamp;

impl Deciding<'_> {
    pub(super) fn complete_attempt(&mut self, returned: AttemptReturned) -> Result<(), Rejection> {
        let AttemptReturned {
            step,
            attempt,
            round,
            started_at,
            result,
            log,
            chance,
        } = returned;
        let index = self.find_attempt(&step, attempt, round)?;
        match result {
            Ok(Outcome::Completed(output)) => {
                self.succeed(index, step, attempt, started_at, output, log);
            }
            Ok(Outcome::Suspended(suspension)) => {
                self.suspend(index, step, attempt, started_at, suspension, log);
            }
            // The run is at its end, and the one that was to be a step of it could not be created: so much the better.
            Err(_) if self.is_at_end_before(index) => {
                self.record(Event::StepCancelled { step });
            }
            Err(failure) => {
                self.try_again(index, step, attempt, started_at, (failure, chance), log);
            }
        }
        self.advance();
        Ok(())
    }

    /// Whether a step is of the course of a run that is at its end.
    fn is_at_end_before(&self, index: NodeIndex) -> bool {
        self.run.ending().is_some() && self.graph.node(index).stage == Stage::Steps
    }

    fn suspend(
        &mut self,
        index: NodeIndex,
        step: StepKey,
        attempt: u32,
        started_at: Timestamp,
        suspension: Suspension,
        log: Vec<LogLine>,
    ) {
        let Suspension { until, state, then } = suspension;
        let wait = self.wait(until);
        match (then, wait) {
            // Nothing to wait for, and nothing to call: the step is done without a detour.
            (Then::Complete(output), Wait::Time { due }) if due <= self.now => {
                self.succeed(index, step, attempt, started_at, output, log);
            }
            (then, wait) => {
                self.record(Event::StepSuspended {
                    step: step.clone(),
                    attempt,
                    started_at,
                    wait,
                    state,
                    then,
                    log,
                });
                // What was sent, or has ended, before it was asked for has waited.
                self.deliver_signal(index, &step);
                if self.run.paused_at().is_none() {
                    self.deliver_child(&step);
                }
                let found = self.run.step(&step);
                let waits = found.is_some_and(|found| !found.phase.is_finished());
                if self.is_at_end_before(index) && waits {
                    self.end_child_of(&step);
                }
            }
        }
    }

    fn try_again(
        &mut self,
        index: NodeIndex,
        step: StepKey,
        attempt: u32,
        started_at: Timestamp,
        (failure, chance): (Failure, Chance),
        log: Vec<LogLine>,
    ) {
        let node = self.graph.node(index);
        // An attempt that was cut off may have acted, as after a crash. Creating a run twice is creating it once.
        let may_repeat = node.delivery == Delivery::AtLeastOnce
            || node.work == Work::Workflow
            || failure.kind != FailureKind::Timeout;
        let wait = self
            .retry_policy(node)
            .wait_after(attempt, failure.kind, chance);
        match wait.filter(|_| may_repeat) {
            Some(wait) => self.record(Event::StepRetryScheduled {
                step,
                attempt,
                started_at,
                failure,
                due: self.now.after(wait),
                log,
            }),
            None => {
                let failure = exhausted(failure, attempt);
                self.fail(index, step, attempt, started_at, failure, log);
            }
        }
    }

    /// Finds the step of an attempt that is under way. A late answer finds its place taken.
    pub(super) fn find_attempt(
        &self,
        step: &StepKey,
        attempt: u32,
        round: u32,
    ) -> Result<NodeIndex, Rejection> {
        let stale = || Rejection::StaleAttempt {
            step: step.clone(),
            attempt,
        };
        let index = self.graph.find(&step.name).ok_or_else(stale)?;
        let current = self.run.step(step).map_or(1, |found| found.attempt);
        let is_under_way = self.progress.is_under_way(self.graph, self.run, step);
        if is_under_way && attempt == current && round == self.run.round() {
            Ok(index)
        } else {
            Err(stale())
        }
    }

    fn wait(&self, until: Until) -> Wait {
        match until {
            Until::At(due) => Wait::Time { due },
            Until::After(span) => Wait::Time {
                due: self.now.after(span),
            },
            Until::Signal { name, timeout } => Wait::Signal {
                name,
                deadline: timeout.map(|timeout| self.now.after(timeout)),
            },
            Until::Run(run) => Wait::Run { run },
        }
    }
}

/// Says how often it was tried, where another attempt might have worked.
fn exhausted(mut failure: Failure, attempt: u32) -> Failure {
    let was_retried = match failure.kind {
        FailureKind::Retryable | FailureKind::RateLimited { .. } | FailureKind::Timeout => {
            attempt > 1
        }
        FailureKind::Permanent | FailureKind::Cancelled | FailureKind::OutcomeUnknown => false,
    };
    if was_retried {
        failure.message = format!("{} (after {attempt} attempts)", failure.message);
    }
    failure
}
