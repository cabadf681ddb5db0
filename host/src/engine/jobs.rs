//! Jobs: something done to every run that a filter finds, page by page.
//!
//! A job is a row with a cursor. Whoever finds it due takes it on for a while, does one page of runs, and writes the cursor down
//! with the time of the next page; so a job outlives every process, several of them take turns, and any worker may do the next page.
//! A page whose cursor was not written is done again: what is done to a run is harmless the second time.

mod task;

pub use task::{Filter, JobView, Operation, Progress, Task};

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use millwork_core::command::From as RetryFrom;
use millwork_core::id::JobId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_store::{Job, JobStep, Order, RunQuery, RunRow};

use super::{Engine, Error};
use crate::random;

/// For how long a process has a job that it took on: longer than a page takes.
const CLAIM: Duration = Duration::from_secs(30);

/// How often to look for jobs that others have started.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs of a page, how many are seen to side by side, and how long after a page the next one is due: the rest of the time
/// belongs to others.
const PAGE: usize = 50;
const SIDE_BY_SIDE: usize = 8;
const PACE: Duration = Duration::from_millis(200);

/// Jobs that may be unfinished at a time.
const UNFINISHED_MAX: usize = 100;

/// How long who was turned away should wait.
const RETRY_AFTER: Duration = Duration::from_secs(10);

impl Engine {
    /// Starts a job, and answers once it is durable.
    ///
    /// # Errors
    /// Where as many jobs as may have not finished; or the store.
    pub async fn start_job(&self, mut task: Task) -> Result<JobView, Error> {
        let parts = &self.0;
        let now = parts.clock.now();
        // What comes later is not touched, however long the job takes.
        let before = task.filter.created_before.unwrap_or(now);
        task.filter.created_before = Some(before.min(now));
        if task.filter.statuses.is_empty() {
            task.filter.statuses = task.operation.statuses();
        }
        let job = Job {
            id: random::job_id(now),
            task: task::write(&task),
            progress: task::write(&Progress::default()),
            created_at: now,
            finished_at: None,
            is_cancelled: false,
            claims: 0,
        };
        if !parts.store.add_job(job.clone(), UNFINISHED_MAX).await? {
            return Err(Error::TooManyJobs {
                limit: UNFINISHED_MAX,
                retry_after: RETRY_AFTER,
            });
        }
        parts.jobs_changed.notify_waiters();
        JobView::read(&job)
    }

    /// Finds a job.
    ///
    /// # Errors
    /// Where there is none; or the store.
    pub async fn find_job(&self, id: JobId) -> Result<JobView, Error> {
        let job = self.0.store.find_job(id).await?;
        JobView::read(&job.ok_or(Error::UnknownJob(id))?)
    }

    /// Lists jobs, the latest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list_jobs(
        &self,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobView>, Error> {
        let jobs = self.0.store.list_jobs(after, limit).await?;
        jobs.iter().map(JobView::read).collect()
    }

    /// Ends a job after the page that is under way. What is done stays done. One that has finished stays as it is.
    ///
    /// # Errors
    /// Where there is none; or the store.
    pub async fn cancel_job(&self, id: JobId) -> Result<JobView, Error> {
        let parts = &self.0;
        let job = parts.store.cancel_job(id, parts.clock.now()).await?;
        JobView::read(&job.ok_or(Error::UnknownJob(id))?)
    }
}

/// Does page after page of the jobs that are due.
pub(super) async fn carry_on(engine: Engine) {
    let parts = &engine.0;
    while !parts.is_closing.load(Ordering::Relaxed) {
        // Interest is registered before the look, so that a new job is not slept through.
        let changed = parts.jobs_changed.notified();
        let now = parts.clock.now();
        let look_at = match look(&engine, now).await {
            Ok(look_at) => look_at,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not carry a job on; trying again"
                );
                Some(now.after(PAUSE))
            }
        };
        let Some(look_at) = look_at else { continue };
        tokio::select! {
            () = changed => {}
            () = parts.clock.sleep_until(look_at) => {}
        }
    }
}

