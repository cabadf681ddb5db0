//! Installed plugins, and what was decided about them.

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use sqlx::{PgPool, Row as _};

use super::failure::within;
use super::{Postgres, columns, text};
use crate::{Error, Installed, InstalledPlugin, PluginDecision, Registry};

#[async_trait]
impl Registry for Postgres {
    async fn load_registry(&self) -> Result<Installed, Error> {
        within("read the installed plugins", load(&self.pool)).await
    }

    async fn install(&self, plugin: InstalledPlugin) -> Result<(), Error> {
        within("install a plugin", install(&self.pool, &plugin)).await
    }

    async fn uninstall(&self, name: &str, version: &str) -> Result<bool, Error> {
        within("remove a plugin", uninstall(&self.pool, name, version)).await
    }

    async fn decide(&self, decision: PluginDecision) -> Result<(), Error> {
        within("decide about a plugin", decide(&self.pool, &decision)).await
    }

    async fn find_run_using(&self, digest: Digest) -> Result<Option<RunId>, Error> {
        let find = find_run_using(&self.pool, digest);
        within("find a run that uses a plugin", find).await
    }
}

async fn load(pool: &PgPool) -> sqlx::Result<Installed> {
    let plugins = sqlx::query(
        "SELECT name, version, digest, installed_at, signature FROM installed_plugins ORDER BY name, version",
    )
    .fetch_all(pool)
    .await?;
    let plugins = plugins.iter().map(|row| {
        Ok(InstalledPlugin {
            name: columns::text(row, 0)?,
            version: columns::text(row, 1)?,
            digest: columns::digest(row, 2)?,
            installed_at: columns::time(row, 3)?,
            signature: columns::optional_text(row, 4)?,
        })
    });
    let decisions =
        sqlx::query("SELECT name, grants, agreed, disabled FROM plugin_decisions ORDER BY name")
            .fetch_all(pool)
            .await?;
    let decisions = decisions.iter().map(|row| {
        Ok(PluginDecision {
            name: columns::text(row, 0)?,
            grants: columns::optional_text(row, 1)?,
            agreed: columns::optional_text(row, 2)?,
            disabled: row.try_get(3)?,
        })
    });
    Ok(Installed {
        plugins: plugins.collect::<sqlx::Result<_>>()?,
        decisions: decisions.collect::<sqlx::Result<_>>()?,
    })
}

async fn install(pool: &PgPool, plugin: &InstalledPlugin) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO installed_plugins (name, version, digest, installed_at, signature) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name, version) DO UPDATE SET
             digest = excluded.digest, installed_at = excluded.installed_at, signature = excluded.signature",
    )
    .bind(text::encode(&plugin.name))
    .bind(text::encode(&plugin.version))
    .bind(&plugin.digest.as_bytes()[..])
    .bind(columns::to_time(plugin.installed_at))
    .bind(plugin.signature.as_deref().map(text::encode))
    .execute(pool)
    .await?;
    Ok(())
}

async fn uninstall(pool: &PgPool, name: &str, version: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("DELETE FROM installed_plugins WHERE name = $1 AND version = $2")
        .bind(text::encode(name))
        .bind(text::encode(version))
        .execute(pool)
        .await?;
    Ok(removed.rows_affected() == 1)
}

async fn decide(pool: &PgPool, decision: &PluginDecision) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO plugin_decisions (name, grants, agreed, disabled) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET grants = excluded.grants, agreed = excluded.agreed, disabled = excluded.disabled",
    )
    .bind(text::encode(&decision.name))
    .bind(decision.grants.as_deref().map(text::encode))
    .bind(decision.agreed.as_deref().map(text::encode))
    .bind(decision.disabled)
    .execute(pool)
    .await?;
    Ok(())
}

/// The digest stands in a run's first record, and in that of a retry with newer plugins; nothing else has so many hexadecimal digits by
/// chance.
async fn find_run_using(pool: &PgPool, digest: Digest) -> sqlx::Result<Option<RunId>> {
    let row = sqlx::query(
        "SELECT runs.id FROM runs JOIN journal ON journal.run = runs.id
         WHERE runs.status IN ('pending', 'running', 'paused') AND strpos(journal.record, $1) > 0 LIMIT 1",
    )
    .bind(digest.to_string())
    .fetch_optional(pool)
    .await?;
    row.map(|row| columns::run_id(&row, 0)).transpose()
}
