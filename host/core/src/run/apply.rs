//! What each event makes of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Derived, Ended, Loop, Phase, Run, RunError, RunStatus, Step};
use crate::event::{Event, LogLine, Record, Wait};
use crate::outcome::{Failure, Resume, Wake};
use crate::step::StepKey;
use crate::time::Timestamp;

impl Run {
    /// Takes in the next record of the journal.
    pub fn apply(&mut self, record: &Record) {
        self.next_seq += 1;
        // Whoever decides has it in his hands, and puts it back.
        self.progress = Derived::default();
        let at = record.at;
        match &record.event {
            // Only the first record can be this one; `fold` has taken it.
            Event::RunCreated(_) => {}
            Event::RunAdmitted {} => {
                if let Some(since) = self.awaits_since.take() {
                    // What somebody holds stands still from then on anyway.
                    self.stand_still(self.paused_at.unwrap_or(at).since(since));
                }
            }
            Event::StepStarted { step, attempt } => {
                self.begin(at);
                let resume = self.resumed(step);
                self.change(step, *attempt, Some(at), Phase::Running { resume }, &[]);
            }
            Event::StepSuspended {
                step,
                attempt,
                started_at,
                wait,
                state,
                then,
                log,
            } => {
                self.begin(*started_at);
                if let Wait::Run { run } = wait {
                    self.children.wait(step, *run);
                }
                let phase = Phase::Suspended {
                    wait: wait.clone(),
                    state: state.clone(),
                    then: then.clone(),
                };
                self.change(step, *attempt, Some(*started_at), phase, log);
            }
            Event::StepResumed { step, wake } => self.resume(step, wake),
            Event::StepSucceeded {
                step,
                attempt,
                started_at,
                output,
                log,
            } => {
                self.begin(*started_at);
                self.outputs_bytes += output.len_bytes();
                self.succeeded.push(step.clone());
                let phase = Phase::Succeeded {
                    output: output.clone(),
                };
                self.finish(step, *attempt, Some(*started_at), at, phase, log);
            }
            Event::StepRetryScheduled {
                step,
                attempt,
                started_at,
                failure,
                due,
                log,
            } => {
                self.begin(*started_at);
                let phase = Phase::Retrying {
                    due: *due,
                    failure: failure.clone(),
                    resume: self.resumed(step),
                };
                self.change(step, *attempt, Some(*started_at), phase, log);
            }
            Event::StepFailed {
                step,
                attempt,
                started_at,
                failure,
                continued,
                log,
            } => {
                self.begin(*started_at);
                if !continued {
                    self.note_failure(step, failure);
                }
                let phase = Phase::Failed {
                    failure: failure.clone(),
                    continued: *continued,
                };
                self.finish(step, *attempt, Some(*started_at), at, phase, log);
            }
            Event::LoopStarted {
                step,
                items,
                parallel,
            } => {
                self.begin(at);
                self.outputs_bytes += items.len_bytes();
                let new = Loop::new(items.clone(), *parallel);
                self.loops.insert(Arc::clone(&step.name), new);
            }
            Event::StepSkipped { step } => {
                self.begin(at);
                self.finish(step, 0, None, at, Phase::Skipped, &[]);
            }
            Event::StepCancelled { step } => {
                let attempt = self.steps.get(step).map_or(1, |step| step.attempt);
                self.finish(step, attempt, None, at, Phase::Cancelled, &[]);
            }
            Event::SignalReceived { name, payload, key } => {
                self.signals.receive(name, payload, key.as_deref());
            }
            Event::ChildEnded {
                step,
                run,
                status,
                output,
                error,
            } => {
                let ended = Ended {
                    run: *run,
                    status: *status,
                    output: output.clone(),
                    error: error.clone(),
                };
                self.children.end(step, ended);
            }
            Event::RunPaused { .. } => {
                self.paused_at.get_or_insert(at);
            }
            Event::RunResumed {} => self.resume_at(at),
            Event::EndBegan { end } => {
                // Whoever ends a run that is held wants it to go on, to its end.
                self.resume_at(at);
                self.ending = Some(end.clone());
            }
            Event::RunSucceeded { output } => {
                self.begin(at);
                self.output.clone_from(output);
                self.end(RunStatus::Success, at);
            }
            Event::RunFailed {
                step,
                code,
                message,
            } => {
                self.error = Some(RunError {
                    step: step.clone(),
                    code: code.clone(),
                    message: message.clone(),
                });
                self.end(RunStatus::Failed, at);
            }
            Event::RunCancelled { .. } | Event::RunKilled { .. } => {
                self.end(RunStatus::Cancelled, at);
            }
            Event::RunRetried {
                reset,
                version,
                plugins,
                deadline,
            } => {
                self.reopened_at = Some(at);
                self.version = version.unwrap_or(self.version);
                if plugins.is_some() {
                    self.plugins.clone_from(plugins);
                }
                self.deadline = *deadline;
                self.awaits_since = self.created.bounds.is_some().then_some(at);
                self.reopen(reset);
            }
        }
    }

