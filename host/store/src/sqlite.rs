//! A store in one SQLite file: the default, and as durable as any.
//!
//! One thread owns the only connection that writes, and makes what waits for it durable together; readers have
//! connections of their own and see what was last committed, whatever the writer is at. One process has the file open at
//! a time.

mod access;
mod claims;
mod columns;
mod commit;
mod connection;
mod counts;
mod deliveries;
mod failure;
mod jobs;
mod journal;
mod labels;
mod limits;
mod list;
mod lock;
mod migrate;
mod plugins;
mod pulse;
mod readers;
mod registry;
mod retention;
mod triggers;
mod values;
mod vault;
mod workflows;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

use self::readers::Readers;
use self::writer::Writer;
use crate::limits::{LimitQuery, LimitRow, Turn};
use crate::{
    Claim, Commit, Committed, CountsOverTime, Due, Error, Expected, Limits, OverTime, Plugin,
    Renewal, RunCounts, RunQuery, RunRow, Store, Stretch, Value, ValueKey, Written,
};

/// The name of the database in the data directory.
pub const FILE_NAME: &str = "millwork.db";

/// How much memory the store may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pages that the writer keeps at hand, in KiB. Few on purpose: where a page of an index is split, SQLite looks through all of
    /// them at the end of the transaction (it moves pages by way of a number beyond the file's end), which happens in nearly every one
    /// of ours. With 64 MiB that took three quarters of the writer's time; what is not at hand is in the operating system's cache.
    pub cache_kib: u32,
    /// How much of the file is mapped into memory, in bytes. Mapped pages belong to the operating system's cache.
    pub mmap_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_kib: 8 * 1024,
            mmap_bytes: 256 * 1024 * 1024,
        }
    }
}

/// A store in one SQLite file. Dropping it waits for what has been handed in to be written.
#[derive(Debug)]
pub struct Sqlite {
    // In this order: the writer closes last, so that its connection is the one that empties the write-ahead log, and
    // only then may another process have the directory.
    readers: Arc<Readers>,
    writer: Writer,
    _lock: File,
}

impl Sqlite {
    /// Opens the store in a data directory, which is made where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// Where another process has it open, a later host has migrated it, or it cannot be read and written.
    pub fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        connection::make_directory(directory)?;
        let lock = lock::take(directory)?;
        let path = directory.join(FILE_NAME);
        let mut connection =
            connection::open_to_write(&path, options).map_err(failure::opening(&path))?;
        migrate::run(&mut connection, migrate::MIGRATIONS)?;
        connection::sync_directory(directory)?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.clone(), options)),
            writer: Writer::start(path, options, connection)?,
            _lock: lock,
        })
    }

    /// Reads on a thread that may block: for what may be long.
    async fn read_apart<T: Send + 'static>(
        &self,
        action: &'static str,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = Arc::clone(&self.readers);
        let outcome = tokio::task::spawn_blocking(move || readers.read(action, read)).await;
        outcome.map_err(|source| Error::Unavailable {
            action,
            source: source.into(),
        })?
    }
}

#[async_trait]
impl Limits for Sqlite {
    async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error> {
        self.read_apart("list limits", move |connection| {
            limits::list(connection, &query)
        })
        .await
    }

    async fn find_turn(&self, run: RunId) -> Result<Option<Turn>, Error> {
        self.read_apart("find what a run waits for", move |connection| {
            limits::find_turn(connection, run)
        })
        .await
    }

    async fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Result<Vec<RunId>, Error> {
        self.readers.read("list the runs of a key", |connection| {
            limits::list_outdone(connection, workflow, key, kept, limit)
        })
    }
}

// A point read takes microseconds, less than handing it to another thread would: it is done on the spot. What may read
// many rows, or large ones, goes apart.
#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error> {
        let bytes = commits
            .iter()
            .flat_map(|commit| &commit.records)
            .map(String::len)
            .sum();
        self.writer
            .submit("commit", bytes, move |session| {
                commits
                    .iter()
                    .map(|commit| commit::write(session, commit))
                    .collect()
            })
            .await
    }

    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error> {
        self.readers.read("load a journal", |connection| {
            journal::load(connection, run, from)
        })
    }

    async fn read_journal(
        &self,
        run: RunId,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, Error> {
        self.read_apart("read a journal", move |connection| {
            journal::read(connection, run, from, limit)
        })
        .await
    }

    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error> {
        self.read_apart("list runs", move |connection| {
            list::runs(connection, &query)
        })
        .await
    }

    async fn list_due(
        &self,
        after: Option<Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        self.read_apart("list the runs that are due", move |connection| {
            list::due(connection, after, before, limit)
        })
        .await
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Due>, Error> {
        self.writer
            .submit("take on runs that are due", 0, move |session| {
                claims::claim_due(session.connection, &claim)
            })
            .await
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<bool>, Error> {
        self.writer
            .submit("renew claims", 0, move |session| {
                claims::renew(session.connection, &renewals)
            })
            .await
    }

    async fn settle(&self, finished: Vec<RunId>) -> Result<(), Error> {
        self.writer
            .submit("settle finished runs", 0, move |session| {
                claims::settle(session.connection, &finished)
            })
            .await
    }

    async fn count_runs(&self, of: Vec<Option<WorkflowId>>) -> Result<Vec<RunCounts>, Error> {
        self.readers.read("count the runs", |connection| {
            let counts = of.iter().map(|of| counts::read(connection, *of));
            counts.collect()
        })
    }

    async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error> {
        self.read_apart("count the runs over time", move |connection| {
            counts::over_time(connection, &query)
        })
        .await
    }

    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error> {
        let bytes = plugin.wasm.len();
        self.writer
            .submit("keep a plugin", bytes, move |session| {
                plugins::insert(session.connection, &plugin)
            })
            .await
    }

    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error> {
        self.read_apart("find a plugin", move |connection| {
            plugins::find(connection, digest)
        })
        .await
    }

    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error> {
        self.readers.read("find a connector's value", |connection| {
            values::find(connection, key)
        })
    }

    async fn write_value(
        &self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Result<Written, Error> {
        let key = key.clone();
        let bytes = value.as_ref().map_or(0, Vec::len);
        self.writer
            .submit("write a connector's value", bytes, move |session| {
                values::write(session.connection, &key, value.as_deref(), expected)
            })
            .await
    }

    async fn remove_finished(
        &self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        const ACTION: &str = "remove old runs";
        let forget = move |session: &mut writer::Session<'_>| {
            retention::forget_keys(session.connection, now)
        };
        while self.writer.submit(ACTION, 0, forget).await? == retention::KEYS_MAX {}
        let forget_rates = move |session: &mut writer::Session<'_>| {
            limits::forget_idle(session.connection, now, retention::KEYS_MAX)
        };
        while self.writer.submit(ACTION, 0, forget_rates).await? == retention::KEYS_MAX {}
        self.writer
            .submit(ACTION, 0, move |session| {
                retention::remove_runs(session, finished_before, limit)
            })
            .await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.readers.read("read the pulse", pulse::feel)?;
        self.writer
            .submit("write the pulse", 0, |session| {
                pulse::beat(session.connection)
            })
            .await
    }

    async fn size_bytes(&self) -> Result<Option<u64>, Error> {
        self.readers
            .read("find out how large the database is", pulse::size)
            .map(Some)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Error> {
        // The one process that has the file has one clock.
        Ok(None)
    }
}
