//! A run that is bound waits until it is let in. Until then nothing of it begins, whoever takes it up and however often.

use super::{Deciding, Rejection};
use crate::command::Command;
use crate::event::Event;

impl Deciding<'_> {
    /// What a command makes of a run that has not been let in.
    pub(super) fn await_admission(&mut self, command: Command) -> Result<(), Rejection> {
        match command {
            Command::Admit => self.record(Event::RunAdmitted {}),
            Command::TakeUp | Command::Resync { .. } | Command::Wake => {}
            Command::Signal(signal) => self.signal(signal)?,
            // Nothing has begun, so nothing is to be ended with it.
            Command::Cancel { reason } => self.record(Event::RunCancelled { reason }),
            Command::CompleteAttempt(returned) => {
                return Err(Rejection::StaleAttempt {
                    step: returned.step,
                    attempt: returned.attempt,
                });
            }
            Command::RecordStart { step, attempt } => {
                return Err(Rejection::StaleAttempt { step, attempt });
            }
        }
        Ok(())
    }
}
