//! A step that is another run.

use serde_json::json;

use super::Deciding;
use crate::command::ChildEnd;
use crate::effect::Effect;
use crate::event::{Event, Wait};
use crate::graph::Stage;
use crate::json::Json;
use crate::outcome::Failure;
use crate::run::{Ended, Phase, RunStatus};
use crate::step::StepKey;

impl Deciding<'_> {
    /// Writes down that a run has ended for which a step waits. Whoever drives this run hands it to the step.
    pub(super) fn end_child(&mut self, end: ChildEnd) {
        let children = self.run.children();
        let is_known = children.ended(&end.step).map(|ended| ended.run) == Some(end.run);
        let is_awaited = children
            .open()
            .find(|(step, _)| **step == end.step)
            .is_none_or(|(_, run)| run == end.run);
        let step = self.run.step(&end.step);
        let is_over = step.is_some_and(|step| step.phase.is_finished());
        if is_known || !is_awaited || is_over {
            return;
        }
        let ChildEnd {
            step,
            run,
            status,
            output,
            error,
        } = end;
        self.record(Event::ChildEnded {
            step,
            run,
            status,
            output,
            error,
        });
    }

    /// Hands the ends that have been told to the steps that wait for them.
    pub(super) fn deliver_children(&mut self) {
        let open: Vec<StepKey> = self.run.open_steps().cloned().collect();
        for key in open {
            self.deliver_child(&key);
        }
    }

    /// Hands the end of another run to the step that waits for it, if it has been told.
    pub(super) fn deliver_child(&mut self, key: &StepKey) {
        let Some(index) = self.graph.find(&key.name) else {
            return;
        };
        let Some(step) = self.run.step(key) else {
            return;
        };
        let Phase::Suspended {
            wait: Wait::Run { run },
            ..
        } = step.phase
        else {
            return;
        };
        let Some(ended) = self.run.children().ended(key).filter(|end| end.run == run) else {
            return;
        };
        let (attempt, started_at) = (step.attempt, step.started_at.unwrap_or(self.now));
        let is_at_end = self.run.ending().is_some() && self.graph.node(index).stage == Stage::Steps;
        match ended.status {
            RunStatus::Success => {
                let output = ended.output.clone().unwrap_or_else(Json::null);
                self.succeed(index, key.clone(), attempt, started_at, output, Vec::new());
                if is_at_end {
                    // It succeeded while the run was ending: it is undone first of all.
                    self.progress.undo_left = self.run.succeeded().len();
                }
            }
            RunStatus::Pending
            | RunStatus::Running
            | RunStatus::Failed
            | RunStatus::Paused
            | RunStatus::Cancelled => {
                if is_at_end {
                    self.record(Event::StepCancelled { step: key.clone() });
                    return;
                }
                let failure = failure_of(ended);
                self.fail(index, key.clone(), attempt, started_at, failure, Vec::new());
            }
        }
    }

    /// The run is at its end: another one for which a step waits is to come to its own. Where it may not have been created
    /// yet, it is: only what exists can be ended for good.
    pub(super) fn end_child_of(&mut self, key: &StepKey) {
        let Some(index) = self.graph.find(&key.name) else {
            return;
        };
        if self.graph.node(index).stage != Stage::Steps {
            return;
        }
        match self.run.step(key).map(|step| (&step.phase, step.attempt)) {
            Some((
                Phase::Suspended {
                    wait: Wait::Run { run },
                    ..
                },
                _,
            )) => {
                let run = *run;
                let ended = self.run.children().ended(key).map(|ended| ended.run);
                if ended != Some(run) {
                    self.decision.effects.push(Effect::CancelRun { run });
                }
            }
            Some((Phase::Running { .. }, attempt)) => {
                self.invoke(index, key.clone(), attempt, None);
            }
            _ => {}
        }
    }
}

fn failure_of(ended: &Ended) -> Failure {
    let Ended {
        run, status, error, ..
    } = ended;
    let (code, what) = match status {
        RunStatus::Cancelled => ("child-cancelled", "was cancelled"),
        _ => ("child-failed", "failed"),
    };
    let why = error.as_ref().map(|why| format!(": {why}"));
    Failure {
        details: Some(Json::from(
            json!({"run": run.to_string(), "status": status.as_str()}),
        )),
        ..Failure::permanent(
            code,
            format!("its run {run} {what}{}", why.unwrap_or_default()),
        )
    }
}
