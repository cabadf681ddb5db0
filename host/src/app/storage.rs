//! Which store, and which clock goes with it.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use millwork_store::postgres::{Address, Held, Hold, Options, Postgres};
use millwork_store::sqlite::{self, Sqlite};
use millwork_store::{Access, Registry, Store, Vault};
use tokio_util::sync::CancellationToken;

use super::role::Role;
use crate::clock::{Clock, DatabaseClock, SystemClock};
use crate::config::{BusKind, Config, StoreKind};

/// The store, the clock that all who share it go by, and what keeps others away who must not share it.
pub(super) struct Storage {
    pub(super) store: Arc<dyn Store>,
    pub(super) access: Arc<dyn Access>,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) vault: Arc<dyn Vault>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) held: Option<Held>,
}

/// Opens the store that the configuration says.
pub(super) async fn open(config: &Config, role: Role) -> Result<Storage> {
    let (opened, held) = match config.store() {
        StoreKind::Sqlite => {
            let store = Sqlite::open(&config.data_dir, sqlite::Options::default())?;
            (Opened::new(store), None)
        }
        StoreKind::Postgres => {
            let options = postgres(config)?;
            // Everything in one process takes care of itself; where there are parts, somebody decides when to migrate.
            if role == Role::Everything {
                Postgres::migrate(&options).await?;
            }
            let store = Postgres::open(&options).await?;
            let held = match (role.executes(), config.bus()) {
                (false, _) => None,
                (true, BusKind::Local) => Some(Postgres::hold(&options, Hold::Alone).await?),
                (true, BusKind::Kafka) => Some(Postgres::hold(&options, Hold::Shared).await?),
            };
            (Opened::new(store), held)
        }
    };
    opened.with_clock(held).await
}

/// Opens the store to look at who may do what, beside whatever else works on it.
pub(super) async fn open_for_access(config: &Config) -> Result<Storage> {
    let opened = match config.store() {
        StoreKind::Sqlite => {
            Opened::new(Sqlite::open(&config.data_dir, sqlite::Options::default())?)
        }
        StoreKind::Postgres => Opened::new(Postgres::open(&postgres(config)?).await?),
    };
    opened.with_clock(None).await
}

/// One store, by its ports.
struct Opened {
    store: Arc<dyn Store>,
    access: Arc<dyn Access>,
    registry: Arc<dyn Registry>,
    vault: Arc<dyn Vault>,
}

impl Opened {
    fn new(store: impl Store + Access + Registry + Vault) -> Self {
        let store = Arc::new(store);
        Self {
            access: Arc::clone(&store) as _,
            registry: Arc::clone(&store) as _,
            vault: Arc::clone(&store) as _,
            store,
        }
    }

    async fn with_clock(self, held: Option<Held>) -> Result<Storage> {
        let Self {
            store,
            access,
            registry,
            vault,
        } = self;
        let clock: Arc<dyn Clock> = match DatabaseClock::follow(Arc::clone(&store)).await? {
            Some(clock) => Arc::new(clock),
            None => Arc::new(SystemClock),
        };
        Ok(Storage {
            store,
            access,
            registry,
            vault,
            clock,
            held,
        })
    }
}

/// Brings the database up to date.
pub(super) async fn migrate(config: &Config) -> Result<()> {
    match config.store() {
        StoreKind::Sqlite => {
            drop(Sqlite::open(&config.data_dir, sqlite::Options::default())?);
        }
        StoreKind::Postgres => {
            Postgres::migrate(&postgres(config)?).await?;
        }
    }
    println!("{} is up to date", describe(config));
    Ok(())
}

/// Tells the process to end when another one has got hold of what only one may have.
pub(super) async fn watch(held: Option<Held>, closing: CancellationToken) {
    let Some(held) = held else { return };
    tokio::select! {
        () = held.lost() => {
            tracing::error!(
                "another worker took the database while it could not be reached from here, and without Kafka there can be one only: ending"
            );
            closing.cancel();
        }
        () = closing.cancelled() => {}
    }
}

/// What the start prints.
pub(super) fn describe(config: &Config) -> String {
    match config.store() {
        StoreKind::Sqlite => format!("SQLite in {}", config.data_dir.display()),
        StoreKind::Postgres => postgres(config).map_or_else(
            |error| format!("PostgreSQL ({error})"),
            |options| format!("PostgreSQL at {options}"),
        ),
    }
}

fn postgres(config: &Config) -> Result<Options> {
    let set = &config.postgres;
    let connections_max = u32::try_from(set.connections_max.get()).unwrap_or(u32::MAX);
    if let Some(url) = &set.url {
        let url = url.read().map_err(anyhow::Error::msg);
        return Ok(Options::from_url(
            &url.context("postgres.url")?,
            connections_max,
        )?);
    }
    let password = set.password.read().map_err(anyhow::Error::msg);
    let address = Address {
        host: &set.host,
        port: set.port.get(),
        database: &set.database,
        user: &set.user,
        password: &password.context("postgres.password")?,
    };
    Ok(Options::from_address(address, connections_max))
}
