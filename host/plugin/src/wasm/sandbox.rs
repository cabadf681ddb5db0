//! What all calls share: the engine, the linker, the permits, and what the imports need.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use super::cache::Cache;
use super::engine;
use super::state::{self, State};
use crate::grant::{Ask, Grant, Powers};
use crate::imports::Outfit;
use crate::imports::handed::Handed;
use crate::imports::http::client::Clients;
use crate::imports::http::door::Door;
use crate::imports::http::names::Names;
use crate::imports::http::tape::Tape;
use crate::imports::kv::KeyValue;
use crate::imports::secrets::Secrets;
use crate::limits::Limits;
use crate::premises::Premises;

pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cache: Option<Cache>,
    /// One for each call in flight, over all plugins.
    pub(crate) permits: Arc<Semaphore>,
    shared: Shared,
    /// For plugins that are asked what they are: without any power.
    pub(crate) powerless: Arc<Outfit>,
}

/// What the host provides for the imports to work with.
pub(crate) struct Means {
    pub(crate) kv: Arc<dyn KeyValue>,
    pub(crate) secrets: Option<Arc<dyn Secrets>>,
    pub(crate) tape: Option<Arc<Tape>>,
    pub(crate) names: Arc<dyn Names>,
    pub(crate) premises: Arc<Premises>,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The limits do not hold.
    #[error("{}", .0.join("; "))]
    Limits(Vec<String>),
    /// The engine does not start.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The thread that interrupts calls does not start.
    #[error("the thread that interrupts plugins does not start")]
    Ticker(#[source] std::io::Error),
}

impl Sandbox {
    pub(crate) fn new(
        limits: Limits,
        cache_folder: Option<&Path>,
        means: Means,
    ) -> Result<Self, SandboxError> {
        let problems = limits.problems();
        if !problems.is_empty() {
            return Err(SandboxError::Limits(problems));
        }
        let refuse = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = engine::build(&limits).map_err(refuse)?;
        let mut linker = Linker::new(&engine);
        state::add_to_linker(&mut linker).map_err(refuse)?;
        let calls_max = usize::try_from(limits.calls_in_flight_max)
            .unwrap_or(usize::MAX)
            .clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(calls_max));
        let in_flight = Arc::clone(&permits);
        engine::start_ticker(&engine, move || in_flight.available_permits() < calls_max)
            .map_err(SandboxError::Ticker)?;
        let Means {
            kv,
            secrets,
            tape,
            names,
            premises,
        } = means;
        let clients = Clients::new(&limits, names);
        let limits = Arc::new(limits);
        let shared = Shared {
            clients,
            kv,
            secrets: None,
            tape: None,
            premises,
            limits: Arc::clone(&limits),
        };
        let powerless = Arc::new(shared.outfit("", &[], Grant::default()));
        Ok(Self {
            engine,
            linker,
            cache: cache_folder.and_then(open_cache),
            permits,
            shared: Shared {
                secrets,
                tape,
                ..shared
            },
            powerless,
            limits,
        })
    }

    /// What a plugin with these asks and this grant works with.
    pub(crate) fn outfit(&self, plugin: &str, asks: &[Ask], grant: Grant) -> Arc<Outfit> {
        Arc::new(self.shared.outfit(plugin, asks, grant))
    }
}

/// What all plugins work with.
struct Shared {
    clients: Clients,
    kv: Arc<dyn KeyValue>,
    secrets: Option<Arc<dyn Secrets>>,
    tape: Option<Arc<Tape>>,
    premises: Arc<Premises>,
    limits: Arc<Limits>,
}

impl Shared {
    fn outfit(&self, plugin: &str, asks: &[Ask], grant: Grant) -> Outfit {
        let powers = Arc::new(Powers::new(plugin, asks, grant));
        let door = Door::new(
            plugin,
            Arc::clone(&powers),
            &self.clients,
            Arc::clone(&self.limits),
            self.tape.clone(),
        );
        Outfit {
            plugin: plugin.into(),
            handed: Arc::new(Handed::new(&powers, &self.premises)),
            powers,
            door,
            kv: Arc::clone(&self.kv),
            secrets: self.secrets.clone(),
            limits: Arc::clone(&self.limits),
        }
    }
}

/// Without the folder everything is compiled at every start, which is no reason not to start.
fn open_cache(folder: &Path) -> Option<Cache> {
    Cache::open(folder)
        .inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "compiled code will not be kept: the folder cannot be used"))
        .ok()
}
