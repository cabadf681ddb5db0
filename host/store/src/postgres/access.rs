//! Tokens and the audit log.

use async_trait::async_trait;
use millwork_core::id::{AuditId, TokenId};
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::failure::within;
use super::{Postgres, columns, text};
use crate::{Access, AuditEntry, AuditOutcome, Error, Token};

#[async_trait]
impl Access for Postgres {
    async fn insert_token(&self, token: Token) -> Result<(), Error> {
        within("keep a token", insert_token(&self.pool, &token)).await
    }

    async fn find_token(&self, id: TokenId) -> Result<Option<Token>, Error> {
        within("find a token", find_token(&self.pool, id)).await
    }

    async fn list_tokens(&self, after: Option<TokenId>, limit: usize) -> Result<Vec<Token>, Error> {
        within("list tokens", list_tokens(&self.pool, after, limit)).await
    }

    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Option<Token>, Error> {
        within("revoke a token", revoke_token(&self.pool, id, at)).await
    }

    async fn insert_audit(&self, entry: AuditEntry) -> Result<(), Error> {
        within("write the audit log", insert_audit(&self.pool, &entry)).await
    }

    async fn finish_audit(&self, id: AuditId, outcome: AuditOutcome) -> Result<(), Error> {
        let finish = finish_audit(&self.pool, id, &outcome);
        within("write the audit log", finish).await
    }

    async fn list_audit(
        &self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, Error> {
        within("read the audit log", list_audit(&self.pool, after, limit)).await
    }
}

async fn insert_token(pool: &PgPool, token: &Token) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO tokens (id, name, scopes, hash, created_at, expires_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
    )
    .bind(token.id.as_uuid())
    .bind(text::encode(&token.name))
    .bind(token.scopes.to_string())
    .bind(&token.hash.as_bytes()[..])
    .bind(columns::to_time(token.created_at))
    .bind(token.expires_at.map(columns::to_time))
    .bind(token.revoked_at.map(columns::to_time))
    .execute(pool)
    .await?;
    Ok(())
}

async fn find_token(pool: &PgPool, id: TokenId) -> sqlx::Result<Option<Token>> {
    let row = sqlx::query(
        "SELECT id, name, scopes, hash, created_at, expires_at, revoked_at FROM tokens WHERE id = $1",
    )
    .bind(id.as_uuid())
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(read_token).transpose()
}

async fn list_tokens(
    pool: &PgPool,
    after: Option<TokenId>,
    limit: usize,
) -> sqlx::Result<Vec<Token>> {
    let rows = sqlx::query(
        "SELECT id, name, scopes, hash, created_at, expires_at, revoked_at FROM tokens
         WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(after.map(|id| *id.as_uuid()))
    .bind(columns::limit(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_token).collect()
}

async fn revoke_token(pool: &PgPool, id: TokenId, at: Timestamp) -> sqlx::Result<Option<Token>> {
    let row = sqlx::query(
        "UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1
         RETURNING id, name, scopes, hash, created_at, expires_at, revoked_at",
    )
    .bind(id.as_uuid())
    .bind(columns::to_time(at))
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(read_token).transpose()
}

fn read_token(row: &PgRow) -> sqlx::Result<Token> {
    Ok(Token {
        id: TokenId::from_uuid(row.try_get(0)?),
        name: columns::text(row, 1)?,
        scopes: columns::word(row, 2)?,
        hash: columns::digest(row, 3)?,
        created_at: columns::time(row, 4)?,
        expires_at: columns::optional_time(row, 5)?,
        revoked_at: columns::optional_time(row, 6)?,
    })
}

async fn insert_audit(pool: &PgPool, entry: &AuditEntry) -> sqlx::Result<()> {
    let outcome = entry.outcome.as_ref();
    let target = outcome.and_then(|outcome| outcome.target.as_deref());
    sqlx::query(
        "INSERT INTO audit (id, at, actor, token, actor_name, action, path, request, status, target)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
    )
    .bind(entry.id.as_uuid())
    .bind(columns::to_time(entry.at))
    .bind(text::encode(&entry.actor))
    .bind(entry.token.map(|token| *token.as_uuid()))
    .bind(entry.actor_name.as_deref().map(text::encode))
    .bind(text::encode(&entry.action))
    .bind(text::encode(&entry.path))
    .bind(text::encode(&entry.request))
    .bind(outcome.map(|outcome| i64::from(outcome.status)))
    .bind(target.map(text::encode))
    .execute(pool)
    .await?;
    Ok(())
}

async fn finish_audit(pool: &PgPool, id: AuditId, outcome: &AuditOutcome) -> sqlx::Result<()> {
    sqlx::query("UPDATE audit SET status = $2, target = $3 WHERE id = $1 AND status IS NULL")
        .bind(id.as_uuid())
        .bind(i64::from(outcome.status))
        .bind(outcome.target.as_deref().map(text::encode))
        .execute(pool)
        .await?;
    Ok(())
}

async fn list_audit(
    pool: &PgPool,
    after: Option<AuditId>,
    limit: usize,
) -> sqlx::Result<Vec<AuditEntry>> {
    let rows = sqlx::query(
        "SELECT id, at, actor, token, actor_name, action, path, request, status, target FROM audit
         WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(after.map(|id| *id.as_uuid()))
    .bind(columns::limit(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_audit).collect()
}

fn read_audit(row: &PgRow) -> sqlx::Result<AuditEntry> {
    let status: Option<i64> = row.try_get(8)?;
    let target = columns::optional_text(row, 9)?;
    Ok(AuditEntry {
        id: AuditId::from_uuid(row.try_get(0)?),
        at: columns::time(row, 1)?,
        actor: columns::text(row, 2)?,
        token: row.try_get::<Option<Uuid>, _>(3)?.map(TokenId::from_uuid),
        actor_name: columns::optional_text(row, 4)?,
        action: columns::text(row, 5)?,
        path: columns::text(row, 6)?,
        request: columns::text(row, 7)?,
        outcome: status.map(|status| AuditOutcome {
            status: u16::try_from(status).unwrap_or(0),
            target,
        }),
    })
}
