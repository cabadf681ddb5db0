//! The plugins of a host: loads them, knows them, runs them. The [`crate::PluginRuntime`] with a sandbox behind it.

mod choice;
mod look;
mod runtime;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_core::outcome::Failure;
use tokio::sync::{Mutex, Semaphore};

use crate::catalog::{Catalog, Listed, LoadedPlugin, Origin};
use crate::decision::Decisions;
use crate::folder::{Folder, RefusedFile};
use crate::grant::Grants;
use crate::imports::http::names::{Names, SystemNames};
use crate::imports::http::tape::Tape;
use crate::imports::kv::{KeyValue, MemoryKeyValue};
use crate::imports::secrets::Secrets;
use crate::limits::Limits;
use crate::metrics::CallMetrics;
use crate::premises::Premises;
use crate::trust::{Parcel, Trust};
use crate::wasm::load::{self, Program, Refusal};
use crate::wasm::sandbox::{Means, Sandbox, SandboxError};

/// What a host decides about its plugins.
pub struct Options {
    /// How much each call may use.
    pub limits: Limits,
    /// What the operator grants.
    pub grants: Grants,
    /// Where operators drop their plugins.
    pub folder: Option<PathBuf>,
    /// Where compiled code is kept; without it everything is compiled at every start. For this host alone.
    pub cache_folder: Option<PathBuf>,
    /// Whether the host's own API is reachable from this machine alone. Then `webhook` may reach loopback addresses,
    /// where nothing else was granted to it.
    pub bound_to_loopback: bool,
    /// Where plugins keep their values.
    pub key_value: Arc<dyn KeyValue>,
    /// Where secrets come from.
    pub secrets: Option<Arc<dyn Secrets>>,
    /// Where the bytes of a plugin are found that a run is pinned to and that no file holds any longer.
    pub source: Option<Arc<dyn PluginSource>>,
    /// Whose plugins may be loaded.
    pub trust: Trust,
    /// Where the host names of HTTP requests are looked up.
    pub names: Arc<dyn Names>,
    /// What of this machine can be granted.
    pub premises: Premises,
    /// Recorded answers in place of the network, or a place to record them: for authors who try a plugin out.
    pub tape: Option<Arc<Tape>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            grants: Grants::new(),
            folder: None,
            cache_folder: None,
            bound_to_loopback: false,
            key_value: Arc::new(MemoryKeyValue::default()),
            secrets: None,
            source: None,
            trust: Trust::default(),
            names: Arc::new(SystemNames),
            premises: Premises::default(),
            tape: None,
        }
    }
}

/// PORT: keeps the bytes of plugins, and finds those that runs are pinned to.
#[async_trait]
pub trait PluginSource: Send + Sync + 'static {
    /// Reads the bytes of a plugin; nothing where they were never kept.
    ///
    /// # Errors
    /// A sentence, where the store does not answer.
    async fn find(&self, digest: &Digest) -> Result<Option<StoredPlugin>, String>;

    /// Keeps the bytes of a plugin before a name means it, so that every process that a run may come to can load it.
    ///
    /// # Errors
    /// A sentence, where the store does not take it; then no name means it.
    async fn keep(&self, plugin: &LoadedPlugin) -> Result<(), String>;
}

/// A plugin as the store keeps it.
#[derive(Clone, Debug)]
pub struct StoredPlugin {
    /// Its bytes.
    pub wasm: Bytes,
    /// Whether it was [`Origin::Bundled`] when it was kept.
    pub bundled: bool,
}

/// The plugins of a host.
pub struct Plugins {
    sandbox: Arc<Sandbox>,
    premises: Arc<Premises>,
    grants: Grants,
    bound_to_loopback: bool,
    source: Option<Arc<dyn PluginSource>>,
    trust: Trust,
    folder_path: Option<PathBuf>,
    catalog: RwLock<Catalog>,
    decisions: RwLock<Decisions>,
    /// What is being loaded; held over all of a load, so that two never do the same work.
    loading: Mutex<Loading>,
}

#[derive(Default)]
struct Loading {
    bundled: Vec<Arc<LoadedPlugin>>,
    installed: Vec<Arc<LoadedPlugin>>,
    folder: Folder,
}

impl Plugins {
    /// Starts the sandbox. There are no plugins yet: [`Self::load_bundled`] and [`Self::load_folder`] bring them.
    ///
    /// # Errors
    /// Where the WebAssembly engine does not start.
    pub fn new(options: Options) -> Result<Self, SandboxError> {
        let Options {
            limits,
            grants,
            folder,
            cache_folder,
            bound_to_loopback,
            key_value,
            secrets,
            source,
            trust,
            names,
            premises,
            tape,
        } = options;
        let premises = Arc::new(premises);
        let means = Means {
            kv: key_value,
            secrets,
            tape,
            names,
            premises: Arc::clone(&premises),
        };
        let sandbox = Sandbox::new(limits, cache_folder.as_deref(), means)?;
        Ok(Self {
            sandbox: Arc::new(sandbox),
            premises,
            grants,
            bound_to_loopback,
            source,
            trust,
            folder_path: folder,
            catalog: RwLock::default(),
            decisions: RwLock::default(),
            loading: Mutex::default(),
        })
    }

