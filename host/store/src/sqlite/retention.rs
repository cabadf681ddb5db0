//! The removal of what has been kept long enough.

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, Result, params};

use super::columns;
use super::writer::Session;

/// Idempotency keys that are forgotten in one transaction.
pub(super) const KEYS_MAX: usize = 1_000;

/// Removes runs that finished before a time, the first finished first, with their journals.
pub(super) fn remove_runs(
    session: &mut Session<'_>,
    finished_before: Timestamp,
    limit: usize,
) -> Result<usize> {
    let connection = session.connection;
    // The index has only rows with an end; the status is asked for all the same, since what is removed here is gone.
    let runs: Vec<(RunId, WorkflowId, RunStatus)> = connection
        .prepare_cached(
            "SELECT id, workflow, status FROM runs INDEXED BY runs_finished
             WHERE completed_at < ?1 AND status IN ('success', 'failed', 'cancelled') AND due_at IS NULL
             ORDER BY completed_at, id LIMIT ?2",
        )?
        .query_map(
            params![finished_before.as_micros(), columns::limit(limit)],
            |row| {
                Ok((
                    columns::run_id(row, 0)?,
                    columns::workflow_id(row, 1)?,
                    columns::status(row, 2)?,
                ))
            },
        )?
        .collect::<Result<_>>()?;
    for (run, workflow, status) in &runs {
        for sql in [
            "DELETE FROM journal WHERE run = ?1",
            "DELETE FROM run_labels WHERE run = ?1",
            "DELETE FROM runs WHERE id = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([run.as_bytes()])?;
        }
        session.counts.note(*workflow, Some(*status), None);
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
