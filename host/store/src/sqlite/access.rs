//! Tokens and the audit log.

use async_trait::async_trait;
use millwork_core::id::{AuditId, TokenId};
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Sqlite, columns};
use crate::{Access, AuditEntry, AuditOutcome, Error, Token};

#[async_trait]
impl Access for Sqlite {
    async fn insert_token(&self, token: Token) -> Result<(), Error> {
        self.writer
            .submit("keep a token", 0, move |session| {
                insert_token(session.connection, &token)
            })
            .await
    }

    async fn find_token(&self, id: TokenId) -> Result<Option<Token>, Error> {
        self.readers
            .read("find a token", |connection| find_token(connection, id))
    }

    async fn list_tokens(&self, after: Option<TokenId>, limit: usize) -> Result<Vec<Token>, Error> {
        self.read_apart("list tokens", move |connection| {
            list_tokens(connection, after, limit)
        })
        .await
    }

    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Option<Token>, Error> {
        self.writer
            .submit("revoke a token", 0, move |session| {
                revoke_token(session.connection, id, at)
            })
            .await
    }

    async fn insert_audit(&self, entry: AuditEntry) -> Result<(), Error> {
        self.writer
            .submit("write the audit log", 0, move |session| {
                insert_audit(session.connection, &entry)
            })
            .await
    }

    async fn finish_audit(&self, id: AuditId, outcome: AuditOutcome) -> Result<(), Error> {
        self.writer
            .submit("write the audit log", 0, move |session| {
                finish_audit(session.connection, id, &outcome)
            })
            .await
    }

    async fn list_audit(
        &self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, Error> {
        self.read_apart("read the audit log", move |connection| {
            list_audit(connection, after, limit)
        })
        .await
    }
}

fn insert_token(connection: &Connection, token: &Token) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO tokens (id, name, scopes, hash, created_at, expires_at, revoked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            token.id.as_bytes(),
            token.name,
            token.scopes.to_string(),
            token.hash.as_bytes(),
            token.created_at.as_micros(),
            token.expires_at.map(Timestamp::as_micros),
            token.revoked_at.map(Timestamp::as_micros),
        ])?;
    Ok(())
}

const TOKEN: &str = "SELECT id, name, scopes, hash, created_at, expires_at, revoked_at FROM tokens";

fn find_token(connection: &Connection, id: TokenId) -> Result<Option<Token>> {
    connection
        .prepare_cached(&format!("{TOKEN} WHERE id = ?1"))?
        .query_row([id.as_bytes()], read_token)
        .optional()
}

fn list_tokens(
    connection: &Connection,
    after: Option<TokenId>,
    limit: usize,
) -> Result<Vec<Token>> {
    // No identifier is all ones: its version stands in it.
    let before = after.map_or([0xff; 16], |id| *id.as_bytes());
    connection
        .prepare_cached(&format!("{TOKEN} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?
        .query_map(params![before, columns::limit(limit)], read_token)?
        .collect()
}

fn read_token(row: &Row<'_>) -> Result<Token> {
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        scopes: columns::word(row, 2)?,
        hash: columns::digest(row, 3)?,
        created_at: columns::time(row, 4)?,
        expires_at: columns::optional_time(row, 5)?,
        revoked_at: columns::optional_time(row, 6)?,
    })
}

fn revoke_token(connection: &Connection, id: TokenId, at: Timestamp) -> Result<Option<Token>> {
    connection
        .prepare_cached("UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![id.as_bytes(), at.as_micros()])?;
    find_token(connection, id)
}

fn insert_audit(connection: &Connection, entry: &AuditEntry) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (id, at, actor, token, actor_name, action, path, request, status, target)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            entry.id.as_bytes(),
            entry.at.as_micros(),
            entry.actor,
            entry.token.map(|token| *token.as_bytes()),
            entry.actor_name,
            entry.action,
            entry.path,
            entry.request,
            entry.outcome.as_ref().map(|outcome| outcome.status),
            entry.outcome.as_ref().map(|outcome| &outcome.target),
        ])?;
    Ok(())
}

fn finish_audit(connection: &Connection, id: AuditId, outcome: &AuditOutcome) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE audit SET status = ?2, target = ?3 WHERE id = ?1 AND status IS NULL",
        )?
        .execute(params![id.as_bytes(), outcome.status, outcome.target])?;
    Ok(())
}

fn list_audit(
    connection: &Connection,
    after: Option<AuditId>,
    limit: usize,
) -> Result<Vec<AuditEntry>> {
    let before = after.map_or([0xff; 16], |id| *id.as_bytes());
    connection
        .prepare_cached(
            "SELECT id, at, actor, token, actor_name, action, path, request, status, target FROM audit
             WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        )?
        .query_map(params![before, columns::limit(limit)], read_audit)?
        .collect()
}

fn read_audit(row: &Row<'_>) -> Result<AuditEntry> {
    let (status, target): (Option<u16>, _) = (row.get(8)?, row.get(9)?);
    Ok(AuditEntry {
        id: AuditId::from_bytes(row.get(0)?),
        at: columns::time(row, 1)?,
        actor: row.get(2)?,
        token: row.get::<_, Option<[u8; 16]>>(3)?.map(TokenId::from_bytes),
        actor_name: row.get(4)?,
        action: row.get(5)?,
        path: row.get(6)?,
        request: row.get(7)?,
        outcome: status.map(|status| AuditOutcome { status, target }),
    })
}
