//! The sign of life: one row that is read, and written, to find out whether that works.

use rusqlite::{Connection, Result};

/// Reads the row.
pub(super) fn feel(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached("SELECT beats FROM pulse")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok(())
}

/// Writes the row.
pub(super) fn beat(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached("UPDATE pulse SET beats = beats + 1")?
        .execute([])?;
    Ok(())
}
