//! Jobs: something done to many runs.

use async_trait::async_trait;
use millwork_core::id::JobId;
use millwork_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::failure::within;
use super::{Postgres, columns, text};
use crate::{Error, Job, JobStep, Jobs};

#[async_trait]
impl Jobs for Postgres {
    async fn add_job(&self, job: Job, unfinished_max: usize) -> Result<bool, Error> {
        within("keep a job", add(&self.pool, &job, unfinished_max)).await
    }

    async fn find_job(&self, id: JobId) -> Result<Option<Job>, Error> {
        within("find a job", find(&self.pool, id)).await
    }

    async fn list_jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, Error> {
        within("list jobs", list(&self.pool, after, limit)).await
    }

    async fn next_job_due(&self) -> Result<Option<Timestamp>, Error> {
        within("find the next job", next_due(&self.pool)).await
    }

    async fn claim_job(&self, before: Timestamp, until: Timestamp) -> Result<Option<Job>, Error> {
        let claim = claim(&self.pool, before, until);
        within("take on a job that is due", claim).await
    }

    async fn save_job(&self, step: JobStep) -> Result<bool, Error> {
        within("note how far a job has come", save(&self.pool, &step)).await
    }

    async fn cancel_job(&self, id: JobId, at: Timestamp) -> Result<Option<Job>, Error> {
        within("cancel a job", cancel(&self.pool, id, at)).await
    }

    async fn remove_jobs(&self, finished_before: Timestamp, limit: usize) -> Result<usize, Error> {
        within(
            "remove old jobs",
            remove(&self.pool, finished_before, limit),
        )
        .await
    }
}

/// The columns of a job, as [`read`] takes them.
macro_rules! columns {
    () => {
        "id, task, progress, created_at, finished_at, is_cancelled, claims"
    };
}

fn read(row: &PgRow) -> sqlx::Result<Job> {
    let claims: i64 = row.try_get(6)?;
    Ok(Job {
        id: JobId::from_bytes(row.try_get::<Uuid, _>(0)?.into_bytes()),
        task: columns::text(row, 1)?,
        progress: columns::text(row, 2)?,
        created_at: columns::time(row, 3)?,
        finished_at: columns::optional_time(row, 4)?,
        is_cancelled: row.try_get(5)?,
        claims: u64::try_from(claims).unwrap_or(0),
    })
}

const ADD: &str = "
    INSERT INTO jobs (id, task, progress, created_at, is_cancelled, claims, due_at)
    SELECT $1, $2, $3, $4, FALSE, 0, $4
    WHERE (SELECT count(*) FROM jobs WHERE due_at IS NOT NULL) < $5
    ON CONFLICT (id) DO NOTHING";

async fn add(pool: &PgPool, job: &Job, unfinished_max: usize) -> sqlx::Result<bool> {
    let added = sqlx::query(ADD)
        .bind(job.id.as_uuid())
        .bind(text::encode(&job.task))
        .bind(text::encode(&job.progress))
        .bind(columns::to_time(job.created_at))
        .bind(columns::limit(unfinished_max))
        .execute(pool)
        .await?;
    Ok(added.rows_affected() == 1 || find(pool, job.id).await?.is_some())
}

async fn find(pool: &PgPool, id: JobId) -> sqlx::Result<Option<Job>> {
    sqlx::query(concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1"))
        .bind(id.as_uuid())
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

async fn list(pool: &PgPool, after: Option<JobId>, limit: usize) -> sqlx::Result<Vec<Job>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM jobs WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"
    ))
    .bind(after.map(|after| *after.as_uuid()))
    .bind(columns::limit(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read).collect()
}

async fn next_due(pool: &PgPool) -> sqlx::Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT min(due_at) FROM jobs WHERE due_at IS NOT NULL")
        .fetch_one(pool)
        .await?;
    columns::optional_time(&row, 0)
}

/// What another process claims at the same moment is passed over, not waited for.
const CLAIM: &str = concat!(
    "UPDATE jobs SET due_at = $2, claims = claims + 1
     WHERE id = (SELECT id FROM jobs WHERE due_at < $1 ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING ",
    columns!()
);

async fn claim(pool: &PgPool, before: Timestamp, until: Timestamp) -> sqlx::Result<Option<Job>> {
    let claimed = sqlx::query(CLAIM)
        .bind(columns::to_time(before))
        .bind(columns::to_time(until))
        .fetch_optional(pool)
        .await?;
    claimed.as_ref().map(read).transpose()
}

async fn save(pool: &PgPool, step: &JobStep) -> sqlx::Result<bool> {
    let finished_at = step.goes_on.is_none().then_some(step.at);
    let saved = sqlx::query(
        "UPDATE jobs SET progress = $3, due_at = CASE WHEN finished_at IS NULL THEN $4::timestamptz END,
                         finished_at = COALESCE(finished_at, $5::timestamptz)
         WHERE id = $1 AND claims = $2",
    )
    .bind(step.id.as_uuid())
    .bind(columns::number(step.claims))
    .bind(text::encode(&step.progress))
    .bind(step.goes_on.map(columns::to_time))
    .bind(finished_at.map(columns::to_time))
    .execute(pool)
    .await?;
    Ok(saved.rows_affected() == 1)
}

async fn cancel(pool: &PgPool, id: JobId, at: Timestamp) -> sqlx::Result<Option<Job>> {
    sqlx::query(
        "UPDATE jobs SET finished_at = $2, is_cancelled = TRUE, due_at = NULL WHERE id = $1 AND finished_at IS NULL",
    )
    .bind(id.as_uuid())
    .bind(columns::to_time(at))
    .execute(pool)
    .await?;
    find(pool, id).await
}

async fn remove(pool: &PgPool, finished_before: Timestamp, limit: usize) -> sqlx::Result<usize> {
    let removed = sqlx::query(
        "DELETE FROM jobs WHERE id IN (
             SELECT id FROM jobs WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(columns::to_time(finished_before))
    .bind(columns::limit(limit))
    .execute(pool)
    .await?;
    Ok(usize::try_from(removed.rows_affected()).unwrap_or(usize::MAX))
}
