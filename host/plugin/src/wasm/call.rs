//! One call: a permit, a fresh instance, limits on everything, and an answer or a failure.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use millwork_core::outcome::Failure;
use millwork_core::time::Timestamp;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use wasmtime::Store;

use super::bindings::{GuestPre, Plugin, types};
use super::sandbox::Sandbox;
use super::state::State;
use super::{convert, trap};
use crate::imports::Outfit;
use crate::imports::clock::Clock;
use crate::imports::http::trail::Trail;
use crate::imports::log::Speaker;
use crate::imports::secrets::Vault;
use crate::limits;
use crate::{FieldError, Invocation, LogLine, Reply, SentRequest};

/// What a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The memory that the guest had at the end, in bytes.
    pub memory_bytes: usize,
}

/// Takes a permit; where there is none, counts that, and waits for one.
async fn permit<'s>(
    permits: &'s Semaphore,
    limit: &'static str,
) -> Result<SemaphorePermit<'s>, AcquireError> {
    if let Ok(permit) = permits.try_acquire() {
        return Ok(permit);
    }
    limits::note(limit);
    permits.acquire().await
}

/// What came of asking.
struct Asked<R> {
    answer: Result<R, Failure>,
    log: Vec<LogLine>,
    used: Used,
    /// The secrets that it knows of.
    vault: Vault,
    /// The requests that it sent, where it is traced.
    sent: Vec<SentRequest>,
}

/// What is asked of an instance: the future borrows the store and the guest, and nothing else.
type Asking<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

impl Sandbox {
    /// Runs one attempt at a step.
    pub(crate) async fn invoke(
        &self,
        pre: &GuestPre<State>,
        outfit: &Arc<Outfit>,
        own_permits: &Semaphore,
        call: Invocation,
    ) -> (Reply, Used) {
        // The plugin's own permit first: whoever holds one of the others never waits for anything but the end of a call.
        let _own = permit(own_permits, "calls_in_flight_per_plugin_max").await;
        let _any = permit(&self.permits, "calls_in_flight_max").await;
        let allowed = call.timeout.min(self.limits.call_max());
        let speaker = Speaker {
            plugin: Arc::clone(&outfit.plugin),
            run: Some(call.run),
            workflow: call.workflow.clone(),
            step: call.step.clone(),
        };
        let mut state = State::new(Arc::clone(outfit), speaker, Clock::starting_at(call.now));
        state.trail = Trail::of(call.trace, state.clock);
        let opened = tokio::time::timeout(allowed, state.open_directories()).await;
        let opened = opened.unwrap_or_else(|_| Err(trap::timed_out(allowed, &self.limits)));
        if let Err(failure) = opened {
            return (Reply::failed(failure), Used::default());
        }
        let (action, config) = (call.action.clone(), call.config.text().to_owned());
        let context = convert::context(call, allowed);
        let Asked {
            answer,
            log,
            used,
            vault,
            sent,
        } = self
            .ask(pre, state, allowed, |store, guest| {
                Box::pin(async move { guest.call_invoke(store, &context, &action, &config).await })
            })
            .await;
        let result = answer.and_then(|answer| convert::result(answer, &self.limits));
        let reply = Reply {
            result: vault.redact(result),
            log,
            sent,
        };
        (reply, used)
    }

    /// Asks a plugin what it is, without giving it any power.
    pub(crate) async fn describe(&self, pre: &GuestPre<State>) -> Result<types::Manifest, Failure> {
        let _permit = self.permits.acquire().await;
        self.ask(
            pre,
            self.powerless_state(),
            self.limits.question_max(),
            |store, guest| Box::pin(guest.call_describe(store)),
        )
        .await
        .answer
    }

    /// Asks a plugin what it thinks of a configuration, without giving it any power.
    pub(crate) async fn validate(
        &self,
        pre: &GuestPre<State>,
        action: &str,
        config: String,
    ) -> Result<Vec<FieldError>, Failure> {
        let _permit = self.permits.acquire().await;
        let allowed = self.limits.question_max();
        let action = action.to_owned();
        let Asked { answer, .. } = self
            .ask(pre, self.powerless_state(), allowed, |store, guest| {
                Box::pin(async move { guest.call_validate(store, &action, &config).await })
            })
            .await;
        answer.map(convert::field_errors)
    }

    /// Who is only asked what they are need not know what time it is.
    fn powerless_state(&self) -> State {
        State::new(
            Arc::clone(&self.powerless),
            Speaker::default(),
            Clock::starting_at(Timestamp::default()),
        )
    }

    async fn ask<R>(
        &self,
        pre: &GuestPre<State>,
        state: State,
        allowed: Duration,
        ask: impl for<'a> FnOnce(&'a mut Store<State>, &'a Plugin) -> Asking<'a, R> + Send,
    ) -> Asked<R> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().cpu.tick()));
        store.set_hostcall_fuel(self.limits.lifted_max_bytes());
        store.set_max_component_handles(self.limits.handles_max);
        let running = async {
            let guest = pre.instantiate_async(&mut store).await?;
            ask(&mut store, guest.millwork_connector_plugin()).await
        };
        // Covers the time in the host as well. The guest is dropped wherever it stands: in a loop, at its next tick.
        let answer = tokio::time::timeout(allowed, running).await;
        let state = store.data_mut();
        let answer = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(trap::explain(&error, state)),
            Err(_) => Err(trap::timed_out(allowed, &self.limits)),
        };
        state.gather_output();
        let used = Used {
            memory_bytes: state.limiter.memory_taken_bytes(),
        };
        let State {
            log, vault, trail, ..
        } = store.into_data();
        Asked {
            answer,
            log: log.finish(),
            used,
            vault,
            sent: trail.finish(),
        }
    }
}
