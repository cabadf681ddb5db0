//! The lock on a data directory: one process at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::Error;

const FILE_NAME: &str = "millwork.lock";

/// Takes the lock, which holds until the file is dropped; the operating system releases it when the process dies, however it dies.
pub(super) fn take(directory: &Path) -> Result<File, Error> {
    let path = directory.join(FILE_NAME);
    let failed = |error: std::io::Error| Error::Unavailable {
        action: "lock the data directory",
        source: format!("{}: {error}", path.display()).into(),
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: directory.display().to_string(),
            remedy: "stop it, or give this one a data directory of its own with --data-dir",
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
