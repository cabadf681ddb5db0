//! Installed plugins, and what was decided about them.

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{Sqlite, columns};
use crate::{Error, Installed, InstalledPlugin, PluginDecision, Registry};

#[async_trait]
impl Registry for Sqlite {
    async fn load_registry(&self) -> Result<Installed, Error> {
        self.readers.read("read the installed plugins", load)
    }

    async fn install(&self, plugin: InstalledPlugin) -> Result<(), Error> {
        self.writer
            .submit("install a plugin", 0, move |session| {
                install(session.connection, &plugin)
            })
            .await
    }

    async fn uninstall(&self, name: &str, version: &str) -> Result<bool, Error> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.writer
            .submit("remove a plugin", 0, move |session| {
                uninstall(session.connection, &name, &version)
            })
            .await
    }

    async fn decide(&self, decision: PluginDecision) -> Result<(), Error> {
        self.writer
            .submit("decide about a plugin", 0, move |session| {
                decide(session.connection, &decision)
            })
            .await
    }

    async fn find_run_using(&self, digest: Digest) -> Result<Option<RunId>, Error> {
        self.read_apart("find a run that uses a plugin", move |connection| {
            find_run_using(connection, digest)
        })
        .await
    }
}

fn load(connection: &Connection) -> Result<Installed> {
    let plugins = connection
        .prepare_cached(
            "SELECT name, version, digest, installed_at, signature FROM installed_plugins ORDER BY name, version",
        )?
        .query_map([], |row| {
            Ok(InstalledPlugin {
                name: row.get(0)?,
                version: row.get(1)?,
                digest: columns::digest(row, 2)?,
                installed_at: columns::time(row, 3)?,
                signature: row.get(4)?,
            })
        })?
        .collect::<Result<_>>()?;
    let decisions = connection
        .prepare_cached(
            "SELECT name, grants, agreed, disabled FROM plugin_decisions ORDER BY name",
        )?
        .query_map([], |row| {
            Ok(PluginDecision {
                name: row.get(0)?,
                grants: row.get(1)?,
                agreed: row.get(2)?,
                disabled: row.get(3)?,
            })
        })?
        .collect::<Result<_>>()?;
    Ok(Installed { plugins, decisions })
}

fn install(connection: &Connection, plugin: &InstalledPlugin) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO installed_plugins (name, version, digest, installed_at, signature) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name, version) DO UPDATE SET
                 digest = excluded.digest, installed_at = excluded.installed_at, signature = excluded.signature",
        )?
        .execute(params![
            plugin.name,
            plugin.version,
            plugin.digest.as_bytes(),
            plugin.installed_at.as_micros(),
            plugin.signature
        ])?;
    Ok(())
}

fn uninstall(connection: &Connection, name: &str, version: &str) -> Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM installed_plugins WHERE name = ?1 AND version = ?2")?
        .execute([name, version])?;
    Ok(removed == 1)
}

fn decide(connection: &Connection, decision: &PluginDecision) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO plugin_decisions (name, grants, agreed, disabled) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET grants = excluded.grants, agreed = excluded.agreed, disabled = excluded.disabled",
        )?
        .execute(params![
            decision.name,
            decision.grants,
            decision.agreed,
            decision.disabled
        ])?;
    Ok(())
}

/// The digest stands in a run's first record, and in that of a retry with newer plugins; nothing else has so many hexadecimal digits by
/// chance.
fn find_run_using(connection: &Connection, digest: Digest) -> Result<Option<RunId>> {
    connection
        .prepare_cached(
            "SELECT runs.id FROM runs JOIN journal ON journal.run = runs.id
             WHERE runs.status IN ('pending', 'running', 'paused') AND instr(journal.record, ?1) > 0 LIMIT 1",
        )?
        .query_row([digest.to_string()], |row| columns::run_id(row, 0))
        .optional()
}
