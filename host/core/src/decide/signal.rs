//! A signal arrives, or a step asks for one that has.

use super::{Deciding, Rejection, is_under_way};
use crate::command::Signal;
use crate::event::{Event, Wait};
use crate::graph::{Graph, NodeIndex};
use crate::outcome::{Resume, Then, Wake};
use crate::run::{Phase, Run, Step};
use crate::step::StepKey;

/// Signals that a run takes in its life. Each is an event of its journal.
pub const SIGNALS_MAX: usize = 10_000;

/// Whether nothing of a run is being done: it waits for the clock or for a signal, so that nobody need be looking at it.
#[must_use]
pub fn only_waits(graph: &Graph, run: &Run) -> bool {
    (0..graph.nodes().len()).all(|index| !is_under_way(graph, run, index))
}

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

    /// Hands what has arrived to the steps that wait for it.
    pub(super) fn deliver_signals(&mut self) {
        for index in 0..self.graph.nodes().len() {
            self.deliver_signal(index);
        }
    }

    /// Hands a signal to a step that waits for it, if one has arrived.
    pub(super) fn deliver_signal(&mut self, index: NodeIndex) {
        if self.run.status().is_finished() {
            return;
        }
        let step = super::key(self.graph.node(index));
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
        }) = self.run.step(&step)
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
            step: StepKey::clone(&step),
            wake: wake.clone(),
        });
        match then {
            Then::CallAgain => self.invoke(index, attempt, Some(Resume { wake, state })),
            Then::Complete(output) => {
                self.record(Event::StepSucceeded {
                    step,
                    attempt,
                    started_at,
                    output,
                    log: Vec::new(),
                });
                self.settle(index);
            }
        }
    }
}
