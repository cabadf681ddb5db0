//! How connections are opened, and why each setting is what it is.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Options;
use crate::Error;

/// Pages of the write-ahead log after which it is copied into the database. The writer pays for it inside a commit, so
/// more pages mean longer pauses, and no higher throughput.
const CHECKPOINT_PAGES: u32 = 1_000;

/// Pages that a reader keeps at hand, in KiB; what it reads is mapped, so these are few.
const READER_CACHE_KIB: u32 = 4 * 1024;

/// Statements that a connection keeps ready; more than it has.
const STATEMENTS_MAX: usize = 128;

/// How long to wait for a lock. Nobody of ours holds one against us; a person with a database shell may.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the connection that writes; makes the file where it is missing.
pub(super) fn open_to_write(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, options.cache_kib, options.mmap_bytes)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: the log is flushed at every commit. With less, an acknowledged commit could be lost with the power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Where a flush reaches the disk's own cache only (macOS), ask for the real thing; elsewhere this changes nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_to_read(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, READER_CACHE_KIB, options.mmap_bytes)?;
    Ok(connection)
}

fn set_up(connection: &Connection, cache_kib: u32, mmap_bytes: u64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A plan depends on the statement alone. Otherwise one with a bound LIMIT is compiled anew for every new value of anything that is bound,
    // should another plan suit it better; ours name their index, and have no other.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // SQLite takes a negative number as KiB, a positive one as pages.
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(
        None,
        "mmap_size",
        i64::try_from(mmap_bytes).unwrap_or(i64::MAX),
    )?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Makes the data directory, and sees to it that it survives a loss of power.
pub(super) fn make_directory(directory: &Path) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(|error| Error::Unavailable {
        action: "make the data directory",
        source: format!("{}: {error}", directory.display()).into(),
    })?;
    // `parent` of a bare name is the empty path, which means here.
    match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable: a file that is safe under no name is lost.
pub(super) fn sync_directory(directory: &Path) -> Result<(), Error> {
    // Only Unix opens a directory as a file.
    if cfg!(not(unix)) {
        return Ok(());
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Error::Unavailable {
            action: "flush the data directory",
            source: format!("{}: {error}", directory.display()).into(),
        })
}
