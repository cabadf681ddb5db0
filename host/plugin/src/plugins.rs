//! The plugins of a host: loads them, knows them, runs them. The [`crate::PluginRuntime`] with a sandbox behind it.

mod runtime;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_core::outcome::Failure;
use tokio::sync::{Mutex, Semaphore};

use crate::catalog::{Catalog, LoadedPlugin, Origin};
use crate::folder::{self, FileState, Folder, FolderReport, RefusedFile, Seen};
use crate::grant::{Grant, Grants, HttpRule, Network};
use crate::imports::kv::{KeyValue, MemoryKeyValue};
use crate::imports::secrets::Secrets;
use crate::limits::Limits;
use crate::metrics::CallMetrics;
use crate::wasm::load::{self, Program, Refusal};
use crate::wasm::sandbox::{Sandbox, SandboxError};

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
        }
    }
}

/// PORT: finds the bytes of plugins that runs are pinned to.
#[async_trait]
pub trait PluginSource: Send + Sync + 'static {
    /// Reads the bytes of a plugin; nothing where they were never kept.
    ///
    /// # Errors
    /// A sentence, where the store does not answer.
    async fn find(&self, digest: &Digest) -> Result<Option<StoredPlugin>, String>;
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
    grants: Grants,
    bound_to_loopback: bool,
    source: Option<Arc<dyn PluginSource>>,
    folder_path: Option<PathBuf>,
    catalog: RwLock<Catalog>,
    /// What is being loaded; held over all of a load, so that two never do the same work.
    loading: Mutex<Loading>,
}

