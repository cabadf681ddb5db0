//! The writer: one thread that owns the connection that writes, and makes everything that waits for it durable together.
//!
//! A flush of the disk costs as much as a hundred rows, so what has gathered during one flush shares the next.
//! Jobs of one transaction do not know of each other: where one of them cannot be written for reasons of its own, each is
//! written again in a transaction for itself.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Options, connection, counts, failure};
use crate::Error;
use crate::counts::Changes;

/// Jobs in one transaction: a bound on how long the first of them waits for the last.
const BATCH_JOBS_MAX: usize = 4_096;

/// Bytes after which a transaction takes no more jobs.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a job has in hand: the connection, inside a transaction.
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
    /// In which states more runs are, or fewer, after this transaction than before.
    pub(super) counts: Changes,
}

/// Something to be written, and somebody who waits to hear that it was.
trait Job: Send {
    fn bytes(&self) -> usize;
    /// Writes; called again where the transaction was rolled back for another job's sake.
    fn write(&mut self, session: &mut Session<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), &Arc<rusqlite::Error>>);
}

struct Pending<W, T> {
    action: &'static str,
    bytes: usize,
    write: W,
    written: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<W, T> Job for Pending<W, T>
where
    W: FnMut(&mut Session<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&mut self, session: &mut Session<'_>) -> rusqlite::Result<()> {
        self.written = Some((self.write)(session)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), &Arc<rusqlite::Error>>) {
        let answer = match (outcome, self.written) {
            (Ok(()), Some(written)) => Ok(written),
            (Ok(()), None) => return,
            (Err(error), _) => Err(failure::shared(self.action, error)),
        };
        // Who has gone away does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// Where jobs are handed in.
pub(super) struct Writer {
    /// Absent once the writer is being dropped. Unbounded: whoever hands a job in waits for its answer.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(
        path: PathBuf,
        options: Options,
        connection: Connection,
    ) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel();
        let scribe = Scribe {
            path,
            options,
            connection,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || scribe.serve(&waiting))
            .map_err(|source| Error::Unavailable {
                action: "start the writer",
                source: source.into(),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Hands a job in, and answers once it is durable.
    pub(super) async fn submit<T, W>(
        &self,
        action: &'static str,
        bytes: usize,
        write: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnMut(&mut Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let gone = || Error::Unavailable {
            action,
            source: "the writer has ended".into(),
        };
        let (reply, answer) = oneshot::channel();
        let job = Pending {
            action,
            bytes,
            write,
            written: None,
            reply,
        };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(job)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread writes what waits, closes its connection and ends.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer ended with a panic");
        }
    }
}

/// The thread's side.
struct Scribe {
    path: PathBuf,
    options: Options,
    connection: Connection,
}

impl Scribe {
    fn serve(mut self, jobs: &mpsc::Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let mut bytes = first.bytes();
            let mut batch = vec![first];
            while batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.bytes();
                batch.push(job);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let outcome = self.write_together(&mut batch).map_err(Arc::new);
        if let Err(error) = &outcome {
            self.recover();
            if batch.len() > 1 && failure::is_about_the_data(error) {
                batch.into_iter().for_each(|job| self.write(vec![job]));
                return;
            }
        }
        for job in batch {
            job.answer(outcome.as_ref().copied());
        }
    }

    fn write_together(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut session = Session {
            connection: &transaction,
            counts: Changes::default(),
        };
        for job in batch {
            job.write(&mut session)?;
        }
        let Session {
            counts: changes, ..
        } = session;
        counts::write(&transaction, &changes)?;
        // Where this fails the transaction is rolled back, as it is where a job failed.
        transaction.commit()
    }

    /// Sees to it that the connection can begin a transaction again: where even rolling back failed, with a new one.
    fn recover(&mut self) {
        if self.connection.is_autocommit() {
            return;
        }
        match connection::open_to_write(&self.path, self.options) {
            Ok(connection) => self.connection = connection,
            // The next job will fail in its turn, and this will be tried again.
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not open the database anew; trying again"
                );
            }
        }
    }
}
