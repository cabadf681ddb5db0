//! Who sees to a run.

use std::collections::HashSet;

use millwork_core::id::RunId;
use sqlx::{PgExecutor, PgPool};

use super::columns;
use crate::{Claim, Due, Renewal};

/// What another process claims at the same moment is passed over, not waited for.
const CLAIM: &str = "
    WITH due AS (
        SELECT id, due_at FROM runs WHERE due_at < $1
        ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE runs SET due_at = $2 FROM due WHERE runs.id = due.id RETURNING runs.id, due.due_at";

const CLAIM_AMONG: &str = "
    WITH due AS (
        SELECT id, due_at FROM runs WHERE id = ANY($4) AND due_at < $1
        ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE runs SET due_at = $2 FROM due WHERE runs.id = due.id RETURNING runs.id, due.due_at";

pub(super) async fn claim_due(pool: &PgPool, claim: &Claim) -> sqlx::Result<Vec<Due>> {
    let among: Option<Vec<_>> = claim
        .among
        .as_ref()
        .map(|runs| runs.iter().map(|run| columns::uuid(*run)).collect());
    let query = sqlx::query(if among.is_some() { CLAIM_AMONG } else { CLAIM })
        .bind(columns::to_time(claim.before))
        .bind(columns::to_time(claim.until))
        .bind(columns::limit(claim.limit));
    let query = match among {
        Some(among) => query.bind(among),
        None => query,
    };
    let rows = query.fetch_all(pool).await?;
    let due = rows.iter().map(|row| {
        Ok(Due {
            at: columns::time(row, 1)?,
            run: columns::run_id(row, 0)?,
        })
    });
    let mut due = due.collect::<sqlx::Result<Vec<_>>>()?;
    due.sort();
    Ok(due)
}

/// Looked for in the order of their ids, so that two processes do not wait for each other.
const RENEW: &str = "
    WITH held AS (
        SELECT runs.id, r.until FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS r (run, since, until)
        JOIN runs ON runs.id = r.run AND runs.due_at = r.since
        ORDER BY runs.id FOR UPDATE OF runs
    )
    UPDATE runs SET due_at = held.until FROM held WHERE runs.id = held.id RETURNING runs.id";

pub(super) async fn renew(pool: &PgPool, renewals: &[Renewal]) -> sqlx::Result<Vec<bool>> {
    if renewals.is_empty() {
        return Ok(Vec::new());
    }
    let runs: Vec<_> = renewals.iter().map(|r| columns::uuid(r.run)).collect();
    let from: Vec<_> = renewals.iter().map(|r| columns::to_time(r.from)).collect();
    let to: Vec<_> = renewals
        .iter()
        .map(|r| r.to.map(columns::to_time))
        .collect();
    let rows = sqlx::query(RENEW)
        .bind(runs)
        .bind(from)
        .bind(to)
        .fetch_all(pool)
        .await?;
    let moved: HashSet<RunId> = rows
        .iter()
        .map(|row| columns::run_id(row, 0))
        .collect::<sqlx::Result<_>>()?;
    Ok(renewals.iter().map(|r| moved.contains(&r.run)).collect())
}

const SETTLE: &str = "
    WITH ended AS (
        SELECT id FROM runs
        WHERE id = ANY($1) AND due_at IS NOT NULL AND status IN ('success', 'failed', 'cancelled')
        ORDER BY id FOR UPDATE
    )
    UPDATE runs SET due_at = NULL FROM ended WHERE runs.id = ended.id";

pub(super) async fn settle(executor: impl PgExecutor<'_>, finished: &[RunId]) -> sqlx::Result<()> {
    let runs: Vec<_> = finished.iter().map(|run| columns::uuid(*run)).collect();
    sqlx::query(SETTLE).bind(runs).execute(executor).await?;
    Ok(())
}