    /// Loads the plugins that are part of this program.
    ///
    /// # Errors
    /// Where one of them is refused, which is a mistake in how this program was built.
    pub async fn load_bundled(
        &self,
        components: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), Refusal> {
        let mut loading = self.loading.lock().await;
        for wasm in components {
            let plugin = self.load(wasm.into(), Origin::Bundled).await?;
            self.keep(&plugin).await.map_err(Refusal::Keep)?;
            loading.bundled.push(plugin);
        }
        self.publish(&loading);
        Ok(())
    }

    /// Loads a plugin that a run is pinned to, or that somebody wants to look at. No name will mean it.
    ///
    /// # Errors
    /// Where the bytes are refused.
    pub async fn load_bytes(
        &self,
        parcel: impl Into<Parcel>,
        origin: Origin,
    ) -> Result<Arc<LoadedPlugin>, Refusal> {
        let plugin = self.load(parcel.into(), origin).await?;
        self.catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .pin(&plugin);
        Ok(plugin)
    }

    /// Every plugin that has a name, in order of names, the newest versions first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .list()
    }

    /// The files of the plugins folder that are not loaded, and why.
    pub async fn refused(&self) -> Vec<RefusedFile> {
        self.loading.lock().await.folder.refused()
    }

    /// The plugin with this digest, if it is loaded.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<LoadedPlugin>> {
        self.catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
    }

    async fn keep(&self, plugin: &LoadedPlugin) -> Result<(), String> {
        match &self.source {
            Some(source) => source.keep(plugin).await,
            None => Ok(()),
        }
    }

    async fn load(&self, parcel: Parcel, origin: Origin) -> Result<Arc<LoadedPlugin>, Refusal> {
        let is_new = match origin {
            Origin::File(_) | Origin::Installed => true,
            // It is part of this program, or was judged when it came.
            Origin::Bundled | Origin::Stored => false,
        };
        // Before anything of it is compiled.
        let signed_by = match is_new {
            true => self.trust.judge_signature(&parcel)?,
            false => None,
        };
        let program = self.sandbox.load(parcel.wasm.clone()).await?;
        if is_new {
            self.trust
                .judge_digest(&program.manifest.name, program.digest)?;
        }
        let plugin = self.equip(program, parcel.wasm, origin);
        Ok(Arc::new(LoadedPlugin {
            signed_by,
            ..plugin
        }))
    }

    /// Gives a program what the operator grants it.
    fn equip(&self, program: Program, wasm: Bytes, origin: Origin) -> LoadedPlugin {
        let Program {
            digest,
            facts,
            manifest,
            pre,
        } = program;
        let outfit = self.outfit(&manifest, &origin);
        let calls_max = usize::try_from(self.sandbox.limits.calls_in_flight_per_plugin_max)
            .unwrap_or(usize::MAX);
        let permits = Semaphore::new(calls_max.clamp(1, Semaphore::MAX_PERMITS));
        LoadedPlugin {
            digest,
            manifest,
            origin,
            wasm,
            signed_by: None,
            imports: facts.imports,
            pure: facts.pure,
            pre,
            outfit: RwLock::new(outfit),
            permits,
            metrics: CallMetrics::default(),
        }
    }

    /// Finds the plugin that a run is pinned to; loads it where only the store has it.
    async fn find(&self, digest: &Digest) -> Result<Arc<LoadedPlugin>, Failure> {
        if let Some(plugin) = self.get(digest) {
            return Ok(plugin);
        }
        let missing = |why: String| {
            Failure::retryable(
                "plugin-missing",
                format!("the plugin with the digest {digest} is not here: {why}"),
            )
        };
        let Some(source) = &self.source else {
            return Err(missing(
                "put its file back into the plugins folder".to_owned(),
            ));
        };
        let _one_at_a_time = self.loading.lock().await;
        if let Some(plugin) = self.get(digest) {
            return Ok(plugin);
        }
        let stored = source.find(digest).await.map_err(missing)?;
        let Some(StoredPlugin { wasm, bundled }) = stored else {
            return Err(missing(
                "nobody kept its bytes; put its file back into the plugins folder".to_owned(),
            ));
        };
        let found = load::digest(&wasm);
        if found != *digest {
            return Err(missing(in_words(&Refusal::Digest {
                found,
                wanted: *digest,
            })));
        }
        let origin = if bundled {
            Origin::Bundled
        } else {
            Origin::Stored
        };
        self.load_bytes(wasm, origin)
            .await
            .map_err(|refusal| missing(in_words(&refusal)))
    }
}

/// A refusal with what caused it.
fn in_words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Read(source) => format!("{refusal}: {source}"),
        _ => refusal.to_string(),
    }
}
