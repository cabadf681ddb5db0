//! The database without anything around it: the records of runs inserted into the server's own tables, by one thread that does
//! nothing else. No row of the run, no counts, no engine, no HTTP.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use millwork_store::Sqlite;
use millwork_store::sqlite::{FILE_NAME, Options};
use rusqlite::{Connection, params};

use super::{DATABASE, Limit};
use crate::latency::{Latency, per_second};

/// Bytes of the records in the journal of a run of three steps that wait for nothing (it is created, each step succeeds, it succeeds),
/// which are written at once, and so stand in one row.
const RECORDS: [usize; 5] = [262, 189, 189, 189, 58];

/// The place of the last of them.
const LAST: u32 = 4;

/// Inserts the records of `batch` runs a transaction until time is up, each transaction durable before the next begins.
pub(super) fn measure(folder: &Path, batch: usize, span: Duration) -> Result<Limit> {
    ensure!(batch > 0, "a transaction of no runs writes nothing");
    let home = tempfile::tempdir_in(folder).context("could not make a folder for a database")?;
    // The server's own tables; it closes the file again.
    drop(Sqlite::open(home.path(), Options::default()).context("could not make a database")?);
    let mut connection = open(&home.path().join(FILE_NAME))?;
    let records = "x".repeat(RECORDS.iter().map(|bytes| bytes + 1).sum::<usize>() - 1);
    let mut runs: u64 = 0;
    let mut micros = Vec::new();
    let began = Instant::now();
    while began.elapsed() < span {
        let start = Instant::now();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO journal (run, seq, record) VALUES (?1, ?2, ?3)")?;
            for _ in 0..batch {
                // Identifiers of runs grow with time.
                let run = (u128::from(runs) << 32).to_be_bytes();
                insert.execute(params![run, LAST, records])?;
                runs += 1;
            }
        }
        transaction.commit()?;
        micros.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(Limit {
        what: DATABASE,
        size: batch,
        per_second: per_second(runs, began.elapsed().as_secs_f64()),
        took: Latency::of(micros),
    })
}

/// As durable as the server's own: the log is flushed at every commit.
fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).context("could not open a database")?;
    for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, name, value)?;
    }
    connection.pragma_update(None, "cache_size", -64 * 1_024)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_holds_as_many_runs_as_it_is_told() {
        let folder = tempfile::tempdir().expect("there is room");
        let limit = measure(folder.path(), 7, Duration::from_millis(50)).expect("it writes");
        assert!(limit.took.count > 0 && limit.per_second > 0.0, "{limit:?}");
        assert!(measure(folder.path(), 0, Duration::from_millis(1)).is_err());
    }
}
