//! How many runs are in each state.

use millwork_core::id::WorkflowId;
use rusqlite::{Connection, Result, params};

use super::columns;
use crate::counts::{ALL_WORKFLOWS, Changes};
use crate::{CountsOverTime, OverTime, RunCounts};

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

/// Along the runs in the order of their ids, all or those of a workflow; at so many and no more.
pub(super) fn over_time_statement(of_a_workflow: bool) -> String {
    let (index, workflow) = match of_a_workflow {
        true => ("INDEXED BY runs_by_workflow", "workflow = ?6"),
        false => ("NOT INDEXED", "?6 IS NULL"),
    };
    format!(
        "SELECT status, (created_at - ?3) / ?5 AS stretch, count(*), min(created_at) FROM (
             SELECT status, created_at FROM runs {index} WHERE {workflow} AND id BETWEEN ?1 AND ?2
             AND created_at >= ?3 AND created_at < ?4 ORDER BY id DESC LIMIT ?7
         ) GROUP BY status, stretch"
    )
}

/// Counts the runs of a time by state and stretch.
pub(super) fn over_time(connection: &Connection, query: &OverTime) -> Result<CountsOverTime> {
    let Some((first, last)) = query.list().id_range() else {
        return Ok(query.put_together([]));
    };
    let mut select = connection.prepare_cached(&over_time_statement(query.workflow.is_some()))?;
    let counted = select.query_map(
        params![
            first.to_be_bytes(),
            last.to_be_bytes(),
            query.from.as_micros(),
            query.before.as_micros(),
            query.stretch_micros(),
            query.workflow.as_ref().map(WorkflowId::as_bytes),
            columns::limit(query.runs_max),
        ],
        |row| {
            let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            let first = columns::time(row, 3)?;
            Ok((columns::status(row, 0)?, row.get(1)?, count, first))
        },
    )?;
    let counted: Vec<_> = counted.collect::<Result<_>>()?;
    Ok(query.put_together(counted))
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
