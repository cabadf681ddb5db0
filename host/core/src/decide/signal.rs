//! A signal arrives, or a step asks for one that has.

use super::{Deciding, Rejection};
use crate::command::Signal;
use crate::event::{Event, Wait};
use crate::graph::{NodeIndex, Stage};
use crate::outcome::{Resume, Then, Wake};
use crate::run::{Phase, Step};
use crate::step::StepKey;

/// Signals that a run takes in its life. Each is an event of its journal.
pub const SIGNALS_MAX: usize = 10_000;

impl Deciding<'_> {
    /// Writes a signal down. Whoever drives the run hands it to the step that waits for it, now or later.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Rejection> {
        let signals = self.run.signals();
        let Signal { name, payload, key } = signal;
        if key.as_ref().is_some_and(|key| signals.has_key(key)) {
            return Ok(());
        }
        if signals.received() >= SIGNALS_MAX {
            return Err(Rejection::TooManySignals { run: self.run.id() });
        }
        self.record(Event::SignalReceived { name, payload, key });
        Ok(())
    }

    /// Hands what has arrived to the steps that wait for it: where two do, to the first of the definition.
    pub(super) fn deliver_signals(&mut self) {
        let mut waiting: Vec<(NodeIndex, StepKey)> = self
            .run
            .open_steps()
            .filter_map(|key| Some((self.graph.find(&key.name)?, key.clone())))
            .collect();
        waiting.sort_by_key(|(index, key)| (*index, key.iteration));
        for (index, key) in waiting {
            self.deliver_signal(index, &key);
        }
    }

    /// Hands a signal to a step that waits for it, if one has arrived.
    pub(super) fn deliver_signal(&mut self, index: NodeIndex, step: &StepKey) {
        let has_failed = self.progress.stage == Stage::Steps && self.run.failed().is_some();
        let is_held = self.run.paused_at().is_some();
        if self.run.status().is_finished() || is_held || has_failed {
            return;
        }
        let Some(Step {
            phase:
                Phase::Suspended {
                    wait: Wait::Signal { name, .. },
                    state,
                    then,
                },
            attempt,
            started_at,
            ..
        }) = self.run.step(step)
        else {
            return;
        };
        let Some(payload) = self.run.signals().first(name) else {
            return;
        };
        let wake = Wake::Signal {
            name: name.clone(),
            payload: payload.clone(),
        };
        let (state, then) = (state.clone(), then.clone());
        let (attempt, started_at) = (*attempt, started_at.unwrap_or(self.now));
        self.record(Event::StepResumed {
            step: step.clone(),
            wake: wake.clone(),
        });
        match then {
            Then::CallAgain => {
                self.invoke(index, step.clone(), attempt, Some(Resume { wake, state }));
            }
            Then::Complete(output) => {
                self.succeed(index, step.clone(), attempt, started_at, output, Vec::new());
            }
        }
    }
}
