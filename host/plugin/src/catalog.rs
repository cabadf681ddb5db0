//! Which plugins there are: by the names that workflows use, and by the digests that runs are pinned to.
//!
//! A plain value without I/O. Versions live side by side; a digest that was loaded once stays, since a run may need it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use semver::Version;
use tokio::sync::Semaphore;

use crate::decision::Standing;
use crate::grant::{Ask, Grant};
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
    /// The trusted key that has signed it, as the configuration has it.
    pub signed_by: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// Whether it imports nothing that acts on the world, so that running it again harms nothing.
    pub pure: bool,
    pub(crate) pre: GuestPre<State>,
    pub(crate) outfit: RwLock<Arc<Outfit>>,
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
    /// Somebody installed it.
    Installed,
    /// The store, for a run that is pinned to them.
    Stored,
}

impl LoadedPlugin {
    /// What it asks for and is not granted at all.
    #[must_use]
    pub fn ungranted(&self) -> Vec<Ask> {
        self.outfit().powers.ungranted().cloned().collect()
    }

    /// What it is granted.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.outfit().powers.grant().clone()
    }

    /// What its next call works with.
    pub(crate) fn outfit(&self) -> Arc<Outfit> {
        Arc::clone(&self.outfit.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What its calls work with from the next one on.
    pub(crate) fn equip(&self, outfit: Arc<Outfit>) {
        *self.outfit.write().unwrap_or_else(PoisonError::into_inner) = outfit;
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

/// A plugin that has a name, and whether new runs may use it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The plugin.
    pub plugin: Arc<LoadedPlugin>,
    /// Whether new runs may use it.
    pub standing: Standing,
}

/// Plugins kept ready that no name means: runs are pinned to some of them. The others are in the store.
const NAMELESS_MAX: usize = 64;

/// All plugins.
#[derive(Default)]
pub(crate) struct Catalog {
    by_digest: HashMap<Digest, Arc<LoadedPlugin>>,
    /// What names mean now; the newest version first.
    by_name: BTreeMap<String, Vec<Listed>>,
    /// What no name means any more, the longest so first.
    nameless: VecDeque<Digest>,
}

impl Catalog {
    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<LoadedPlugin>> {
        self.by_digest.get(digest).map(Arc::clone)
    }

    /// Makes a plugin callable by its digest, and by no name.
    pub(crate) fn pin(&mut self, plugin: &Arc<LoadedPlugin>) {
        if let Entry::Vacant(place) = self.by_digest.entry(plugin.digest) {
            place.insert(Arc::clone(plugin));
            self.nameless.push_back(plugin.digest);
            self.forget();
        }
    }

    /// Forgets what has been nameless the longest, where there is too much of it. A run that needs it has it loaded again.
    fn forget(&mut self) {
        while self.nameless.len() > NAMELESS_MAX {
            if let Some(digest) = self.nameless.pop_front() {
                self.by_digest.remove(&digest);
            }
        }
    }

    /// Says anew what names mean: what comes later wins over what came earlier with the same name and version.
    pub(crate) fn name_all(&mut self, plugins: impl IntoIterator<Item = Listed>) {
        self.by_name.clear();
        for listed in plugins {
            let plugin = &listed.plugin;
            self.by_digest.insert(plugin.digest, Arc::clone(plugin));
            let versions = self.by_name.entry(plugin.name().to_owned()).or_default();
            versions.retain(|other| other.plugin.version() != plugin.version());
            versions.push(listed);
        }
        for versions in self.by_name.values_mut() {
            versions.sort_by(|a, b| b.plugin.version().cmp(a.plugin.version()));
        }
        let named = self.by_name.values().flatten();
        let named: HashSet<Digest> = named.map(|listed| listed.plugin.digest).collect();
        self.nameless.retain(|digest| !named.contains(digest));
        let known: HashSet<Digest> = self.nameless.iter().copied().collect();
        let lost = self
            .by_digest
            .keys()
            .filter(|digest| !named.contains(*digest) && !known.contains(*digest));
        self.nameless.extend(lost.copied().collect::<Vec<_>>());
        self.forget();
    }

    /// Everything that has a name, in order of names, the newest versions first.
    pub(crate) fn list(&self) -> Vec<Listed> {
        self.by_name.values().flatten().cloned().collect()
    }

    /// Everything that is loaded, whether a name means it or not.
    pub(crate) fn all(&self) -> Vec<Arc<LoadedPlugin>> {
        self.by_digest.values().map(Arc::clone).collect()
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
            return Err(why_not(versions, reference));
        };
        plugin.connector(reference.action.as_deref())
    }
}

/// Why no version of a plugin is what a workflow wants.
fn why_not(versions: &[Listed], reference: &TypeRef) -> String {
    let name = &reference.plugin;
    let wanted = reference.version.as_deref();
    let fits =
        |listed: &&Listed| wanted.is_none_or(|wanted| begins(listed.plugin.version(), wanted));
    match versions.iter().find(fits) {
        Some(Listed {
            standing: Standing::Disabled,
            ..
        }) => format!(
            "plugin {name:?} is disabled: `millwork plugin enable {name}` lets new runs use it again"
        ),
        Some(Listed {
            plugin,
            standing: Standing::AwaitsConsent { more },
        }) => format!(
            "plugin {name:?} in version {} asks for more than was agreed to ({}): `millwork plugin agree {name}` lets new runs use it",
            plugin.version(),
            more.join(", ")
        ),
        Some(_) | None => {
            let there = versions
                .iter()
                .map(|listed| listed.plugin.version().to_string());
            let there: Vec<_> = there.collect();
            format!(
                "plugin {name:?} has no version {}: there are {}",
                wanted.unwrap_or_default(),
                there.join(", ")
            )
        }
    }
}

/// The newest version that begins as wanted and may be used; a pre-release only where there is nothing else.
fn newest<'a>(versions: &'a [Listed], wanted: Option<&str>) -> Option<&'a Arc<LoadedPlugin>> {
    let mut fitting = versions
        .iter()
        .filter(|listed| listed.standing == Standing::Active)
        .map(|listed| &listed.plugin)
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
