//! Sealed secrets.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};

use super::failure::within;
use super::{Postgres, columns, text};
use crate::{Error, SealedSecret, Vault};

#[async_trait]
impl Vault for Postgres {
    async fn put_secret(&self, secret: SealedSecret) -> Result<(), Error> {
        within("keep a secret", put(&self.pool, &secret)).await
    }

    async fn find_secret(&self, name: &str) -> Result<Option<SealedSecret>, Error> {
        within("read a secret", find(&self.pool, name)).await
    }

    async fn list_secrets(&self) -> Result<Vec<SealedSecret>, Error> {
        within("list the secrets", list(&self.pool)).await
    }

    async fn remove_secret(&self, name: &str) -> Result<bool, Error> {
        within("remove a secret", remove(&self.pool, name)).await
    }
}

async fn put(pool: &PgPool, secret: &SealedSecret) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO secrets (name, key, sealed, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET key = excluded.key, sealed = excluded.sealed, updated_at = excluded.updated_at",
    )
    .bind(text::encode(&secret.name))
    .bind(&secret.key[..])
    .bind(&secret.sealed[..])
    .bind(columns::to_time(secret.updated_at))
    .execute(pool)
    .await?;
    Ok(())
}

async fn find(pool: &PgPool, name: &str) -> sqlx::Result<Option<SealedSecret>> {
    let row = sqlx::query("SELECT name, key, sealed, updated_at FROM secrets WHERE name = $1")
        .bind(text::encode(name))
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(secret).transpose()
}

async fn list(pool: &PgPool) -> sqlx::Result<Vec<SealedSecret>> {
    let rows = sqlx::query("SELECT name, key, sealed, updated_at FROM secrets ORDER BY name")
        .fetch_all(pool)
        .await?;
    rows.iter().map(secret).collect()
}

async fn remove(pool: &PgPool, name: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("DELETE FROM secrets WHERE name = $1")
        .bind(text::encode(name))
        .execute(pool)
        .await?;
    Ok(removed.rows_affected() == 1)
}

fn secret(row: &PgRow) -> sqlx::Result<SealedSecret> {
    Ok(SealedSecret {
        name: columns::text(row, 0)?,
        key: row.try_get(1)?,
        sealed: row.try_get(2)?,
        updated_at: columns::time(row, 3)?,
    })
}
