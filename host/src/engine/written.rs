//! What is said of a run's events once they are durable: to the metrics, and to those who collect spans.

use millwork_core::event::{Event, Record};
use millwork_core::run::Run;

use super::Engine;
use crate::telemetry;

impl Engine {
    /// Notes that these are written, and that the run is what came of them.
    pub(super) fn note_written(&self, run: &Run, records: &[Record]) {
        records.iter().for_each(|record| count(&record.event));
        self.0.options.traces.tell_steps(run, records);
    }
}

/// Tells the metrics what has happened.
fn count(event: &Event) {
    let status = match event {
        Event::StepSucceeded { .. } => "success",
        Event::StepFailed { .. } => "failed",
        Event::StepSkipped { .. } => "skipped",
        Event::StepCancelled { .. } => "cancelled",
        Event::StepRetryScheduled { .. } => {
            metrics::counter!(telemetry::STEP_RETRIES).increment(1);
            return;
        }
        Event::RunCreated(_)
        | Event::StepStarted { .. }
        | Event::StepSuspended { .. }
        | Event::StepResumed { .. }
        | Event::SignalReceived { .. }
        | Event::RunAdmitted {}
        | Event::LoopStarted { .. }
        | Event::ChildEnded { .. }
        | Event::RunPaused { .. }
        | Event::RunResumed {}
        | Event::EndBegan { .. }
        | Event::RunSucceeded { .. }
        | Event::RunFailed { .. }
        | Event::RunCancelled { .. }
        | Event::RunKilled { .. }
        | Event::RunRetried { .. } => return,
    };
    metrics::counter!(telemetry::STEPS_COMPLETED, "status" => status).increment(1);
}
