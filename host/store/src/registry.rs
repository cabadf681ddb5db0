//! Which plugins are installed, and what operators decided about them.

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps what operators decide about plugins, for all processes alike.
///
/// What [`Store`](crate::Store) says of errors and of dropped futures holds here too.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Reads everything: it is little, and is looked at again and again.
    async fn load_registry(&self) -> Result<Installed, Error>;

    /// Says what a name and a version mean from now on. Their bytes have been kept.
    async fn install(&self, plugin: InstalledPlugin) -> Result<(), Error>;

    /// Forgets what a name and a version mean. Says whether they meant anything.
    async fn uninstall(&self, name: &str, version: &str) -> Result<bool, Error>;

    /// Writes down what is decided about a plugin, in place of what was decided before.
    async fn decide(&self, decision: PluginDecision) -> Result<(), Error>;

    /// Finds a run that has not ended and is pinned to some bytes. Looks through all that have not ended.
    async fn find_run_using(&self, digest: Digest) -> Result<Option<RunId>, Error>;
}

/// Everything that was installed and decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// What is installed, by name and version.
    pub plugins: Vec<InstalledPlugin>,
    /// What was decided, by name.
    pub decisions: Vec<PluginDecision>,
}

/// What a name and a version mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPlugin {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its bytes.
    pub digest: Digest,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// Its signature, where it has one.
    pub signature: Option<String>,
}

/// What was decided about a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginDecision {
    /// The plugin's name.
    pub name: String,
    /// What it may do, as JSON; nothing where only the configuration speaks of it.
    pub grants: Option<String>,
    /// What it may ask for, as JSON; nothing where nobody was asked yet.
    pub agreed: Option<String>,
    /// Whether its names mean nothing for new runs.
    pub disabled: bool,
}
