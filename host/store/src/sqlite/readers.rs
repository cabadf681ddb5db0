//! Connections that read. Each sees what was last committed when it began, and none waits for the writer.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::{Options, connection, failure};
use crate::Error;

/// Connections that are kept open. There are as many as threads read at once; more than these close after use.
const IDLE_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    options: Options,
    /// The last one used is taken first: its pages and statements are warm. A plain mutex: it is held for a push or a pop.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) const fn new(path: PathBuf, options: Options) -> Self {
        Self {
            path,
            options,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Reads on a connection that nobody else uses.
    pub(super) fn read<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_to_read(&self.path, self.options)
                .map_err(failure::opening(&self.path))?,
        };
        let found = read(&connection).map_err(failure::of(action));
        // After an error the connection is closed: a new one may do better.
        if found.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
        found
    }
}
