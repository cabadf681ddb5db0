//! The journal: the truth about runs.

use millwork_core::event::Seq;
use millwork_core::id::RunId;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::columns;
use crate::Stretch;

/// Reads a journal from a position on, oldest record first.
pub(super) fn load(connection: &Connection, run: RunId, from: Seq) -> Result<Vec<String>> {
    let mut select = connection
        .prepare_cached("SELECT record FROM journal WHERE run = ?1 AND seq >= ?2 ORDER BY seq")?;
    select
        .query_map(params![run.as_bytes(), from], |row| row.get(0))?
        .collect()
}

/// Reads a stretch of a journal, and where the run stands.
pub(super) fn read(
    connection: &Connection,
    run: RunId,
    from: Seq,
    limit: usize,
) -> Result<Option<Stretch>> {
    // Two reads, of one moment.
    let moment = connection.unchecked_transaction()?;
    let status = moment
        .prepare_cached("SELECT status FROM runs WHERE id = ?1")?
        .query_row([run.as_bytes()], |row| columns::status(row, 0))
        .optional()?;
    let Some(status) = status else {
        return Ok(None);
    };
    let mut select = moment
        .prepare_cached("SELECT record FROM journal WHERE run = ?1 AND seq >= ?2 ORDER BY seq")?;
    // Rows are read as they are asked for, so what is behind the stretch costs nothing.
    let records = select.query_map(params![run.as_bytes(), from], |row| row.get(0))?;
    let mut failed = None;
    let readable = records.map_while(|record| record.map_err(|error| failed = Some(error)).ok());
    let stretch = Stretch::take(status, readable, limit);
    match failed {
        Some(error) => Err(error),
        None => Ok(Some(stretch)),
    }
}

/// Writes the first record of a journal.
pub(super) fn begin(connection: &Connection, run: RunId, record: &str) -> Result<()> {
    append(connection, run, 0, record)
}

/// Writes a record after the one before it, where that is there and the place is free. Says whether it was.
pub(super) fn advance(connection: &Connection, run: RunId, seq: Seq, record: &str) -> Result<bool> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO journal (run, seq, record) SELECT ?1, ?2, ?3
         WHERE EXISTS (SELECT 1 FROM journal WHERE run = ?1 AND seq = ?2 - 1)
         ON CONFLICT DO NOTHING",
    )?;
    Ok(insert.execute(params![run.as_bytes(), seq, record])? == 1)
}

/// Says whether a journal goes on at a place.
pub(super) fn ends_before(connection: &Connection, run: RunId, seq: Seq) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM journal WHERE run = ?1 AND seq = ?2 - 1)
             AND NOT EXISTS (SELECT 1 FROM journal WHERE run = ?1 AND seq = ?2)",
        )?
        .exists(params![run.as_bytes(), seq])
}

/// Writes a record at a place that is known to be the next.
pub(super) fn append(connection: &Connection, run: RunId, seq: Seq, record: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO journal (run, seq, record) VALUES (?1, ?2, ?3)")?
        .execute(params![run.as_bytes(), seq, record])?;
    Ok(())
}
