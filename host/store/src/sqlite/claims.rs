//! Who sees to a run. One process has the file, so here a claim only moves a time.

use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{columns, list};
use crate::{Claim, Due, Renewal};

pub(super) fn claim_due(connection: &Connection, claim: &Claim) -> Result<Vec<Due>> {
    let claimed = match &claim.among {
        None => list::due(connection, None, claim.before, claim.limit)?,
        Some(runs) => find_due(connection, runs, claim)?,
    };
    for due in &claimed {
        move_due(connection, due.run, due.at, Some(claim.until))?;
    }
    Ok(claimed)
}

fn find_due(connection: &Connection, runs: &[RunId], claim: &Claim) -> Result<Vec<Due>> {
    let mut find = connection
        .prepare_cached("SELECT due_at FROM runs WHERE id = ?1 AND due_at IS NOT NULL")?;
    let mut found = Vec::new();
    for run in runs {
        let at = find
            .query_row([run.as_bytes()], |row| columns::time(row, 0))
            .optional()?;
        found.extend(at.map(|at| Due { at, run: *run }));
    }
    found.retain(|due| due.at < claim.before);
    found.sort();
    found.truncate(claim.limit);
    Ok(found)
}

pub(super) fn renew(connection: &Connection, renewals: &[Renewal]) -> Result<Vec<bool>> {
    let moved = renewals
        .iter()
        .map(|renewal| move_due(connection, renewal.run, renewal.from, renewal.to));
    moved.collect()
}

fn move_due(
    connection: &Connection,
    run: RunId,
    from: Timestamp,
    to: Option<Timestamp>,
) -> Result<bool> {
    let moved = connection
        .prepare_cached("UPDATE runs SET due_at = ?3 WHERE id = ?1 AND due_at = ?2")?
        .execute(params![
            run.as_bytes(),
            from.as_micros(),
            to.map(Timestamp::as_micros)
        ])?;
    Ok(moved == 1)
}

pub(super) fn settle(connection: &Connection, finished: &[RunId]) -> Result<()> {
    let mut settle = connection.prepare_cached(
        "UPDATE runs SET due_at = NULL
         WHERE id = ?1 AND due_at IS NOT NULL AND status IN ('success', 'failed', 'cancelled')",
    )?;
    for run in finished {
        settle.execute([run.as_bytes()])?;
    }
    Ok(())
}
