//! Sealed secrets.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Sqlite, columns};
use crate::{Error, SealedSecret, Vault};

#[async_trait]
impl Vault for Sqlite {
    async fn put_secret(&self, secret: SealedSecret) -> Result<(), Error> {
        self.writer
            .submit("keep a secret", 0, move |session| {
                put(session.connection, &secret)
            })
            .await
    }

    async fn find_secret(&self, name: &str) -> Result<Option<SealedSecret>, Error> {
        let find = |connection: &Connection| find(connection, name);
        self.readers.read("read a secret", find)
    }

    async fn list_secrets(&self) -> Result<Vec<SealedSecret>, Error> {
        self.readers.read("list the secrets", list)
    }

    async fn remove_secret(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.writer
            .submit("remove a secret", 0, move |session| {
                remove(session.connection, &name)
            })
            .await
    }
}

fn put(connection: &Connection, secret: &SealedSecret) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO secrets (name, key, sealed, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET key = excluded.key, sealed = excluded.sealed, updated_at = excluded.updated_at",
        )?
        .execute(params![
            secret.name,
            secret.key,
            secret.sealed,
            secret.updated_at.as_micros()
        ])?;
    Ok(())
}

fn find(connection: &Connection, name: &str) -> Result<Option<SealedSecret>> {
    connection
        .prepare_cached("SELECT name, key, sealed, updated_at FROM secrets WHERE name = ?1")?
        .query_row([name], secret)
        .optional()
}

fn list(connection: &Connection) -> Result<Vec<SealedSecret>> {
    connection
        .prepare_cached("SELECT name, key, sealed, updated_at FROM secrets ORDER BY name")?
        .query_map([], secret)?
        .collect()
}

fn remove(connection: &Connection, name: &str) -> Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM secrets WHERE name = ?1")?
        .execute([name])?;
    Ok(removed == 1)
}

fn secret(row: &Row<'_>) -> Result<SealedSecret> {
    Ok(SealedSecret {
        name: row.get(0)?,
        key: row.get(1)?,
        sealed: row.get(2)?,
        updated_at: columns::time(row, 3)?,
    })
}
