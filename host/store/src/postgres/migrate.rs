//! Brings the schema of a database up to date. The statements are in `migrations/`, and so are the rules for them.

use std::borrow::Cow;

use sqlx::PgPool;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};

use super::failure;
use crate::Error;

/// Every migration there is, in order, as name and statements.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_foundation",
        include_str!("../../../../migrations/postgres/0001_foundation.sql"),
    ),
    (
        "0002_sharing",
        include_str!("../../../../migrations/postgres/0002_sharing.sql"),
    ),
    (
        "0003_access",
        include_str!("../../../../migrations/postgres/0003_access.sql"),
    ),
    (
        "0004_plugins",
        include_str!("../../../../migrations/postgres/0004_plugins.sql"),
    ),
    (
        "0005_vault",
        include_str!("../../../../migrations/postgres/0005_vault.sql"),
    ),
    (
        "0006_limits",
        include_str!("../../../../migrations/postgres/0006_limits.sql"),
    ),
    (
        "0007_triggers",
        include_str!("../../../../migrations/postgres/0007_triggers.sql"),
    ),
    (
        "0008_versions",
        include_str!("../../../../migrations/postgres/0008_versions.sql"),
    ),
    (
        "0009_counts",
        include_str!("../../../../migrations/postgres/0009_counts.sql"),
    ),
    (
        "0010_labels",
        include_str!("../../../../migrations/postgres/0010_labels.sql"),
    ),
    (
        "0011_jobs",
        include_str!("../../../../migrations/postgres/0011_jobs.sql"),
    ),
    (
        "0012_deliveries",
        include_str!("../../../../migrations/postgres/0012_deliveries.sql"),
    ),
    (
        "0013_leaves",
        include_str!("../../../../migrations/postgres/0013_leaves.sql"),
    ),
];

fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

fn migrator() -> Migrator {
    let migrations = (1..).zip(MIGRATIONS).map(|(number, (name, sql))| {
        Migration::new(
            number,
            Cow::Borrowed(name),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// Applies what is missing, each in a transaction of its own. A lock of the database makes others wait meanwhile.
pub(super) async fn run(pool: &PgPool) -> Result<u32, Error> {
    migrator().run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => newer(found),
        error => Error::Unavailable {
            action: "bring the database up to date",
            source: error.into(),
        },
    })?;
    Ok(known())
}

/// Refuses a database that is not as this host needs it.
pub(super) async fn check(pool: &PgPool) -> Result<(), Error> {
    let failed = failure::of("read the schema of the database");
    let mut connection = pool.acquire().await.map_err(&failed)?;
    let table = "_sqlx_migrations";
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(&failed)?;
    let applied = if exists {
        let applied = connection.list_applied_migrations(table).await;
        applied.map_err(|error| Error::Unavailable {
            action: "read the schema of the database",
            source: error.into(),
        })?
    } else {
        Vec::new()
    };
    let found = applied
        .iter()
        .map(|applied| applied.version)
        .max()
        .unwrap_or(0);
    match u32::try_from(found).unwrap_or(u32::MAX) {
        found if found > known() => Err(newer(i64::from(found))),
        found if found < known() => Err(Error::Older {
            found,
            needed: known(),
        }),
        _ => Ok(()),
    }
}

fn newer(found: i64) -> Error {
    Error::Newer {
        found: u32::try_from(found).unwrap_or(u32::MAX),
        known: known(),
    }
}
