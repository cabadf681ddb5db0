//! How many runs are in each state.

use millwork_core::id::WorkflowId;
use rusqlite::{Connection, Result, params};

use super::columns;
use crate::RunCounts;
use crate::counts::{ALL_WORKFLOWS, Changes};

/// Reads the counts of a workflow, or of all together.
pub(super) fn read(connection: &Connection, of: Option<WorkflowId>) -> Result<RunCounts> {
    let of = of.unwrap_or(ALL_WORKFLOWS);
    let mut select =
        connection.prepare_cached("SELECT status, runs FROM run_counts WHERE workflow = ?1")?;
    let rows = select.query_map([of.as_bytes()], |row| {
        Ok((columns::status(row, 0)?, row.get::<_, i64>(1)?))
    })?;
    let mut counts = RunCounts::default();
    for row in rows {
        let (status, runs) = row?;
        counts.add(status, u64::try_from(runs).unwrap_or(0));
    }
    Ok(counts)
}

/// Writes what has changed in a transaction: once for all its commits, so that a burst of them costs a few rows. There is one
/// writer, so one slot is enough.
pub(super) fn write(connection: &Connection, changes: &Changes) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO run_counts (workflow, status, slot, runs) VALUES (?1, ?2, 0, ?3)
         ON CONFLICT (workflow, status, slot) DO UPDATE SET runs = runs + excluded.runs",
    )?;
    for (workflow, status, change) in changes.iter() {
        upsert.execute(params![workflow.as_bytes(), status.as_str(), change])?;
    }
    Ok(())
}
