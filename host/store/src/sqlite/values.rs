//! What connectors remember.

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::{Expected, Value, ValueKey, Written};

pub(super) fn find(connection: &Connection, key: &ValueKey) -> Result<Option<Value>> {
    connection
        .prepare_cached(
            "SELECT value, version FROM kv WHERE plugin = ?1 AND workflow = ?2 AND key = ?3",
        )?
        .query_row(params![key.plugin, key.workflow, key.key], |row| {
            Ok(Value {
                bytes: row.get(0)?,
                version: version(row.get(1)?),
            })
        })
        .optional()
}

/// Compares and writes. Only the writer's thread comes here, so nothing happens between the two.
pub(super) fn write(
    connection: &Connection,
    key: &ValueKey,
    value: Option<&[u8]>,
    expected: Expected,
) -> Result<Written> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT version FROM kv WHERE plugin = ?1 AND workflow = ?2 AND key = ?3")?
        .query_row(params![key.plugin, key.workflow, key.key], |row| row.get(0))
        .optional()?;
    if !expected.allows(found.map(version)) {
        return Ok(Written::Conflict(found.map(version)));
    }
    if let Some(row) = found {
        connection
            .prepare_cached("DELETE FROM kv WHERE version = ?1")?
            .execute([row])?;
    }
    let Some(value) = value else {
        return Ok(Written::Deleted);
    };
    // The row is written anew, since its version is its place and only a new row is given a new one.
    connection
        .prepare_cached("INSERT INTO kv (plugin, workflow, key, value) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![key.plugin, key.workflow, key.key, value])?;
    Ok(Written::Version(version(connection.last_insert_rowid())))
}

/// SQLite counts rows from one, in 63 bits.
fn version(row: i64) -> u64 {
    row.unsigned_abs()
}
