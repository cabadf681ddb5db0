//! The removal of what has been kept long enough.

use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, Result, params};

use super::columns;

/// Idempotency keys that are forgotten in one transaction.
pub(super) const KEYS_MAX: usize = 1_000;

/// Removes runs that finished before a time, the first finished first, with their journals.
pub(super) fn remove_runs(
    connection: &Connection,
    finished_before: Timestamp,
    limit: usize,
) -> Result<usize> {
    // The index has only rows with an end; the status is asked for all the same, since what is removed here is gone.
    let runs: Vec<RunId> = connection
        .prepare_cached(
            "SELECT id FROM runs INDEXED BY runs_finished
             WHERE completed_at < ?1 AND status IN ('success', 'failed', 'cancelled') AND due_at IS NULL
             ORDER BY completed_at, id LIMIT ?2",
        )?
        .query_map(
            params![finished_before.as_micros(), columns::limit(limit)],
            |row| columns::run_id(row, 0),
        )?
        .collect::<Result<_>>()?;
    for run in &runs {
        connection
            .prepare_cached("DELETE FROM journal WHERE run = ?1")?
            .execute([run.as_bytes()])?;
        connection
            .prepare_cached("DELETE FROM runs WHERE id = ?1")?
            .execute([run.as_bytes()])?;
    }
    Ok(runs.len())
}

/// Forgets idempotency keys that have expired, at most [`KEYS_MAX`]. Returns how many.
pub(super) fn forget_keys(connection: &Connection, now: Timestamp) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE (workflow, key) IN
             (SELECT workflow, key FROM idempotency INDEXED BY idempotency_expiry WHERE expires_at <= ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_micros(), columns::limit(KEYS_MAX)])
}
