//! An attempt came back.

use super::{Deciding, Rejection, is_ready, key};
use crate::command::AttemptReturned;
use crate::definition::Delivery;
use crate::event::{Event, Wait};
use crate::graph::NodeIndex;
use crate::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use crate::run::Phase;
use crate::step::StepKey;

impl Deciding<'_> {
    pub(super) fn complete_attempt(&mut self, returned: AttemptReturned) -> Result<(), Rejection> {
        let index = self.find_attempt(&returned)?;
        let AttemptReturned {
            step,
            attempt,
            started_at,
            result,
            log,
            chance,
        } = returned;
        match result {
            Ok(Outcome::Completed(output)) => {
                self.record(Event::StepSucceeded {
                    step,
                    attempt,
                    started_at,
                    output,
                    log,
                });
                self.settle(index);
            }
            Ok(Outcome::Suspended(suspension)) => {
                let Suspension { until, state, then } = suspension;
                let wait = self.wait(until);
                match (then, &wait) {
                    // Nothing to wait for, and nothing to call: the step is done without a detour.
                    (Then::Complete(output), Wait::Time { due }) if *due <= self.now => {
                        self.record(Event::StepSucceeded {
                            step,
                            attempt,
                            started_at,
                            output,
                            log,
                        });
                        self.settle(index);
                    }
                    (then, _) => {
                        self.record(Event::StepSuspended {
                            step,
                            attempt,
                            started_at,
                            wait,
                            state,
                            then,
                            log,
                        });
                        // What was sent before it was asked for has waited.
                        self.deliver_signal(index);
                    }
                }
            }
            Err(failure) => {
                let node = self.graph.node(index);
                // An attempt that was cut off may have acted, as after a crash.
                let may_repeat =
                    node.delivery == Delivery::AtLeastOnce || failure.kind != FailureKind::Timeout;
                let wait = self
                    .retry_policy(node)
                    .wait_after(attempt, failure.kind, chance);
                match wait.filter(|_| may_repeat) {
                    Some(wait) => {
                        let due = self.now.after(wait);
                        self.record(Event::StepRetryScheduled {
                            step,
                            attempt,
                            started_at,
                            failure,
                            due,
                            log,
                        });
                    }
                    None => self.fail(index, attempt, started_at, exhausted(failure, attempt), log),
                }
            }
        }
        Ok(())
    }

    /// Finds the step of an attempt that is under way. A late answer finds its place taken.
    fn find_attempt(&self, returned: &AttemptReturned) -> Result<NodeIndex, Rejection> {
        let stale = || Rejection::StaleAttempt {
            step: returned.step.clone(),
            attempt: returned.attempt,
        };
        let index = self.find_step(&returned.step).ok_or_else(stale)?;
        let is_under_way = match self.run.step(&returned.step) {
            None => returned.attempt == 1 && is_ready(self.graph, self.run, index),
            Some(step) => {
                step.attempt == returned.attempt && matches!(step.phase, Phase::Running { .. })
            }
        };
        if is_under_way {
            Ok(index)
        } else {
            Err(stale())
        }
    }

    /// Where a step stands. A step that is no loop has no iterations.
    pub(super) fn find_step(&self, step: &StepKey) -> Option<NodeIndex> {
        self.graph
            .find(&step.name)
            .filter(|&index| key(self.graph.node(index)) == *step)
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
