//! The shelf: which plugins there are, and what operators decide about them while the host runs.
//!
//! What is decided is in the store, so that it is the same for every process; each of them looks there again and again. The
//! files of the plugins folder are each process's own.

mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_plugin::{
    Decision, Decisions, Grant, Listed, LoadedPlugin, Origin, Parcel, Plugins, RefusedFile,
};
use millwork_store::{Installed, InstalledPlugin, Plugin, PluginDecision, Registry, Store};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub use refusal::Refusal;

use crate::clock::Clock;

/// How often the folder is looked into, and the store for what other processes decided.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file that is changing is left alone before it is looked at again. Short beside [`LOOK_EVERY`]: one that is
/// replaced as often as it is looked at would never be seen at rest.
const REST: Duration = Duration::from_millis(100);

/// The plugins of a process, and what is decided about them.
pub struct Shelf {
    plugins: Arc<Plugins>,
    store: Arc<dyn Store>,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    /// What was read last; held over a change, so that one follows the other.
    seen: Mutex<Installed>,
}

impl Shelf {
    /// A shelf over the plugins of a process. Nothing is on it yet but what they have loaded: see [`Self::refresh`].
    #[must_use]
    pub fn new(
        plugins: Arc<Plugins>,
        store: Arc<dyn Store>,
        registry: Arc<dyn Registry>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            plugins,
            store,
            registry,
            clock,
            seen: Mutex::default(),
        }
    }

    /// Every plugin that has a name, and whether new runs may use it.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.plugins.list()
    }

    /// The files of the plugins folder that are not loaded, and why.
    pub async fn refused(&self) -> Vec<RefusedFile> {
        self.plugins.refused().await
    }

    /// Whether the configuration says what a plugin may do.
    #[must_use]
    pub fn is_granted_by_configuration(&self, name: &str) -> bool {
        self.plugins.is_granted_by_configuration(name)
    }

    /// Reads what is installed and decided, and has it hold here.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().await;
        let found = self.registry.load_registry().await?;
        if *seen != found {
            self.carry_out(&found).await?;
            *seen = found;
        }
        Ok(())
    }

    /// Looks into the folder and the store again and again, until the process ends.
    pub async fn watch(self: Arc<Self>, closing: CancellationToken) {
        loop {
            let next = self.clock.now().after(LOOK_EVERY);
            let sleep = self.clock.sleep_until(next);
            if closing.run_until_cancelled(sleep).await.is_none() {
                return;
            }
            if self.look_into_folder().await {
                let rest = self.clock.sleep_until(self.clock.now().after(REST));
                if closing.run_until_cancelled(rest).await.is_none() {
                    return;
                }
                self.look_into_folder().await;
            }
            self.look_into_store().await;
        }
    }

    /// Loads what is new in the folder. Returns whether a file was changing, and was left.
    async fn look_into_folder(&self) -> bool {
        let report = self.plugins.watch_folder().await;
        for plugin in &report.loaded {
            tracing::info!(plugin = plugin.name(), version = %plugin.version(), digest = %plugin.digest, "loaded a plugin from the folder");
        }
        for path in &report.removed {
            tracing::info!(path = %path.display(), "a plugin's file is gone; runs that use it go on");
        }
        report.changing
    }

    /// Has hold what other processes installed and decided.
    async fn look_into_store(&self) {
        let looked = match self.refresh().await {
            Ok(()) => self.agree_to_the_first().await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = looked {
            tracing::warn!(
                error = &refusal as &dyn std::error::Error,
                "could not look at what was decided about plugins; trying again"
            );
        }
    }

    /// Notes what the first version of each plugin asks for: a later one that asks for more waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn agree_to_the_first(&self) -> Result<(), Refusal> {
        let mut new: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        {
            let seen = self.seen.lock().await;
            let is_known = |name: &str| {
                let mut decisions = seen.decisions.iter();
                decisions.any(|known| known.name == name && known.agreed.is_some())
            };
            for listed in self.plugins.list() {
                let plugin = &listed.plugin;
                if plugin.origin != Origin::Bundled && !is_known(plugin.name()) {
                    new.entry(plugin.name().to_owned())
                        .or_default()
                        .push(listed);
                }
            }
        }
        for (name, versions) in new {
            // They are listed with the newest first.
            if let Some(first) = versions.last() {
                let asks = asks(&first.plugin);
                self.decide(&name, |decision| decision.agreed = Some(asks))
                    .await?;
            }
        }
        Ok(())
    }

    /// Installs a plugin for every process. Returns it as it is listed from then on.
    ///
    /// # Errors
    /// Where it is refused, its name and version mean other bytes already, or it has another digest than it should; or the store.
    pub async fn install(
        &self,
        parcel: Parcel,
        expected: Option<Digest>,
    ) -> Result<Listed, Refusal> {
        let found = millwork_plugin::digest(&parcel.wasm);
        let signature = parcel.signature.clone();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(Refusal::Digest { expected, found });
        }
        let plugin = self.plugins.load_bytes(parcel, Origin::Installed).await;
        let plugin = plugin.map_err(|refusal| Refusal::Unfit(refusal.to_string()))?;
        let (name, version) = (plugin.name().to_owned(), plugin.version().to_string());
        let twin = self.plugins.list().into_iter().find(|listed| {
            let other = &listed.plugin;
            other.name() == name
                && *other.version() == *plugin.version()
                && other.digest != plugin.digest
        });
        if let Some(twin) = twin {
            return Err(Refusal::VersionTaken {
                name,
                version,
                digest: twin.plugin.digest,
            });
        }
        self.store.insert_plugin(kept(&plugin)).await?;
        let installed = InstalledPlugin {
            name,
            version,
            digest: plugin.digest,
            installed_at: self.clock.now(),
            signature,
        };
        self.registry.install(installed).await?;
        self.refresh().await?;
        self.agree_to_the_first().await?;
        self.find(plugin.name(), Some(&plugin.version().to_string()))
    }

    /// Removes a version that was installed. Runs that use it keep it from being removed.
    ///
    /// # Errors
    /// Where it is not there, is no installed one, or a run needs it; or the store.
    pub async fn remove(&self, name: &str, version: &str) -> Result<Listed, Refusal> {
        let listed = self.find(name, Some(version))?;
        match &listed.plugin.origin {
            Origin::Installed | Origin::Stored => {}
            Origin::Bundled => {
                return Err(Refusal::NotInstalled("it comes with the host".to_owned()));
            }
            Origin::File(path) => {
                let why = format!("it is the file {}: remove that", path.display());
                return Err(Refusal::NotInstalled(why));
            }
        }
        if let Some(run) = self.registry.find_run_using(listed.plugin.digest).await? {
            return Err(Refusal::InUse {
                name: name.to_owned(),
                version: version.to_owned(),
                run,
            });
        }
        self.registry.uninstall(name, version).await?;
        self.refresh().await?;
        Ok(listed)
    }

    /// Says what a plugin may do, from its next call on.
    ///
    /// # Errors
    /// Where there is no such plugin, the configuration says what it may do, or the grant names what this host does not have; or the store.
    pub async fn grant(&self, name: &str, grant: Grant) -> Result<Listed, Refusal> {
        self.find(name, None)?;
        if self.is_granted_by_configuration(name) {
            return Err(Refusal::Configured(name.to_owned()));
        }
        self.plugins.check_grant(&grant).map_err(Refusal::NotHere)?;
        self.decide(name, |decision| decision.grant = Some(grant))
            .await?;
        self.find(name, None)
    }

    /// Lets new runs use a plugin, or does not. Runs that have begun go on.
    ///
    /// # Errors
    /// Where there is no such plugin; or the store.
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<Listed, Refusal> {
        self.find(name, None)?;
        self.decide(name, |decision| decision.disabled = disabled)
            .await?;
        self.find(name, None)
    }

    /// Agrees to what the newest version of a plugin asks for. It is granted nothing by that.
    ///
    /// # Errors
    /// Where there is no such plugin; or the store.
    pub async fn agree(&self, name: &str) -> Result<Listed, Refusal> {
        let newest = self.find(name, None)?;
        let asks = asks(&newest.plugin);
        self.decide(name, |decision| decision.agreed = Some(asks))
            .await?;
        self.find(name, None)
    }

    /// Finds a version of a plugin; the newest where none is named.
    fn find(&self, name: &str, version: Option<&str>) -> Result<Listed, Refusal> {
        let is_it = |listed: &Listed| {
            let plugin = &listed.plugin;
            plugin.name() == name
                && version.is_none_or(|version| plugin.version().to_string() == version)
        };
        let found = self.plugins.list().into_iter().find(is_it);
        found.ok_or_else(|| Refusal::Unknown {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// Changes what is decided about a plugin, and has it hold here.
    async fn decide(&self, name: &str, change: impl FnOnce(&mut Decision)) -> Result<(), Refusal> {
        {
            let mut seen = self.seen.lock().await;
            let found = self.registry.load_registry().await?;
            let before = found.decisions.iter().find(|known| known.name == name);
            let mut decision = before.map(read).transpose()?.unwrap_or_default();
            change(&mut decision);
            self.registry.decide(write(name, &decision)?).await?;
            // Whatever it was that was seen, it is not that any more.
            *seen = Installed::default();
        }
        self.refresh().await
    }

    /// Has what is installed and decided hold here. What cannot be loaded is left out, with a word in the log.
    async fn carry_out(&self, found: &Installed) -> Result<(), Refusal> {
        let mut installed = Vec::new();
        for plugin in &found.plugins {
            match self.load(plugin).await {
                Ok(plugin) => installed.push(plugin),
                Err(refusal) => tracing::warn!(
                    plugin = plugin.name,
                    version = plugin.version,
                    error = &refusal as &dyn std::error::Error,
                    "an installed plugin could not be loaded"
                ),
            }
        }
        let decisions = found.decisions.iter().map(|decision| {
            let read = read(decision)?;
            Ok((decision.name.clone(), read))
        });
        let decisions: Decisions = decisions.collect::<Result<_, Refusal>>()?;
        self.plugins.choose(installed, decisions).await;
        Ok(())
    }

    async fn load(&self, installed: &InstalledPlugin) -> Result<Arc<LoadedPlugin>, Refusal> {
        if let Some(plugin) = self.plugins.get(&installed.digest) {
            return Ok(plugin);
        }
        let kept = self.store.find_plugin(installed.digest).await?;
        let kept = kept.ok_or_else(|| Refusal::Unfit("nobody kept its bytes".to_owned()))?;
        let parcel = Parcel {
            wasm: Bytes::from(kept.wasm),
            signature: installed.signature.clone(),
        };
        let loaded = self.plugins.load_bytes(parcel, Origin::Installed).await;
        loaded.map_err(|refusal| Refusal::Unfit(refusal.to_string()))
    }
}

/// What a plugin asks for, as its manifest says it.
fn asks(plugin: &LoadedPlugin) -> BTreeSet<String> {
    let asks = plugin.manifest.asks.iter();
    asks.map(ToString::to_string).collect()
}

/// A plugin as the store keeps it.
pub(crate) fn kept(plugin: &LoadedPlugin) -> Plugin {
    Plugin {
        digest: plugin.digest,
        name: plugin.name().to_owned(),
        version: plugin.version().to_string(),
        bundled: plugin.origin == Origin::Bundled,
        wasm: plugin.wasm.to_vec(),
    }
}

fn read(decision: &PluginDecision) -> Result<Decision, Refusal> {
    let damaged = |error: serde_json::Error| Refusal::Damaged {
        name: decision.name.clone(),
        detail: error.to_string(),
    };
    let grant = decision.grants.as_deref().map(serde_json::from_str);
    let agreed = decision.agreed.as_deref().map(serde_json::from_str);
    Ok(Decision {
        grant: grant.transpose().map_err(damaged)?,
        agreed: agreed.transpose().map_err(damaged)?,
        disabled: decision.disabled,
    })
}

fn write(name: &str, decision: &Decision) -> Result<PluginDecision, Refusal> {
    let damaged = |error: serde_json::Error| Refusal::Damaged {
        name: name.to_owned(),
        detail: error.to_string(),
    };
    let grants = decision.grant.as_ref().map(serde_json::to_string);
    let agreed = decision.agreed.as_ref().map(serde_json::to_string);
    Ok(PluginDecision {
        name: name.to_owned(),
        grants: grants.transpose().map_err(damaged)?,
        agreed: agreed.transpose().map_err(damaged)?,
        disabled: decision.disabled,
    })
}
