//! Plugins, the pulse and the clock.

use millwork_core::digest::Digest;
use millwork_core::time::Timestamp;
use sqlx::{PgPool, Row as _};
use time::OffsetDateTime;

use super::{columns, text};
use crate::Plugin;

pub(super) async fn insert_plugin(pool: &PgPool, plugin: &Plugin) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO plugins (digest, name, version, bundled, wasm) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(&plugin.digest.as_bytes()[..])
    .bind(text::encode(&plugin.name))
    .bind(text::encode(&plugin.version))
    .bind(plugin.bundled)
    .bind(&plugin.wasm)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn find_plugin(pool: &PgPool, digest: Digest) -> sqlx::Result<Option<Plugin>> {
    let row = sqlx::query("SELECT name, version, bundled, wasm FROM plugins WHERE digest = $1")
        .bind(&digest.as_bytes()[..])
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Plugin {
        digest,
        name: columns::text(&row, 0)?,
        version: columns::text(&row, 1)?,
        bundled: row.try_get(2)?,
        wasm: row.try_get(3)?,
    }))
}

/// Reads and writes in one: the update finds its row first.
pub(super) async fn beat(pool: &PgPool) -> sqlx::Result<()> {
    let updated = sqlx::query("UPDATE pulse SET beats = beats + 1 WHERE only_one = 1")
        .execute(pool)
        .await?;
    match updated.rows_affected() {
        1 => Ok(()),
        _ => Err(sqlx::Error::RowNotFound),
    }
}

pub(super) async fn size(pool: &PgPool) -> sqlx::Result<Option<u64>> {
    let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(bytes).ok())
}

pub(super) async fn clock(pool: &PgPool) -> sqlx::Result<Option<Timestamp>> {
    let now: OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(pool)
        .await?;
    Ok(Some(columns::from_time(now)))
}