/// Does the next page of the job that is due. Says when to look again; nothing where it is now.
async fn look(engine: &Engine, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let store = &engine.0.store;
    let at_latest = now.after(LOOK_EVERY);
    let next = store.next_job_due().await?;
    let Some(next) = next.filter(|next| *next <= now) else {
        return Ok(Some(next.map_or(at_latest, |next| next.min(at_latest))));
    };
    let before = now.after(Duration::from_micros(1));
    let Some(job) = store.claim_job(before, now.after(CLAIM)).await? else {
        // Another process was faster.
        return Ok(Some(next.max(now.after(PACE))));
    };
    let (id, claims) = (job.id, job.claims);
    let step = match advance(engine, &job).await {
        Ok((progress, is_done)) => {
            let at = engine.0.clock.now();
            JobStep {
                id,
                claims,
                progress,
                goes_on: (!is_done).then(|| at.after(PACE)),
                at,
            }
        }
        Err(error) => {
            // The page is done again from where the cursor stands.
            tracing::warn!(job.id = %id, error = &error as &dyn std::error::Error, "could not do a page of a job; trying again");
            let at = engine.0.clock.now();
            JobStep {
                id,
                claims,
                progress: job.progress,
                goes_on: Some(at.after(PAUSE)),
                at,
            }
        }
    };
    store.save_job(step).await?;
    Ok(None)
}

/// Does a page. Returns how far the job has come, and whether that is its end.
async fn advance(engine: &Engine, job: &Job) -> Result<(String, bool), Error> {
    let view = JobView::read(job)?;
    let mut progress = view.progress.clone();
    let filter = &view.task.filter;
    let query = RunQuery {
        workflow: filter.workflow,
        statuses: filter.statuses.clone(),
        labels: filter.labels.clone().into_iter().collect(),
        created_from: filter.created_from,
        created_before: filter.created_before,
        after: progress.cursor,
        order: Order::OldestFirst,
        limit: PAGE,
    };
    let rows = engine.list_runs(query).await?;
    let is_done = rows.len() < PAGE;
    progress.cursor = rows.last().map(|row| row.run).or(progress.cursor);
    progress.found += u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if !view.task.dry_run {
        let view = &view;
        let outcomes: Vec<_> = futures::stream::iter(rows)
            .map(|row| async move { (row.run, see_to(engine, view, &row).await) })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        for (run, outcome) in outcomes {
            progress.note(run, outcome?);
        }
    }
    Ok((task::write(&progress), is_done))
}

/// What came of a run.
enum Outcome {
    Done,
    Skipped(String),
    Failed(String),
}

/// Does to a run what the job is about. An error is one of the store or of this process, which another try may not meet.
async fn see_to(engine: &Engine, job: &JobView, row: &RunRow) -> Result<Outcome, Error> {
    let run = row.run;
    let why = |reason: &Option<String>| reason.clone().or_else(|| Some(format!("job {}", job.id)));
    let done = match &job.task.operation {
        Operation::Cancel { reason } => engine.cancel_run(run, why(reason)).await,
        Operation::Kill { reason } => engine.kill_run(run, why(reason)).await,
        Operation::Pause { reason } => engine.pause_run(run, why(reason)).await,
        Operation::Resume => engine.resume_run(run).await,
        Operation::Retry { from, with } => {
            // What ended since was done again, by this job before it was interrupted or by somebody else: not once more.
            let ended_at = row.summary.completed_at;
            if ended_at.is_some_and(|at| at >= job.created_at) {
                let reason = "it ended after the job began";
                return Ok(Outcome::Skipped(reason.to_owned()));
            }
            engine.retry_run(run, RetryFrom::from(from), *with).await
        }
    };
    use millwork_core::decide::Rejection;
    let skipped = |reason: &str| Ok(Outcome::Skipped(reason.to_owned()));
    match done {
        Ok(_) => Ok(Outcome::Done),
        Err(Error::UnknownRun(_)) => skipped("it was removed"),
        Err(Error::Rejected(Rejection::Finished { status, .. })) => {
            Ok(Outcome::Skipped(format!("it has ended: {status}")))
        }
        Err(Error::Rejected(Rejection::Ending { .. })) => skipped("it is ending already"),
        Err(Error::Rejected(Rejection::NotFinished { .. })) => skipped("it has not ended"),
        Err(Error::Rejected(Rejection::NothingToRetry { .. })) => skipped("nothing of it failed"),
        Err(Error::Rejected(Rejection::UnknownStep { .. })) => {
            skipped("it has no such step to be retried from")
        }
        Err(
            error @ (Error::Store(millwork_store::Error::Unavailable { .. })
            | Error::Commit(_)
            | Error::ShuttingDown),
        ) => Err(error),
        Err(error) => Ok(Outcome::Failed(error.to_string())),
    }
}

impl Operation {
    /// The states of the runs that it is for, where nobody says.
    fn statuses(&self) -> Vec<RunStatus> {
        use RunStatus::{Cancelled, Failed, Paused, Pending, Running};
        match self {
            Self::Cancel { .. } | Self::Kill { .. } => vec![Pending, Running, Paused],
            Self::Pause { .. } => vec![Pending, Running],
            Self::Resume => vec![Paused],
            Self::Retry { .. } => vec![Failed, Cancelled],
        }
    }
}
