//! What is ordered, and being done: attempts at steps, and runs that are steps.

use millwork_core::command::AttemptReturned;
use millwork_core::effect::{Effect, InvokePlugin, StartRun};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;

use super::Driver;
use crate::engine::attempt::Attempt;
use crate::random;

/// An attempt that is being made.
pub(super) struct UnderWay {
    pub(super) step: StepKey,
    pub(super) attempt: u32,
    /// Whether making it again harms nothing.
    pub(super) is_pure: bool,
    /// When to record that it has begun; absent once that is done.
    pub(super) record_at: Option<Timestamp>,
}

impl Driver<'_> {
    pub(super) fn begin(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::InvokePlugin(invoke) => self.begin_attempt(*invoke),
                Effect::StartRun(start) => self.begin_run(*start),
                Effect::CancelRun { run } => self.engine.cancel_child(run),
                Effect::StopAttempts => self.stop_attempts(),
            }
        }
    }

    /// Dropping an attempt interrupts its call.
    pub(super) fn stop_attempts(&mut self) {
        self.attempts.clear();
        self.under_way.clear();
    }

    fn begin_attempt(&mut self, invoke: InvokePlugin) {
        let parts = &self.engine.0;
        // What set it free was decided again, after somebody else had advanced the run.
        let is_it = |other: &UnderWay| other.step == invoke.step && other.attempt == invoke.attempt;
        if self.under_way.iter().any(is_it) {
            return;
        }
        let plugin = invoke.pin.digest;
        let started_at = parts.clock.now();
        let attempt = Attempt::of(
            invoke,
            &self.run,
            &self.graph,
            started_at,
            &parts.options.traces,
        );
        let is_recorded = self.run.step(&attempt.step).is_some();
        let record_at = (!is_recorded).then(|| started_at.after(parts.options.record_start_after));
        self.under_way.push(UnderWay {
            step: attempt.step.clone(),
            attempt: attempt.attempt,
            is_pure: parts.plugins.is_pure(&plugin),
            record_at,
        });
        self.attempts.push(Box::pin(
            attempt.make(&*parts.plugins, &parts.options.traces),
        ));
    }

    /// Creates the run that a step is. It is an attempt like any other, and may be made twice.
    fn begin_run(&mut self, start: StartRun) {
        let (engine, run) = (self.engine, self.run.id());
        let started_at = engine.0.clock.now();
        // Recorded before it was ordered: the same however often it is.
        let began = self.run.step(&start.step).and_then(|step| step.started_at);
        let began = began.unwrap_or(started_at);
        let StartRun {
            step,
            attempt,
            round,
            ..
        } = start.clone();
        let trace = engine.0.options.traces.of_step(&self.run, &step);
        self.under_way.push(UnderWay {
            step: step.clone(),
            attempt,
            is_pure: false,
            record_at: None,
        });
        self.attempts.push(Box::pin(async move {
            AttemptReturned {
                step,
                attempt,
                round,
                started_at,
                result: engine.start_child(run, began, start, trace).await,
                log: Vec::new(),
                chance: random::chance(),
            }
        }));
    }
}
