//! The journal: the truth about runs.

use millwork_core::event::Seq;
use millwork_core::id::RunId;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns;
use crate::{Stretch, leaf};

/// The leaves that end at a position or behind it.
const LEAVES: &str = "SELECT seq, record FROM journal WHERE run = ?1 AND seq >= ?2 ORDER BY seq";

/// Reads a journal from a position on, oldest record first.
pub(super) fn load(connection: &Connection, run: RunId, from: Seq) -> Result<Vec<String>> {
    let mut select = connection.prepare_cached(LEAVES)?;
    let leaves = select.query_map(params![run.as_bytes(), from], read_leaf)?;
    let mut records = Vec::new();
    for leaf in leaves {
        let (last, leaf) = leaf?;
        records.extend(leaf::records_from(leaf, last, from));
    }
    Ok(records)
}

fn read_leaf(row: &Row<'_>) -> Result<(Seq, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Reads the first record of a journal.
pub(super) fn load_first(connection: &Connection, run: RunId) -> Result<String> {
    connection
        .prepare_cached("SELECT record FROM journal WHERE run = ?1 ORDER BY seq LIMIT 1")?
        .query_row([run.as_bytes()], |row| row.get(0))
        .map(leaf::first)
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
    let mut select = moment.prepare_cached(LEAVES)?;
    // Rows are read as they are asked for, so what is behind the stretch costs nothing.
    let leaves = select.query_map(params![run.as_bytes(), from], read_leaf)?;
    let mut failed = None;
    let readable = leaves.map_while(|leaf| leaf.map_err(|error| failed = Some(error)).ok());
    let records = readable.flat_map(|(last, leaf)| leaf::records_from(leaf, last, from));
    let stretch = Stretch::take(status, records, limit);
    match failed {
        Some(error) => Err(error),
        None => Ok(Some(stretch)),
    }
}

/// Writes the first records of a journal.
pub(super) fn begin(connection: &Connection, run: RunId, records: &[String]) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO journal (run, seq, record) VALUES (?1, ?2, ?3)")?
        .execute(params![
            run.as_bytes(),
            leaf::last(0, records.len()),
            leaf::bind(records)
        ])?;
    Ok(())
}

/// Writes records behind those before a place, where the journal ends there. Says whether it does.
pub(super) fn advance(
    connection: &Connection,
    run: RunId,
    seq: Seq,
    records: &[String],
) -> Result<bool> {
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO journal (run, seq, record) SELECT ?1, ?2, ?3
         WHERE (SELECT max(seq) FROM journal WHERE run = ?1) = ?4 - 1",
    )?;
    let inserted = insert.execute(params![
        run.as_bytes(),
        leaf::last(seq, records.len()),
        leaf::bind(records),
        seq
    ])?;
    Ok(inserted == 1)
}

/// Says whether a journal goes on at a place.
pub(super) fn ends_before(connection: &Connection, run: RunId, seq: Seq) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 WHERE (SELECT max(seq) FROM journal WHERE run = ?1) = ?2 - 1")?
        .exists(params![run.as_bytes(), seq])
}
