//! The small values that connectors keep between runs.

use sqlx::{PgPool, Row as _};

use super::text;
use crate::{Expected, Value, ValueKey, Written};

pub(super) async fn find(pool: &PgPool, key: &ValueKey) -> sqlx::Result<Option<Value>> {
    let row = sqlx::query(
        "SELECT value, version FROM kv WHERE plugin = $1 AND workflow = $2 AND key = $3",
    )
    .bind(text::encode(&key.plugin))
    .bind(text::encode(&key.workflow))
    .bind(key.key.as_bytes())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let version: i64 = row.try_get(1)?;
    Ok(Some(Value {
        bytes: row.try_get(0)?,
        version: version.unsigned_abs(),
    }))
}

pub(super) async fn write(
    pool: &PgPool,
    key: &ValueKey,
    value: Option<&[u8]>,
    expected: Expected,
) -> sqlx::Result<Written> {
    // Where another process made the value between the look and the write, there is a row to look at the next time.
    loop {
        if let Some(written) = try_write(pool, key, value, expected).await? {
            return Ok(written);
        }
    }
}

async fn try_write(
    pool: &PgPool,
    key: &ValueKey,
    value: Option<&[u8]>,
    expected: Expected,
) -> sqlx::Result<Option<Written>> {
    let (plugin, workflow) = (text::encode(&key.plugin), text::encode(&key.workflow));
    let mut transaction = pool.begin().await?;
    // Locked first, so that versions of one key are given in the order of their writes.
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT version FROM kv WHERE plugin = $1 AND workflow = $2 AND key = $3 FOR UPDATE",
    )
    .bind(&plugin)
    .bind(&workflow)
    .bind(key.key.as_bytes())
    .fetch_optional(&mut *transaction)
    .await?;
    let found = found.map(i64::unsigned_abs);
    if !expected.allows(found) {
        return Ok(Some(Written::Conflict(found)));
    }
    let written: Option<i64> = match (value, found) {
        (None, None) => return Ok(Some(Written::Deleted)),
        (None, Some(_)) => {
            sqlx::query("DELETE FROM kv WHERE plugin = $1 AND workflow = $2 AND key = $3")
                .bind(&plugin)
                .bind(&workflow)
                .bind(key.key.as_bytes())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            return Ok(Some(Written::Deleted));
        }
        (Some(value), Some(_)) => {
            sqlx::query_scalar(
                "UPDATE kv SET value = $4, version = DEFAULT WHERE plugin = $1 AND workflow = $2 AND key = $3 RETURNING version",
            )
            .bind(&plugin)
            .bind(&workflow)
            .bind(key.key.as_bytes())
            .bind(value)
            .fetch_optional(&mut *transaction)
            .await?
        }
        (Some(value), None) => {
            sqlx::query_scalar(
                "INSERT INTO kv (plugin, workflow, key, value) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (plugin, workflow, key) DO NOTHING RETURNING version",
            )
            .bind(&plugin)
            .bind(&workflow)
            .bind(key.key.as_bytes())
            .bind(value)
            .fetch_optional(&mut *transaction)
            .await?
        }
    };
    transaction.commit().await?;
    Ok(written.map(|version| Written::Version(version.unsigned_abs())))
}
