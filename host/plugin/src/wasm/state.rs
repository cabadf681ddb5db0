//! What the store of one call holds: the state of every import, and the limits on what the guest may take.

use std::sync::Arc;

use millwork_core::outcome::Failure;
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::imports::clock::Clock;
use crate::imports::http::HttpView;
use crate::imports::http::trail::Trail;
use crate::imports::kv::KvView;
use crate::imports::log::{Log, Speaker};
use crate::imports::random::Random;
use crate::imports::secrets::{SecretsView, Vault};
use crate::imports::wasi::{HasWasi, Wasi};
use crate::imports::wasi_http::WasiHttp;
use crate::imports::{Outfit, clock, http, kv, log, random, secrets, wasi, wasi_http};
use crate::limits::Limits;

pub(crate) struct State {
    pub(crate) outfit: Arc<Outfit>,
    pub(crate) limiter: Limiter,
    pub(crate) cpu: Cpu,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    random: Random,
    pub(crate) vault: Vault,
    pub(crate) trail: Trail,
    wasi: Wasi,
    wasi_http: Option<Box<WasiHttp>>,
}

impl State {
    pub(crate) fn new(outfit: Arc<Outfit>, speaker: Speaker, clock: Clock) -> Self {
        let limits = &outfit.limits;
        Self {
            limiter: Limiter::new(limits),
            cpu: Cpu::new(limits),
            clock,
            log: Log::new(speaker, clock, limits.log_max_bytes),
            random: Random,
            vault: Vault::default(),
            trail: Trail::default(),
            wasi: Wasi::new(clock, &outfit.handed, limits),
            wasi_http: None,
            outfit,
        }
    }

    /// Opens the directories that the call is handed.
    ///
    /// # Errors
    /// Where this host does not have one of them: another one may, or this one later.
    pub(crate) async fn open_directories(&mut self) -> Result<(), Failure> {
        let opened = self.wasi.open_directories().await;
        opened.map_err(|why| Failure::retryable("plugin-grant-missing", why))
    }

    /// Takes into the log what the guest wrote to standard output and error, and what it was refused.
    pub(crate) fn gather_output(&mut self) {
        self.wasi.drain_into(&mut self.log);
        if let Some(http) = &mut self.wasi_http {
            http.drain_into(&mut self.log);
        }
    }
}

/// Links everything that a plugin may import. Nothing else exists for it.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    super::bindings::types::add_to_linker::<State, HasTypes>(linker, |_| Types)?;
    clock::add_to_linker(linker, |state| &mut state.clock)?;
    random::add_to_linker(linker, |state| &mut state.random)?;
    log::add_to_linker(linker, |state| &mut state.log)?;
    http::add_to_linker(linker, |state| HttpView {
        outfit: &state.outfit,
        placeholders: &state.vault.placeholders,
        trail: &state.trail,
    })?;
    kv::add_to_linker(linker, |state| KvView {
        outfit: &state.outfit,
        workflow: &state.log.speaker().workflow,
    })?;
    secrets::add_to_linker(linker, |state| SecretsView {
        outfit: &state.outfit,
        vault: &mut state.vault,
        log: &mut state.log,
    })?;
    wasi::add_to_linker(linker)?;
    wasi_http::add_to_linker(linker)
}

/// An interface of types alone wants to be linked too.
struct Types;

struct HasTypes;

impl wasmtime::component::HasData for HasTypes {
    type Data<'a> = Types;
}

impl super::bindings::types::Host for Types {}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.view()
    }
}

impl HasWasi for State {
    fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Self {
            outfit,
            vault,
            wasi,
            wasi_http,
            trail,
            ..
        } = self;
        let WasiHttp { ctx, hooks } =
            &mut **wasi_http.get_or_insert_with(|| Box::new(WasiHttp::new(Arc::clone(outfit))));
        hooks.placeholders = vault.placeholders.clone();
        hooks.trail = trail.clone();
        WasiHttpCtxView {
            ctx,
            hooks,
            table: &mut wasi.table,
        }
    }
}

/// Counts processor time in ticks of the engine's epoch: time in the host does not count.
#[derive(Debug)]
pub(crate) struct Cpu {
    left_ticks: u64,
}

impl Cpu {
    fn new(limits: &Limits) -> Self {
        Self {
            left_ticks: limits.cpu_max_ms.div_ceil(super::engine::TICK_MS).max(1),
        }
    }

    /// Called when the guest has run for a tick: the others get a turn, or it is over.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        self.left_ticks = self.left_ticks.saturating_sub(1);
        if self.left_ticks == 0 {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Yield(1)
        }
    }
}

/// Grants memory and tables up to the limits, and remembers what it refused: the guest that gets no memory traps in
/// its own way, and nobody would know why.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_left_bytes: usize,
    table_elements_max: usize,
    instances_max: usize,
    tables_max: usize,
    memories_max: usize,
    pub(crate) refused: Option<Refused>,
    memory_taken_bytes: usize,
}

/// What the guest asked for and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    TableElements,
}

impl Limiter {
    fn new(limits: &Limits) -> Self {
        let count = |max: u32| usize::try_from(max).unwrap_or(usize::MAX);
        Self {
            memory_left_bytes: limits.memory_max_bytes,
            table_elements_max: limits.table_elements_max,
            instances_max: count(limits.instances_max),
            tables_max: count(limits.tables_max),
            memories_max: count(limits.memories_max),
            refused: None,
            memory_taken_bytes: 0,
        }
    }
}

impl Limiter {
    /// How much memory the guest was given. It gives none back.
    pub(crate) const fn memory_taken_bytes(&self) -> usize {
        self.memory_taken_bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let Some(left) = self.memory_left_bytes.checked_sub(more) else {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        };
        self.memory_left_bytes = left;
        self.memory_taken_bytes += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements_max {
            self.refused = Some(Refused::TableElements);
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        self.tables_max
    }

    fn memories(&self) -> usize {
        self.memories_max
    }
}
