//! What can go wrong between the host and its store.

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do it: it cannot be reached, its disk is full, its lock is held.
    #[error("could not {action}")]
    Unavailable {
        /// What was being done.
        action: &'static str,
        /// What the database said; for the log, never for a user.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored is not what this host writes.
    #[error("{what} in the store is damaged: {detail}")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A later host has migrated the store.
    #[error(
        "the store has schema {found}, this host knows up to {known}: use the version of the host that wrote it, or a later one"
    )]
    Newer {
        /// The schema found.
        found: u32,
        /// The newest that this host knows.
        known: u32,
    },
    /// The store has to be migrated first.
    #[error("the store has schema {found}, this host needs {needed}: run `millwork migrate`")]
    Older {
        /// The schema found.
        found: u32,
        /// What this host needs.
        needed: u32,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another millwork process: {remedy}")]
    InUse {
        /// What it is.
        path: String,
        /// What to do.
        remedy: &'static str,
    },
}
