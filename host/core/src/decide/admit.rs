//! A run that is bound waits until it is let in. Until then nothing of it begins, whoever takes it up and however often. One
//! that is done again waits again.

use super::{Deciding, Rejection};
use crate::command::Command;
use crate::effect::Effect;
use crate::event::Event;

impl Deciding<'_> {
    /// What a command makes of a run that has not been let in.
    pub(super) fn await_admission(&mut self, command: Command) -> Result<(), Rejection> {
        match command {
            Command::Admit => self.record(Event::RunAdmitted {}),
            Command::TakeUp | Command::Wake => {}
            Command::Resync { under_way } => {
                // It had ended and is done again: what is being made here is of the past.
                let is_stale = !under_way.is_empty();
                self.decision
                    .effects
                    .extend(is_stale.then_some(Effect::StopAttempts));
            }
            Command::Signal(signal) => self.signal(signal)?,
            Command::EndChild(end) => self.end_child(*end),
            Command::Pause { reason } => self.pause(reason),
            Command::Resume => self.resume(),
            // Nothing has begun, so nothing is to be undone or closed with it.
            Command::Cancel { reason } => self.record(Event::RunCancelled { reason }),
            Command::Kill { reason } => self.record(Event::RunKilled { reason }),
            Command::Retry(retry) => self.retry(*retry)?,
            Command::CompleteAttempt(returned) => {
                return Err(Rejection::StaleAttempt {
                    step: returned.step,
                    attempt: returned.attempt,
                });
            }
            Command::RecordStart { step, attempt, .. } => {
                return Err(Rejection::StaleAttempt { step, attempt });
            }
        }
        Ok(())
    }
}
