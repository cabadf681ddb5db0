//! A run that had ended goes on from an earlier point.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::is_done;
use super::{Derived, Phase, Run, RunStatus};
use crate::outcome::FailureKind;
use crate::step::StepKey;

impl Run {
    /// Forgets what is to be done again, and that the run has ended.
    pub(super) fn reopen(&mut self, reset: &[StepKey]) {
        self.round += 1;
        self.status = RunStatus::Running;
        (self.completed_at, self.paused_at) = (None, None);
        (self.ending, self.failed) = (None, None);
        (self.error, self.output) = (None, None);
        let mut loops = BTreeSet::new();
        for key in reset {
            let iterations = match (key.iteration, self.loops.remove(&key.name)) {
                (None, Some(whole)) => {
                    self.outputs_bytes -= whole.items().len_bytes();
                    whole.length()
                }
                (Some(_), Some(kept)) => {
                    self.loops.insert(Arc::clone(&key.name), kept);
                    loops.insert(Arc::clone(&key.name));
                    0
                }
                (_, None) => 0,
            };
            self.forget(key);
            for iteration in 0..iterations {
                let iteration = Some(iteration);
                let name = Arc::clone(&key.name);
                self.forget(&StepKey { name, iteration });
            }
        }
        let steps = &self.steps;
        self.succeeded.retain(|key| steps.contains_key(key));
        for name in loops {
            if let Some(found) = self.loops.get_mut(&name) {
                found.reopen(|iteration| is_done(steps, &name, iteration));
            }
        }
        self.progress = Derived::default();
    }

    fn forget(&mut self, key: &StepKey) {
        self.children.forget(key);
        let Some(step) = self.steps.remove(key) else {
            return;
        };
        self.steps_done -= usize::from(step.phase.is_done());
        self.open.remove(key);
        let is_key_used = match &step.phase {
            Phase::Succeeded { output } => {
                self.outputs_bytes -= output.len_bytes();
                true
            }
            // Of the others nobody knows whether the attempt acted: its key is what keeps it from acting twice.
            Phase::Failed { failure, .. } => failure.kind == FailureKind::Permanent,
            Phase::Running { .. }
            | Phase::Suspended { .. }
            | Phase::Retrying { .. }
            | Phase::Skipped
            | Phase::Cancelled => false,
        };
        if is_key_used {
            *self.keys_used.entry(key.clone()).or_default() += 1;
        }
    }
}
