//! A step begins.

use super::{Begun, Deciding, Rejection, is_ready, key};
use crate::definition::Delivery;
use crate::event::Event;
use crate::graph::NodeIndex;
use crate::outcome::Failure;
use crate::run::Phase;
use crate::step::StepKey;

impl Deciding<'_> {
    /// Begins a step if its time has come, once: two steps that end in one decision may both set it free.
    pub(super) fn begin_if_ready(&mut self, index: NodeIndex) -> Option<Begun> {
        let begins = is_ready(self.graph, self.run, index) && self.begun.insert(index);
        begins.then(|| self.begin(index))
    }

    /// Begins a step whose time has come: looks at its condition, then makes its first attempt an effect.
    fn begin(&mut self, index: NodeIndex) -> Begun {
        let node = self.graph.node(index);
        let holds = match &node.condition {
            None => Ok(true),
            Some(condition) => condition
                .expression
                .holds(&super::scope::RunScope::of(self.graph, self.run)),
        };
        match holds {
            Ok(false) => {
                self.record(Event::StepSkipped { step: key(node) });
                return Begun::Skipped;
            }
            Ok(true) => {
                // Recorded before the attempt: after a crash, that it began is all that is known of it.
                if node.delivery == Delivery::AtMostOnce {
                    self.record(Event::StepStarted {
                        step: key(node),
                        attempt: 1,
                    });
                }
                self.invoke(index, 1, None);
            }
            Err(error) => {
                let failure = Failure::permanent("expression-failed", error.to_string());
                self.fail(index, 1, self.now, failure, Vec::new());
            }
        }
        Begun::Begun
    }

    /// Records that an attempt is under way, for those who look at the run meanwhile.
    pub(super) fn record_start(&mut self, step: &StepKey, attempt: u32) -> Result<(), Rejection> {
        let stale = || Rejection::StaleAttempt {
            step: step.clone(),
            attempt,
        };
        let index = self.find_step(step).ok_or_else(stale)?;
        match self.run.step(step) {
            None if attempt == 1 && is_ready(self.graph, self.run, index) => {
                self.record(Event::StepStarted {
                    step: step.clone(),
                    attempt,
                });
                Ok(())
            }
            Some(found)
                if found.attempt == attempt && matches!(found.phase, Phase::Running { .. }) =>
            {
                Ok(())
            }
            _ => Err(stale()),
        }
    }
}
