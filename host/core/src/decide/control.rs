//! Somebody holds a run, lets it go on, or ends it.
//!
//! These come from outside: they write down what was asked, and whoever drives the run does it.

use super::progress::has_open_steps;
use super::{Deciding, Progress, Rejection};
use crate::effect::Effect;
use crate::event::{End, Event};
use crate::step::StepKey;

impl Deciding<'_> {
    /// Holds the run. A run that is held already stays so.
    pub(super) fn pause(&mut self, reason: Option<String>) {
        if self.run.paused_at().is_none() {
            self.record(Event::RunPaused { reason });
        }
    }

    /// Lets the run go on. One that nobody holds goes on anyway.
    pub(super) fn resume(&mut self) {
        if self.run.paused_at().is_some() {
            self.record(Event::RunResumed {});
        }
    }

    pub(super) fn cancel(&mut self, reason: Option<String>) -> Result<(), Rejection> {
        match self.run.ending() {
            Some(End::Cancelled { .. }) => return Ok(()),
            Some(End::Succeeded { .. } | End::Failed { .. }) => {
                return Err(Rejection::Ending { run: self.run.id() });
            }
            None => {}
        }
        self.stop_course();
        let end = End::Cancelled { reason };
        if self.ends_at_once(&end) {
            let End::Cancelled { reason } = end else {
                return Ok(());
            };
            self.record(Event::RunCancelled { reason });
        } else {
            self.record(Event::EndBegan { end });
            // Whoever drives the run begins it.
            self.progress = Progress::of(self.graph, self.run);
        }
        Ok(())
    }

    pub(super) fn kill(&mut self, reason: Option<String>) {
        let mut open: Vec<StepKey> = self.open_keys().into_iter().map(|(_, key)| key).collect();
        if has_open_steps(self.graph, self.run) {
            let of_course = self.run.open_steps().filter(|key| !open.contains(key));
            let of_course: Vec<StepKey> = of_course.cloned().collect();
            open.extend(of_course);
        }
        for step in open {
            self.record(Event::StepCancelled { step });
        }
        self.record(Event::RunKilled { reason });
        self.decision.effects = vec![Effect::StopAttempts];
    }
}