#[derive(Default)]
struct Loading {
    bundled: Vec<Arc<LoadedPlugin>>,
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
        } = options;
        let sandbox = Sandbox::new(limits, cache_folder.as_deref(), key_value, secrets)?;
        Ok(Self {
            sandbox: Arc::new(sandbox),
            grants,
            bound_to_loopback,
            source,
            folder_path: folder,
            catalog: RwLock::default(),
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
            let plugin = self.load(wasm, Origin::Bundled).await?;
            loading.bundled.push(plugin);
        }
        self.publish(&loading);
        Ok(())
    }

    /// Looks into the plugins folder: loads what is new or changed, forgets the names of what is gone. What is broken
    /// is refused with a reason, stops nothing else, and leaves what its file held before in use.
    pub async fn load_folder(&self) -> FolderReport {
        let Some(path) = self.folder_path.clone() else {
            return FolderReport::default();
        };
        let mut loading = self.loading.lock().await;
        let listed = tokio::task::spawn_blocking(move || folder::list(&path)).await;
        let files = match listed
            .map_err(std::io::Error::other)
            .and_then(|listed| listed)
        {
            Ok(files) => files,
            Err(error) => {
                let path = self.folder_path.clone().unwrap_or_default();
                tracing::warn!(path = %path.display(), %error, "the plugins folder cannot be read");
                let reason = format!("the plugins folder cannot be read: {error}");
                return FolderReport {
                    refused: vec![RefusedFile {
                        path,
                        reason,
                        still_loaded: None,
                    }],
                    ..FolderReport::default()
                };
            }
        };
        let mut report = FolderReport::default();
        let folder = &mut loading.folder;
        let is_gone = |path: &PathBuf| !files.iter().any(|(listed, _)| listed == path);
        report.removed = folder
            .files
            .keys()
            .filter(|path| is_gone(path))
            .cloned()
            .collect();
        folder.files.retain(|path, _| !is_gone(path));
        for (path, seen) in files {
            if folder
                .files
                .get(&path)
                .is_some_and(|file| file.seen == Some(seen))
            {
                continue;
            }
            match self.load_file(&path, folder).await {
                Ok(plugin) => {
                    report.loaded.push(Arc::clone(&plugin));
                    folder.files.insert(
                        path,
                        FileState {
                            seen: Some(seen),
                            plugin: Some(plugin),
                            refusal: None,
                        },
                    );
                }
                Err(refusal) => refuse(
                    folder.files.entry(path.clone()).or_default(),
                    &path,
                    seen,
                    &refusal,
                ),
            }
        }
        report.refused = folder.refused();
        self.publish(&loading);
        report
    }

    async fn load_file(&self, path: &Path, folder: &Folder) -> Result<Arc<LoadedPlugin>, String> {
        let (file, max) = (path.to_owned(), self.sandbox.limits.wasm_max_bytes);
        let read = tokio::task::spawn_blocking(move || folder::read(&file, max)).await;
        let wasm = read
            .unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
            .map_err(|refusal| in_words(&refusal))?;
        let plugin = self
            .load(wasm, Origin::File(path.to_owned()))
            .await
            .map_err(|refusal| in_words(&refusal))?;
        let is_twin = |other: &LoadedPlugin| {
            other.name() == plugin.name()
                && other.version() == plugin.version()
                && other.digest != plugin.digest
        };
        let twin = folder
            .files
            .iter()
            .find(|(other, file)| *other != path && file.plugin.as_deref().is_some_and(is_twin));
        match twin {
            Some((other, _)) => Err(format!(
                "{}@{} is already loaded from {} with other bytes: give it another version, or remove one of the files",
                plugin.name(),
                plugin.version(),
                other.display()
            )),
            None => Ok(plugin),
        }
    }

    /// Loads a plugin that a run is pinned to, or that somebody wants to look at. No name will mean it.
    ///
    /// # Errors
    /// Where the bytes are refused.
    pub async fn load_bytes(
        &self,
        wasm: Bytes,
        origin: Origin,
    ) -> Result<Arc<LoadedPlugin>, Refusal> {
        let plugin = self.load(wasm, origin).await?;
        self.catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .pin(&plugin);
        Ok(plugin)
    }

    /// Every plugin that has a name, in order of names, the newest versions first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<LoadedPlugin>> {
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

    async fn load(&self, wasm: Bytes, origin: Origin) -> Result<Arc<LoadedPlugin>, Refusal> {
        let program = self.sandbox.load(wasm.clone()).await?;
        Ok(Arc::new(self.equip(program, wasm, origin)))
    }

    /// Gives a program what the operator grants it.
    fn equip(&self, program: Program, wasm: Bytes, origin: Origin) -> LoadedPlugin {
        let Program {
            digest,
            facts,
            manifest,
            pre,
        } = program;
        let grant = match self.grants.get(&manifest.name) {
            Some(grant) => grant.clone(),
            // A file that calls itself like a bundled plugin does not inherit from it.
            None if origin == Origin::Bundled => {
                bundled_grant(&manifest.name, self.bound_to_loopback)
            }
            None => Grant::default(),
        };
        let outfit = self.sandbox.outfit(&manifest.name, &manifest.asks, grant);
        let calls_max = usize::try_from(self.sandbox.limits.calls_in_flight_per_plugin_max)
            .unwrap_or(usize::MAX);
        let permits = Semaphore::new(calls_max.clamp(1, Semaphore::MAX_PERMITS));
        LoadedPlugin {
            digest,
            manifest,
            origin,
            wasm,
            imports: facts.imports,
            pure: facts.pure,
            pre,
            outfit,
            permits,
            metrics: CallMetrics::default(),
        }
    }

    /// Says what names mean from now on. A file wins over a bundled plugin of the same name and version.
    fn publish(&self, loading: &Loading) {
        let plugins = loading
            .bundled
            .iter()
            .map(Arc::clone)
            .chain(loading.folder.plugins());
        self.catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .name_all(plugins);
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

/// What a bundled plugin may do where the operator says nothing about it.
fn bundled_grant(name: &str, bound_to_loopback: bool) -> Grant {
    if name != "webhook" {
        return Grant::default();
    }
    let private_networks = if bound_to_loopback {
        vec![Network::Loopback]
    } else {
        Vec::new()
    };
    Grant {
        http: vec![HttpRule::any()],
        private_networks,
        ..Grant::default()
    }
}

fn refuse(file: &mut FileState, path: &Path, seen: Seen, reason: &str) {
    tracing::warn!(path = %path.display(), reason, "a plugin is refused");
    file.seen = Some(seen);
    file.refusal = Some(reason.to_owned());
}

/// A refusal with what caused it.
fn in_words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Read(source) => format!("{refusal}: {source}"),
        _ => refusal.to_string(),
    }
}
