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

/// How large the database is: what lies in its file, and not what is still in its log.
pub(super) fn size(connection: &Connection) -> Result<u64> {
    let of = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let bytes = of("page_count")?.saturating_mul(of("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}
