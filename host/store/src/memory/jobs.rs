//! Jobs in memory.

use async_trait::async_trait;
use millwork_core::id::JobId;
use millwork_core::time::Timestamp;

use super::Memory;
use crate::{Error, Job, JobStep, Jobs};

/// A job, and when somebody has to look at it.
#[derive(Debug)]
pub(super) struct KeptJob {
    job: Job,
    due_at: Option<Timestamp>,
}

#[async_trait]
impl Jobs for Memory {
    async fn add_job(&self, job: Job, unfinished_max: usize) -> Result<bool, Error> {
        let jobs = &mut self.state().jobs;
        if jobs.contains_key(&job.id) {
            return Ok(true);
        }
        let unfinished = jobs.values().filter(|kept| kept.due_at.is_some()).count();
        if unfinished >= unfinished_max {
            return Ok(false);
        }
        let due_at = Some(job.created_at);
        jobs.insert(job.id, KeptJob { job, due_at });
        Ok(true)
    }

    async fn find_job(&self, id: JobId) -> Result<Option<Job>, Error> {
        Ok(self.state().jobs.get(&id).map(|kept| kept.job.clone()))
    }

    async fn list_jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, Error> {
        let state = self.state();
        let jobs = state.jobs.values().rev().map(|kept| &kept.job);
        let listed = jobs.filter(|job| after.is_none_or(|after| job.id < after));
        Ok(listed.take(limit).cloned().collect())
    }

    async fn next_job_due(&self) -> Result<Option<Timestamp>, Error> {
        let state = self.state();
        Ok(state.jobs.values().filter_map(|kept| kept.due_at).min())
    }

    async fn claim_job(&self, before: Timestamp, until: Timestamp) -> Result<Option<Job>, Error> {
        let jobs = &mut self.state().jobs;
        let due = jobs.values_mut().filter(|kept| kept.due_at < Some(before));
        let due = due.filter(|kept| kept.due_at.is_some());
        let first = due.min_by_key(|kept| (kept.due_at, kept.job.id));
        Ok(first.map(|kept| {
            kept.due_at = Some(until);
            kept.job.claims += 1;
            kept.job.clone()
        }))
    }

    async fn save_job(&self, step: JobStep) -> Result<bool, Error> {
        let jobs = &mut self.state().jobs;
        let kept = jobs.get_mut(&step.id);
        let Some(kept) = kept.filter(|kept| kept.job.claims == step.claims) else {
            return Ok(false);
        };
        kept.job.progress = step.progress;
        if kept.job.finished_at.is_none() {
            kept.due_at = step.goes_on;
            kept.job.finished_at = step.goes_on.is_none().then_some(step.at);
        }
        Ok(true)
    }

    async fn cancel_job(&self, id: JobId, at: Timestamp) -> Result<Option<Job>, Error> {
        let jobs = &mut self.state().jobs;
        Ok(jobs.get_mut(&id).map(|kept| {
            if kept.job.finished_at.is_none() {
                kept.job.finished_at = Some(at);
                kept.job.is_cancelled = true;
                kept.due_at = None;
            }
            kept.job.clone()
        }))
    }

    async fn remove_jobs(&self, finished_before: Timestamp, limit: usize) -> Result<usize, Error> {
        let jobs = &mut self.state().jobs;
        let mut old: Vec<_> = jobs.values().map(|kept| &kept.job).collect();
        old.retain(|job| job.finished_at.is_some_and(|at| at < finished_before));
        old.sort_by_key(|job| (job.finished_at, job.id));
        let old: Vec<JobId> = old.into_iter().take(limit).map(|job| job.id).collect();
        old.iter().for_each(|id| drop(jobs.remove(id)));
        Ok(old.len())
    }
}
