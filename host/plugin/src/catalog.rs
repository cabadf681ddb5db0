//! Which plugins there are: by the names that workflows use, and by the digests that runs are pinned to.
//!
//! A plain value without I/O. Versions live side by side; a digest that was loaded once stays, since a run may need it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use semver::Version;
use tokio::sync::Semaphore;

use crate::grant::Ask;
use crate::imports::Outfit;
use crate::manifest::Manifest;
use crate::metrics::CallMetrics;
use crate::schema::nearest;
use crate::wasm::bindings::GuestPre;
use crate::wasm::state::State;

/// A plugin that can be called.
pub struct LoadedPlugin {
    /// The identity of its bytes.
    pub digest: Digest,
    /// What it says of itself, checked.
    pub manifest: Manifest,
    /// Where its bytes came from.
    pub origin: Origin,
    /// Its bytes, for the store: every worker that a run may come to has to be able to load it.
    pub wasm: Bytes,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// Whether it imports nothing that acts on the world, so that running it again harms nothing.
    pub pure: bool,
    pub(crate) pre: GuestPre<State>,
    pub(crate) outfit: Arc<Outfit>,
    /// One for each of its calls in flight.
    pub(crate) permits: Semaphore,
    pub(crate) metrics: CallMetrics,
}

/// Where a plugin's bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They are part of this program, or were part of an earlier one: what is granted to bundled plugins is theirs.
    Bundled,
    /// A file in the plugins folder.
    File(PathBuf),
    /// The store, for a run that is pinned to them.
    Stored,
}

impl LoadedPlugin {
    /// What it asks for and is not granted at all.
    pub fn ungranted(&self) -> impl Iterator<Item = &Ask> {
        self.outfit.powers.ungranted()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.manifest.version
    }

    /// The size of its component.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.wasm.len()
    }

    fn connector(&self, action: Option<&str>) -> Result<Connector, String> {
        let actions = &self.manifest.actions;
        let found = match action {
            None => actions.first(),
            Some(name) => actions.iter().find(|action| action.name == name),
        };
        let Some(found) = found else {
            let names = || actions.iter().map(|action| action.name.as_str());
            let wanted = action.unwrap_or_default();
            return Err(format!(
                "plugin {:?} has no action {wanted:?}: {}",
                self.name(),
                suggest(wanted, names())
            ));
        };
        Ok(Connector {
            digest: self.digest,
            action: found.name.clone(),
            timeout: found.timeout,
            attempts_max: found.attempts_max,
        })
    }
}

impl std::fmt::Debug for LoadedPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{} ({:?})", self.name(), self.version(), self.digest)
    }
}

/// All plugins.
#[derive(Default)]
pub(crate) struct Catalog {
    by_digest: HashMap<Digest, Arc<LoadedPlugin>>,
    /// What names mean now; the newest version first.
    by_name: BTreeMap<String, Vec<Arc<LoadedPlugin>>>,
}

impl Catalog {
    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<LoadedPlugin>> {
        self.by_digest.get(digest).map(Arc::clone)
    }

    /// Makes a plugin callable by its digest, and by no name.
    pub(crate) fn pin(&mut self, plugin: &Arc<LoadedPlugin>) {
        self.by_digest
            .entry(plugin.digest)
            .or_insert_with(|| Arc::clone(plugin));
    }

    /// Says anew what names mean: what comes later wins over what came earlier with the same name and version.
    pub(crate) fn name_all(&mut self, plugins: impl IntoIterator<Item = Arc<LoadedPlugin>>) {
        self.by_name.clear();
        for plugin in plugins {
            self.by_digest.insert(plugin.digest, Arc::clone(&plugin));
            let versions = self.by_name.entry(plugin.name().to_owned()).or_default();
            versions.retain(|other| other.version() != plugin.version());
            versions.push(plugin);
        }
        for versions in self.by_name.values_mut() {
            versions.sort_by(|a, b| b.version().cmp(a.version()));
        }
    }

    /// Everything that has a name, in order of names, the newest versions first.
    pub(crate) fn list(&self) -> Vec<Arc<LoadedPlugin>> {
        self.by_name.values().flatten().map(Arc::clone).collect()
    }

    pub(crate) fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        let Some(versions) = self.by_name.get(&reference.plugin) else {
            let names = self.by_name.keys().map(String::as_str);
            return Err(format!(
                "unknown plugin {:?}: {}",
                reference.plugin,
                suggest(&reference.plugin, names)
            ));
        };
        let Some(plugin) = newest(versions, reference.version.as_deref()) else {
            let wanted = reference.version.as_deref().unwrap_or_default();
            let there = versions
                .iter()
                .map(|plugin| plugin.version().to_string())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(format!(
                "plugin {:?} has no version {wanted}: there are {there}",
                reference.plugin
            ));
        };
        plugin.connector(reference.action.as_deref())
    }
}

/// The newest version that begins as wanted; a pre-release only where there is nothing else.
fn newest<'a>(
    versions: &'a [Arc<LoadedPlugin>],
    wanted: Option<&str>,
) -> Option<&'a Arc<LoadedPlugin>> {
    let mut fitting = versions
        .iter()
        .filter(|plugin| wanted.is_none_or(|wanted| begins(plugin.version(), wanted)));
    fitting
        .clone()
        .find(|plugin| plugin.version().pre.is_empty())
        .or_else(|| fitting.next())
}

fn begins(version: &Version, wanted: &str) -> bool {
    let parts = [version.major, version.minor, version.patch];
    wanted
        .split('.')
        .zip(parts)
        .all(|(wanted, part)| wanted.parse() == Ok(part))
}

/// `did you mean "webhook"?`, or everything there is.
fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => match known.collect::<Vec<_>>().join(", ") {
            known if known.is_empty() => "there is none".to_owned(),
            known => format!("there is {known}"),
        },
    }
}
