//! An attempt at a step: the call that is made for it, and what it comes back as.

use millwork_core::command::AttemptReturned;
use millwork_core::effect::InvokePlugin;
use millwork_core::event::LogLine;
use millwork_core::graph::Graph;
use millwork_core::run::Run;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_plugin::{Invocation, PluginRuntime, Reply};

use crate::random;
use crate::traces::{Calling, Traces};

/// An attempt that is about to be made.
pub(super) struct Attempt {
    pub(super) step: StepKey,
    pub(super) attempt: u32,
    round: u32,
    started_at: Timestamp,
    /// What is to be told of it.
    calling: Option<Calling>,
    call: Invocation,
}

impl Attempt {
    /// The attempt that a run orders.
    pub(super) fn of(
        invoke: InvokePlugin,
        run: &Run,
        graph: &Graph,
        started_at: Timestamp,
        traces: &Traces,
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
        let within = traces.of_step(run, &step);
        let call = Invocation {
            plugin: pin.digest,
            action: pin.action,
            config,
            timeout,
            now: started_at,
            run: run.id(),
            trace: within.map(|step| traces.of_call(step, attempt, started_at)),
            workflow: graph.name.clone(),
            step: step.name.to_string(),
            iteration: step.iteration,
            attempt,
            idempotency_key: key,
            resumed,
        };
        let calling = within.and_then(|within| traces.begin_call(&call, within, graph, &step));
        Self {
            step,
            attempt,
            round,
            started_at,
            calling,
            call,
        }
    }

    /// Makes it. Dropping the future interrupts the call.
    pub(super) async fn make(
        self,
        plugins: &dyn PluginRuntime,
        traces: &Traces,
    ) -> AttemptReturned {
        let Self {
            step,
            attempt,
            round,
            started_at,
            calling,
            call,
        } = self;
        let Reply { result, log, sent } = plugins.invoke(call).await;
        if let Some(calling) = calling {
            traces.tell_call(&calling, result.as_ref().err(), sent);
        }
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
