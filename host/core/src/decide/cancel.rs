//! Somebody ends the run.

use super::Deciding;
use crate::event::Event;

impl Deciding<'_> {
    pub(super) fn cancel(&mut self, reason: Option<String>) {
        self.stop_steps();
        self.record(Event::RunCancelled { reason });
    }
}
