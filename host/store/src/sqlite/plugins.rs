//! Plugins.

use millwork_core::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::Plugin;

pub(super) fn insert(connection: &Connection, plugin: &Plugin) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO plugins (digest, name, version, bundled, wasm) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![plugin.digest.as_bytes(), plugin.name, plugin.version, plugin.bundled, plugin.wasm])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, digest: Digest) -> Result<Option<Plugin>> {
    connection
        .prepare_cached("SELECT name, version, bundled, wasm FROM plugins WHERE digest = ?1")?
        .query_row([digest.as_bytes()], |row| {
            Ok(Plugin {
                digest,
                name: row.get(0)?,
                version: row.get(1)?,
                bundled: row.get(2)?,
                wasm: row.get(3)?,
            })
        })
        .optional()
}
