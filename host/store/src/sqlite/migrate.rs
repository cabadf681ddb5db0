//! Brings the schema of a SQLite file up to date. The statements are in `migrations/`, and so are the rules for them.

use rusqlite::{Connection, TransactionBehavior};

use super::failure;
use crate::Error;

/// What marks a SQLite file as ours: `MLWK`.
const APPLICATION_ID: i32 = 0x4d4c_574b;

/// A step from one schema to the next; its number is its place in the list, from one.
pub(super) struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Every migration there is, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_foundation",
        sql: include_str!("../../../../migrations/sqlite/0001_foundation.sql"),
    },
    Migration {
        name: "0002_sharing",
        sql: include_str!("../../../../migrations/sqlite/0002_sharing.sql"),
    },
    Migration {
        name: "0003_access",
        sql: include_str!("../../../../migrations/sqlite/0003_access.sql"),
    },
    Migration {
        name: "0004_plugins",
        sql: include_str!("../../../../migrations/sqlite/0004_plugins.sql"),
    },
    Migration {
        name: "0005_vault",
        sql: include_str!("../../../../migrations/sqlite/0005_vault.sql"),
    },
    Migration {
        name: "0006_limits",
        sql: include_str!("../../../../migrations/sqlite/0006_limits.sql"),
    },
    Migration {
        name: "0007_triggers",
        sql: include_str!("../../../../migrations/sqlite/0007_triggers.sql"),
    },
    Migration {
        name: "0008_versions",
        sql: include_str!("../../../../migrations/sqlite/0008_versions.sql"),
    },
    Migration {
        name: "0009_counts",
        sql: include_str!("../../../../migrations/sqlite/0009_counts.sql"),
    },
    Migration {
        name: "0010_labels",
        sql: include_str!("../../../../migrations/sqlite/0010_labels.sql"),
    },
    Migration {
        name: "0011_jobs",
        sql: include_str!("../../../../migrations/sqlite/0011_jobs.sql"),
    },
    Migration {
        name: "0012_deliveries",
        sql: include_str!("../../../../migrations/sqlite/0012_deliveries.sql"),
    },
    Migration {
        name: "0013_leaves",
        sql: include_str!("../../../../migrations/sqlite/0013_leaves.sql"),
    },
];

/// Applies what is missing, each in a transaction of its own.
pub(super) fn run(connection: &mut Connection, migrations: &[Migration]) -> Result<(), Error> {
    let failed = failure::of("read the schema of the database");
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&failed)?;
    let owner: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(&failed)?;
    let is_empty: bool = connection
        .query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
            [],
            |row| row.get(0),
        )
        .map_err(&failed)?;
    if owner != APPLICATION_ID && !is_empty {
        return Err(Error::Damaged {
            what: "the database",
            detail: "it is not one of Millwork's".to_owned(),
        });
    }
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (number, migration) in (1..=known)
        .zip(migrations)
        .skip_while(|(number, _)| *number <= found)
    {
        apply(connection, number, migration).map_err(|source| Error::Unavailable {
            action: "bring the database up to date",
            source: format!("migration {}: {source}", migration.name).into(),
        })?;
        tracing::info!(
            migration = migration.name,
            "brought the database up to date"
        );
    }
    Ok(())
}

fn apply(connection: &mut Connection, number: u32, migration: &Migration) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration.sql)?;
    // Both are in the header of the file, and are rolled back with the rest.
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration {
        name: "0001_one",
        sql: "CREATE TABLE one (x); INSERT INTO one VALUES (1);",
    };
    const TWO: Migration = Migration {
        name: "0002_two",
        sql: "ALTER TABLE one ADD y; CREATE TABLE two (x);",
    };
    const BROKEN: Migration = Migration {
        name: "0003_broken",
        sql: "CREATE TABLE three (x); CREATE TABLE one (x);",
    };

    fn tables(connection: &Connection) -> Vec<String> {
        let mut select = connection
            .prepare("SELECT name FROM sqlite_schema ORDER BY name")
            .unwrap();
        select
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    fn version(connection: &Connection) -> u32 {
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn each_migration_is_applied_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &[ONE]).unwrap();
        run(&mut connection, &[ONE]).unwrap();
        run(&mut connection, &[ONE, TWO]).unwrap();
        run(&mut connection, &[ONE, TWO]).unwrap();
        assert_eq!(tables(&connection), ["one", "two"]);
        assert_eq!(version(&connection), 2);
        let rows: u32 = connection
            .query_row("SELECT count(*) FROM one", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_migration_that_fails_leaves_what_was_there() {
        let mut connection = Connection::open_in_memory().unwrap();
        let error = run(&mut connection, &[ONE, TWO, BROKEN]).unwrap_err();
        let Error::Unavailable { source, .. } = error else {
            panic!("not {error:?}")
        };
        assert!(
            source
                .to_string()
                .starts_with("migration 0003_broken: table one already exists"),
            "{source}"
        );
        assert_eq!(tables(&connection), ["one", "two"]);
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn both_databases_have_the_same_migrations() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let known: Vec<String> = MIGRATIONS
            .iter()
            .map(|migration| format!("{}.sql", migration.name))
            .collect();
        for (number, name) in (1..).zip(&known) {
            assert!(
                name.starts_with(&format!("{number:04}_")),
                "{name} is number {number}"
            );
        }
        for folder in ["sqlite", "postgres"] {
            let files = std::fs::read_dir(format!("{root}/{folder}")).unwrap();
            let mut names: Vec<_> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            assert_eq!(names, known, "in {folder}");
        }
    }
}
