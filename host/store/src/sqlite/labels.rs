//! The labels of runs, as lists read them.

use millwork_core::id::RunId;
use rusqlite::{Connection, Result, params};

use crate::Labels;

/// Writes the labels of a new run. One without costs nothing.
pub(super) fn insert(connection: &Connection, run: RunId, labels: &Labels) -> Result<()> {
    for (name, value) in labels {
        connection
            .prepare_cached("INSERT INTO run_labels (run, name, value) VALUES (?1, ?2, ?3)")?
            .execute(params![run.as_bytes(), name, value])?;
    }
    Ok(())
}
