//! From bytes to a plugin that can be called: read, judged, compiled, described, checked. Any step may refuse.

use std::sync::Arc;

use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_core::outcome::Failure;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::bindings::GuestPre;
use super::gate::{self, Facts, Unfit};
use super::sandbox::Sandbox;
use super::state::State;
use crate::limits;
use crate::manifest::{self, Manifest};
use crate::trust::Untrusted;

/// Why a file is not loaded. Each says what would have to change.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// The file is larger than the limit.
    #[error("its {size} bytes are more than {limit}", limit = limits::named("wasm_max_bytes", max))]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        max: usize,
    },
    /// It is no component that this host can load.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The compiler refuses it.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// Its imports have this host's names, and other types.
    #[error("it does not fit this host: {0}")]
    Link(String),
    /// It cannot say what it is.
    #[error("it cannot say what it is: {}", .0.message)]
    Describe(Failure),
    /// What it says of itself does not hold.
    #[error("what it says of itself does not hold: {}", .0.join("; "))]
    Manifest(Vec<String>),
    /// The operator does not trust it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Nobody keeps its bytes, so a run that uses it could be lost.
    #[error("its bytes could not be kept: {0}")]
    Keep(String),
    /// The bytes are not those that were asked for.
    #[error("these bytes have the digest {found}, not {wanted}")]
    Digest {
        /// The digest of the bytes.
        found: Digest,
        /// The digest that a run is pinned to.
        wanted: Digest,
    },
}

/// A component that has been judged and compiled, and what it said of itself.
pub(crate) struct Program {
    pub(crate) digest: Digest,
    pub(crate) facts: Facts,
    pub(crate) manifest: Manifest,
    pub(crate) pre: GuestPre<State>,
}

/// The identity of a plugin's bytes.
#[must_use]
pub fn digest(wasm: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(wasm).into())
}

/// Checks a file's size before anybody reads it.
pub(crate) fn check_size(size: u64, max: usize) -> Result<(), Refusal> {
    if usize::try_from(size).is_ok_and(|size| size <= max) {
        Ok(())
    } else {
        limits::note("wasm_max_bytes");
        Err(Refusal::TooLarge { size, max })
    }
}

impl Sandbox {
    /// Loads a component. What takes long runs where it holds up nobody.
    pub(crate) async fn load(self: &Arc<Self>, wasm: Bytes) -> Result<Program, Refusal> {
        check_size(
            u64::try_from(wasm.len()).unwrap_or(u64::MAX),
            self.limits.wasm_max_bytes,
        )?;
        let sandbox = Arc::clone(self);
        let compiled = tokio::task::spawn_blocking(move || sandbox.compile(&wasm)).await;
        // The task is never cancelled; if it panicked, it is this file that made it panic.
        let (digest, facts, component) =
            compiled.unwrap_or_else(|error| Err(Refusal::Compile(error.to_string())))?;
        let linked = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| Refusal::Link(format!("{error:#}")))?;
        let pre = GuestPre::new(linked).map_err(|error| Refusal::Link(format!("{error:#}")))?;
        let said = self.describe(&pre).await.map_err(Refusal::Describe)?;
        let manifest = manifest::check(said, &self.limits).map_err(Refusal::Manifest)?;
        Ok(Program {
            digest,
            facts,
            manifest,
            pre,
        })
    }

    fn compile(&self, wasm: &[u8]) -> Result<(Digest, Facts, Component), Refusal> {
        let facts = gate::inspect(wasm)?;
        let digest = digest(wasm);
        if let Some(component) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.load(&self.engine, &digest))
        {
            return Ok((digest, facts, component));
        }
        let component = Component::from_binary(&self.engine, wasm)
            .map_err(|error| Refusal::Compile(format!("{error:#}")))?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.store(&self.engine, &digest, &component)
        {
            tracing::warn!(%error, "compiled code cannot be kept, and will be compiled again at the next start");
        }
        Ok((digest, facts, component))
    }
}
