//! Jobs: something done to many runs.

use async_trait::async_trait;
use millwork_core::id::JobId;
use millwork_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Sqlite, columns};
use crate::{Error, Job, JobStep, Jobs};

#[async_trait]
impl Jobs for Sqlite {
    async fn add_job(&self, job: Job, unfinished_max: usize) -> std::result::Result<bool, Error> {
        let bytes = job.task.len() + job.progress.len();
        self.writer
            .submit("keep a job", bytes, move |session| {
                add(session.connection, &job, unfinished_max)
            })
            .await
    }

    async fn find_job(&self, id: JobId) -> std::result::Result<Option<Job>, Error> {
        self.readers
            .read("find a job", |connection| find(connection, id))
    }

    async fn list_jobs(
        &self,
        after: Option<JobId>,
        limit: usize,
    ) -> std::result::Result<Vec<Job>, Error> {
        self.read_apart("list jobs", move |connection| {
            list(connection, after, limit)
        })
        .await
    }

    async fn next_job_due(&self) -> std::result::Result<Option<Timestamp>, Error> {
        self.readers.read("find the next job", next_due)
    }

    async fn claim_job(
        &self,
        before: Timestamp,
        until: Timestamp,
    ) -> std::result::Result<Option<Job>, Error> {
        self.writer
            .submit("take on a job that is due", 0, move |session| {
                claim(session.connection, before, until)
            })
            .await
    }

    async fn save_job(&self, step: JobStep) -> std::result::Result<bool, Error> {
        self.writer
            .submit(
                "note how far a job has come",
                step.progress.len(),
                move |session| save(session.connection, &step),
            )
            .await
    }

    async fn cancel_job(
        &self,
        id: JobId,
        at: Timestamp,
    ) -> std::result::Result<Option<Job>, Error> {
        self.writer
            .submit("cancel a job", 0, move |session| {
                cancel(session.connection, id, at)
            })
            .await
    }

    async fn remove_jobs(
        &self,
        finished_before: Timestamp,
        limit: usize,
    ) -> std::result::Result<usize, Error> {
        self.writer
            .submit("remove old jobs", 0, move |session| {
                remove(session.connection, finished_before, limit)
            })
            .await
    }
}

const COLUMNS: &str = "id, task, progress, created_at, finished_at, is_cancelled, claims";

fn read(row: &Row<'_>) -> Result<Job> {
    Ok(Job {
        id: JobId::from_bytes(row.get(0)?),
        task: row.get(1)?,
        progress: row.get(2)?,
        created_at: columns::time(row, 3)?,
        finished_at: columns::optional_time(row, 4)?,
        is_cancelled: row.get(5)?,
        claims: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
    })
}

fn add(connection: &Connection, job: &Job, unfinished_max: usize) -> Result<bool> {
    let unfinished: i64 = connection
        .prepare_cached("SELECT count(*) FROM jobs WHERE due_at IS NOT NULL AND id <> ?1")?
        .query_row([job.id.as_bytes()], |row| row.get(0))?;
    if unfinished >= columns::limit(unfinished_max) {
        return Ok(find(connection, job.id)?.is_some());
    }
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, task, progress, created_at, is_cancelled, claims, due_at)
             VALUES (?1, ?2, ?3, ?4, 0, 0, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            job.id.as_bytes(),
            job.task,
            job.progress,
            job.created_at.as_micros()
        ])?;
    Ok(true)
}

fn find(connection: &Connection, id: JobId) -> Result<Option<Job>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?
        .query_row([id.as_bytes()], read)
        .optional()
}

fn list(connection: &Connection, after: Option<JobId>, limit: usize) -> Result<Vec<Job>> {
    let before = after.map(|after| after.as_bytes().to_vec());
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
        ))?
        .query_map(params![before, columns::limit(limit)], read)?
        .collect()
}

fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT min(due_at) FROM jobs WHERE due_at IS NOT NULL")?
        .query_row([], |row| columns::optional_time(row, 0))
}

fn claim(connection: &Connection, before: Timestamp, until: Timestamp) -> Result<Option<Job>> {
    connection
        .prepare_cached(&format!(
            "UPDATE jobs SET due_at = ?2, claims = claims + 1
             WHERE id = (SELECT id FROM jobs WHERE due_at < ?1 ORDER BY due_at, id LIMIT 1) RETURNING {COLUMNS}"
        ))?
        .query_row(params![before.as_micros(), until.as_micros()], read)
        .optional()
}

fn save(connection: &Connection, step: &JobStep) -> Result<bool> {
    let goes_on = step.goes_on.map(Timestamp::as_micros);
    let finished_at = step.goes_on.is_none().then_some(step.at.as_micros());
    let saved = connection
        .prepare_cached(
            "UPDATE jobs SET progress = ?3, due_at = CASE WHEN finished_at IS NULL THEN ?4 END,
                             finished_at = COALESCE(finished_at, ?5)
             WHERE id = ?1 AND claims = ?2",
        )?
        .execute(params![
            step.id.as_bytes(),
            i64::try_from(step.claims).unwrap_or(i64::MAX),
            step.progress,
            goes_on,
            finished_at
        ])?;
    Ok(saved == 1)
}

fn cancel(connection: &Connection, id: JobId, at: Timestamp) -> Result<Option<Job>> {
    connection
        .prepare_cached(
            "UPDATE jobs SET finished_at = ?2, is_cancelled = 1, due_at = NULL WHERE id = ?1 AND finished_at IS NULL",
        )?
        .execute(params![id.as_bytes(), at.as_micros()])?;
    find(connection, id)
}

fn remove(connection: &Connection, finished_before: Timestamp, limit: usize) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM jobs WHERE id IN
             (SELECT id FROM jobs WHERE finished_at < ?1 ORDER BY finished_at, id LIMIT ?2)",
        )?
        .execute(params![finished_before.as_micros(), columns::limit(limit)])
}