    /// The clock of a run that is held stands still, as far as its time limit goes.
    fn resume_at(&mut self, at: Timestamp) {
        if let Some(paused_at) = self.paused_at.take() {
            // While it is not let in, its time limit stands still anyway.
            let from = self.awaits_since.map_or(paused_at, |_| at);
            self.stand_still(at.since(from));
        }
    }

    /// A run that nothing may begin of has that much longer.
    fn stand_still(&mut self, span: Duration) {
        self.deadline = self.deadline.map(|deadline| deadline.after(span));
    }

    /// A failure decides how the run ends, unless that is known: then it is what went wrong on the way.
    fn note_failure(&mut self, step: &StepKey, failure: &Failure) {
        match self.ending {
            None => {
                self.failed.get_or_insert_with(|| step.clone());
            }
            Some(_) => {
                self.error.get_or_insert_with(|| RunError {
                    step: Some(step.clone()),
                    code: failure.code.clone(),
                    message: failure.message.clone(),
                });
            }
        }
    }

    fn begin(&mut self, at: Timestamp) {
        if self.status == RunStatus::Pending {
            self.status = RunStatus::Running;
        }
        self.started_at = earlier(self.started_at, Some(at));
    }

    fn end(&mut self, status: RunStatus, at: Timestamp) {
        self.status = status;
        self.completed_at = Some(at);
        (self.paused_at, self.awaits_since) = (None, None);
        self.wakes.clear();
    }

    fn change(
        &mut self,
        key: &StepKey,
        attempt: u32,
        started_at: Option<Timestamp>,
        phase: Phase,
        log: &[LogLine],
    ) -> &mut Step {
        let step = self.steps.entry(key.clone()).or_insert_with(|| Step {
            phase: Phase::Running { resume: None },
            attempt,
            started_at: None,
            completed_at: None,
            log: Vec::new(),
        });
        if let Some(due) = step.phase.due() {
            self.wakes.remove(&(due, key.clone()));
        }
        if let Some(due) = phase.due() {
            self.wakes.insert((due, key.clone()));
        }
        self.steps_done += usize::from(phase.is_done());
        self.steps_done -= usize::from(step.phase.is_done());
        if phase.is_finished() {
            self.open.remove(key);
        } else if !self.open.contains(key) {
            self.open.insert(key.clone());
        }
        step.phase = phase;
        step.attempt = attempt;
        // An attempt that was recorded while it ran tells only at its end when it began.
        step.started_at = earlier(step.started_at, started_at);
        step.log.extend_from_slice(log);
        step
    }

    fn finish(
        &mut self,
        key: &StepKey,
        attempt: u32,
        started_at: Option<Timestamp>,
        at: Timestamp,
        phase: Phase,
        log: &[LogLine],
    ) {
        let is_done_now = phase.is_done();
        self.change(key, attempt, started_at, phase, log)
            .completed_at = Some(at);
        self.children.take(key);
        if let (true, Some(iteration)) = (is_done_now, key.iteration)
            && let Some(found) = self.loops.get_mut(&key.name)
        {
            let steps = &self.steps;
            found.finish(iteration, |other| is_done(steps, &key.name, other));
        }
    }

    /// What woke the step, where it had been suspended and has not come to an end since.
    fn resumed(&self, key: &StepKey) -> Option<Resume> {
        match &self.steps.get(key)?.phase {
            Phase::Running { resume } | Phase::Retrying { resume, .. } => resume.clone(),
            Phase::Suspended { .. }
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Skipped
            | Phase::Cancelled => None,
        }
    }

    fn resume(&mut self, key: &StepKey, wake: &Wake) {
        if let Wake::Signal { name, .. } = wake {
            self.signals.take(name);
        }
        let (attempt, state) = match self.steps.get(key) {
            Some(Step {
                phase: Phase::Suspended { state, .. },
                attempt,
                ..
            }) => (*attempt, state.clone()),
            Some(step) => (step.attempt, Vec::new()),
            None => (1, Vec::new()),
        };
        let resume = Some(Resume {
            wake: wake.clone(),
            state,
        });
        self.change(key, attempt, None, Phase::Running { resume }, &[]);
    }
}

/// Whether an iteration of a loop is done.
pub(super) fn is_done(steps: &BTreeMap<StepKey, Step>, name: &Arc<str>, iteration: u32) -> bool {
    let key = StepKey {
        name: Arc::clone(name),
        iteration: Some(iteration),
    };
    steps.get(&key).is_some_and(|step| step.phase.is_done())
}

fn earlier(known: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    known.into_iter().chain(told).min()
}
