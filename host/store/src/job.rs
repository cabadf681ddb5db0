//! Jobs: something done to many runs, page by page, by whoever takes the next page on.

use async_trait::async_trait;
use millwork_core::id::JobId;
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps jobs, and says which are due.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Keeps a new job, due at once, unless as many as may have not finished; writers that come at once may get past that by
    /// their number. Says whether it is kept; keeping the same job again changes nothing.
    async fn add_job(&self, job: Job, unfinished_max: usize) -> Result<bool, Error>;

    /// Finds a job.
    async fn find_job(&self, id: JobId) -> Result<Option<Job>, Error>;

    /// Lists jobs, the latest first, from after one on.
    async fn list_jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, Error>;

    /// Says when the next job is due.
    async fn next_job_due(&self) -> Result<Option<Timestamp>, Error>;

    /// Takes the job on that is due before a time and has waited longest, so that nobody else who asks is given it before
    /// `until`. Of several callers at once it goes to one at most. The job is as it is after that.
    async fn claim_job(&self, before: Timestamp, until: Timestamp) -> Result<Option<Job>, Error>;

    /// Notes how far a job has come, and when it goes on. Says whether it was written: only by who took it on last. A job that
    /// was cancelled meanwhile stays so, and its progress is noted.
    async fn save_job(&self, step: JobStep) -> Result<bool, Error>;

    /// Cancels a job that has not finished; one that has stays as it is. Returns the job as it is then; nothing where there is
    /// none.
    async fn cancel_job(&self, id: JobId, at: Timestamp) -> Result<Option<Job>, Error>;

    /// Removes jobs that finished before a time, at most `limit`. Returns how many.
    async fn remove_jobs(&self, finished_before: Timestamp, limit: usize) -> Result<usize, Error>;
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub id: JobId,
    /// What is to be done, as the host writes it.
    pub task: String,
    /// How far it has come, as the host writes it.
    pub progress: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was done with.
    pub finished_at: Option<Timestamp>,
    /// Whether somebody ended it before it was done.
    pub is_cancelled: bool,
    /// How often it has been taken on.
    pub claims: u64,
}

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStep {
    /// Which job.
    pub id: JobId,
    /// Which time of its being taken on this is about.
    pub claims: u64,
    /// How far it has come.
    pub progress: String,
    /// When it goes on; nothing where it is done.
    pub goes_on: Option<Timestamp>,
    /// When this is written: where it is done, the time at which it finished.
    pub at: Timestamp,
}
