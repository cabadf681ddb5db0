//! Why something was not done to a plugin.

use millwork_core::digest::Digest;
use millwork_core::id::RunId;

/// Why something was not done to a plugin.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such plugin.
    #[error("there is no plugin {name:?}{}", version.as_ref().map(|version| format!(" in version {version}")).unwrap_or_default())]
    Unknown {
        /// Its name.
        name: String,
        /// Its version, where one was named.
        version: Option<String>,
    },
    /// The bytes are no plugin that this host can load.
    #[error("the plugin is refused: {0}")]
    Unfit(String),
    /// The bytes are not those that were meant.
    #[error("these bytes have the digest {found}, not {expected}")]
    Digest {
        /// What was meant.
        expected: Digest,
        /// What was sent.
        found: Digest,
    },
    /// The name and the version mean other bytes.
    #[error(
        "{name}@{version} is there already with other bytes ({digest}): give yours another version"
    )]
    VersionTaken {
        /// The name.
        name: String,
        /// The version.
        version: String,
        /// What they mean.
        digest: Digest,
    },
    /// It was not installed, so it cannot be removed.
    #[error("it was not installed here: {0}")]
    NotInstalled(String),
    /// A run needs it.
    #[error(
        "run {run} is pinned to {name}@{version} and has not ended: disable the plugin, and remove it when no run needs it"
    )]
    InUse {
        /// The name.
        name: String,
        /// The version.
        version: String,
        /// One of the runs.
        run: RunId,
    },
    /// The configuration says what it may do.
    #[error(
        "the configuration says what {0:?} may do, under [plugins.grants.{0}]: change it there"
    )]
    Configured(String),
    /// The grant names what this host does not have.
    #[error("{}", .0.join("; "))]
    NotHere(Vec<String>),
    /// What was decided about it cannot be read.
    #[error("what was decided about {name:?} cannot be read: {detail}")]
    Damaged {
        /// Its name.
        name: String,
        /// Why not.
        detail: String,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] millwork_store::Error),
}
