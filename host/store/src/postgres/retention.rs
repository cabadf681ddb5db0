//! The removal of what has been kept long enough. Several processes may be at it: none waits for what another removes.

use millwork_core::time::Timestamp;
use sqlx::PgPool;

use super::columns;
use super::counts::count;

/// Idempotency keys that are forgotten in one transaction.
const KEYS_MAX: u64 = 1_000;

const REMOVE: &str = concat!(
    "
    WITH old AS (
        SELECT id FROM runs
        WHERE completed_at < $1 AND status IN ('success', 'failed', 'cancelled') AND due_at IS NULL
        ORDER BY completed_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
    ), records AS (
        DELETE FROM journal USING old WHERE journal.run = old.id
    ), labels AS (
        DELETE FROM run_labels USING old WHERE run_labels.run = old.id
    ), removed AS (
        DELETE FROM runs USING old WHERE runs.id = old.id RETURNING runs.workflow, runs.status
    ), ",
    count!("(SELECT workflow, status, NULL::text FROM removed)"),
    "
    SELECT count(*) FROM removed"
);

/// Removes runs that finished before a time, the first finished first, with their journals. Returns how many.
pub(super) async fn remove_runs(
    pool: &PgPool,
    finished_before: Timestamp,
    limit: usize,
) -> sqlx::Result<usize> {
    let removed: i64 = sqlx::query_scalar(REMOVE)
        .bind(columns::to_time(finished_before))
        .bind(columns::limit(limit))
        .fetch_one(pool)
        .await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// Forgets idempotency keys that have expired. Returns whether there may be more.
pub(super) async fn forget_keys(pool: &PgPool, now: Timestamp) -> sqlx::Result<bool> {
    let forgotten = sqlx::query(
        "DELETE FROM idempotency WHERE (workflow, key) IN (
             SELECT workflow, key FROM idempotency WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(columns::to_time(now))
    .bind(i64::try_from(KEYS_MAX).unwrap_or(i64::MAX))
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected() == KEYS_MAX)
}
