//! Group commit: gathers what everybody wants written and hands it to the store in one piece.
//!
//! While one batch is being made durable the next one gathers, so the batch grows with the load and no timer is needed.

use std::sync::Arc;
use std::time::Instant;

use millwork_core::id::RunId;
use millwork_store::{Commit, Committed, Error, Store};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::alone::Backlog;
use super::waiters::Waiters;
use crate::telemetry;

/// Commits in one batch. More would make everybody wait for the last one's pages.
const BATCH_MAX: usize = 4_096;

/// Where commits are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    queue: mpsc::UnboundedSender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    commit: Commit,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
}

/// Nobody knows whether the commit was written. Load the run and look.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store did not confirm the commit")]
pub struct CommitError(#[source] pub Arc<Error>);

impl Committer {
    /// Starts the tasks that write, as many as the store likes side by side. They end when the last committer is dropped and everything is written.
    ///
    /// A caller may go away while it waits, as a request does whose client hangs up. What it wanted is written all the
    /// same, and is noted as due.
    ///
    /// Who watches a run is told of everything that is written of it here.
    pub(super) fn start(
        store: &Arc<dyn Store>,
        backlog: &Arc<Backlog>,
        watchers: &Arc<Waiters>,
    ) -> Self {
        // Unbounded on purpose: whoever hands a commit in waits for its answer, so there are never more of them than
        // requests and runs in flight, which are bounded.
        let (queue, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..store.lanes().max(1) {
            tokio::spawn(write_batches(
                Arc::clone(store),
                Arc::clone(backlog),
                Arc::clone(watchers),
                Arc::clone(&waiting),
            ));
        }
        Self { queue }
    }

    /// Writes a commit, and answers once it is durable.
    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let (answer, written) = oneshot::channel();
        let gone = || {
            CommitError(Arc::new(Error::Unavailable {
                action: "commit while shutting down",
                source: "the committer has ended".into(),
            }))
        };
        self.queue
            .send(Waiting { commit, answer })
            .map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

async fn write_batches(
    store: Arc<dyn Store>,
    backlog: Arc<Backlog>,
    watchers: Arc<Waiters>,
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<Waiting>>>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    // One lane gathers while the others write. Commits of one run are never in two of them: each waits for its answer.
    while waiting.lock().await.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (commits, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|w| (w.commit, w.answer)).unzip();
        let runs: Vec<RunId> = commits.iter().map(|commit| commit.run).collect();
        metrics::histogram!(telemetry::COMMIT_BATCH_SIZE).record(count(commits.len()));
        metrics::counter!(telemetry::COMMITS)
            .increment(u64::try_from(commits.len()).unwrap_or(u64::MAX));
        let began = Instant::now();
        let written = store.commit(commits).await;
        metrics::histogram!(telemetry::COMMIT_SECONDS).record(began.elapsed().as_secs_f64());
        match written {
            Ok(results) => {
                watchers.tell_all(&runs);
                for (answer, result) in answers.into_iter().zip(results) {
                    if answer.send(Ok(result)).is_err() {
                        backlog.note();
                    }
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store did not take a batch of commits"
                );
                // Where it was written after all, runs may be due of which nobody here was told.
                backlog.note();
                let error = CommitError(Arc::new(error));
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn count(commits: usize) -> f64 {
    u32::try_from(commits).map_or(f64::INFINITY, f64::from)
}
