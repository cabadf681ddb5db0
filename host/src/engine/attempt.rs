//! An attempt at a step: the call that is made for it, and what it comes back as.

use millwork_core::command::AttemptReturned;
use millwork_core::effect::InvokePlugin;
use millwork_core::event::LogLine;
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_plugin::{Invocation, PluginRuntime, Reply};

use crate::random;

/// An attempt that is about to be made.
pub(super) struct Attempt {
    pub(super) step: StepKey,
    pub(super) attempt: u32,
    round: u32,
    started_at: Timestamp,
    call: Invocation,
}

impl Attempt {
    /// The attempt that a run orders.
    pub(super) fn of(
        invoke: InvokePlugin,
        run: RunId,
        graph: &Graph,
        started_at: Timestamp,
    ) -> Self {
        let InvokePlugin {
            step,
            attempt,
            round,
            key,
            pin,
            config,
            timeout,
            resumed,
        } = invoke;
        let call = Invocation {
            plugin: pin.digest,
            action: pin.action,
            config,
            timeout,
            now: started_at,
            run,
            workflow: graph.name.clone(),
            step: step.name.to_string(),
            iteration: step.iteration,
            attempt,
            idempotency_key: key,
            resumed,
        };
        Self {
            step,
            attempt,
            round,
            started_at,
            call,
        }
    }

    /// Makes it. Dropping the future interrupts the call.
    pub(super) async fn make(self, plugins: &dyn PluginRuntime) -> AttemptReturned {
        let Self {
            step,
            attempt,
            round,
            started_at,
            call,
        } = self;
        let Reply { result, log } = plugins.invoke(call).await;
        AttemptReturned {
            step,
            attempt,
            round,
            started_at,
            result,
            log: log.into_iter().map(LogLine::from).collect(),
            chance: random::chance(),
        }
    }
}
