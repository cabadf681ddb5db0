//! A store in memory: everything that the others promise, except that it forgets when it is dropped. For tests, and the
//! plainest statement of what a store does.

mod access;
mod deliveries;
mod faults;
mod jobs;
mod registry;
mod state;
mod triggers;
mod vault;
mod workflows;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

pub use self::faults::Fault;
use self::faults::Faults;
use self::state::State;
use crate::limits::{LimitQuery, LimitRow, Turn};
use crate::{
    Claim, Commit, Committed, CountsOverTime, Due, Error, Expected, Limits, OverTime, Plugin,
    Renewal, RunCounts, RunQuery, RunRow, Store, Stretch, Value, ValueKey, Written,
};

/// A store that forgets.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    faults: Faults,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next calls of `commit` fail. Asking again replaces what was asked before.
    pub fn fail_commits(&self, calls: usize, fault: Fault) {
        self.faults.fail_next(calls, fault);
    }

    /// Makes so many calls of `commit` in a hundred fail from now on, which ones and how by the seed. Zero ends it.
    pub fn fail_commits_at_random(&self, seed: u64, percent: u8) {
        self.faults.fail_at_random(seed, percent);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned state is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Limits for Memory {
    async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error> {
        Ok(self.state().list_limits(&query))
    }

    async fn find_turn(&self, run: RunId) -> Result<Option<Turn>, Error> {
        Ok(self.state().find_turn(run))
    }

    async fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Result<Vec<RunId>, Error> {
        Ok(self.state().list_outdone(workflow, key, kept, limit))
    }
}

#[async_trait]
impl Store for Memory {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error> {
        let fault = self.faults.draw();
        let written = fault.map_or(commits.len(), |fault| fault.written(commits.len()));
        let answers = {
            let mut state = self.state();
            commits
                .into_iter()
                .take(written)
                .map(|commit| state.commit(commit))
                .collect()
        };
        fault.map_or(Ok(answers), |fault| Err(fault.error()))
    }

    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error> {
        Ok(self.state().journal(run, from))
    }

    async fn read_journal(
        &self,
        run: RunId,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, Error> {
        Ok(self.state().read_journal(run, from, limit))
    }

    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error> {
        Ok(self.state().list_runs(&query))
    }

    async fn list_due(
        &self,
        after: Option<Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        Ok(self.state().list_due(after, before, limit))
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Due>, Error> {
        Ok(self.state().claim_due(&claim))
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<bool>, Error> {
        let mut state = self.state();
        Ok(renewals
            .into_iter()
            .map(|renewal| state.renew(renewal))
            .collect())
    }

    async fn settle(&self, finished: Vec<RunId>) -> Result<(), Error> {
        let mut state = self.state();
        finished.into_iter().for_each(|run| state.settle(run));
        Ok(())
    }

    async fn count_runs(&self, of: Vec<Option<WorkflowId>>) -> Result<Vec<RunCounts>, Error> {
        let state = self.state();
        Ok(of.into_iter().map(|of| state.count_runs(of)).collect())
    }

    async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error> {
        let rows = self.state().list_runs(&query.list());
        let stretch = query.stretch_micros();
        let counted = rows.into_iter().map(|row| {
            let since = row.created_at.as_micros() - query.from.as_micros();
            (row.summary.status, since / stretch, 1, row.created_at)
        });
        Ok(query.put_together(counted))
    }

    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error> {
        self.state().plugins.entry(plugin.digest).or_insert(plugin);
        Ok(())
    }

    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error> {
        Ok(self.state().plugins.get(&digest).cloned())
    }

    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error> {
        Ok(self.state().values.get(key).cloned())
    }

    async fn write_value(
        &self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Result<Written, Error> {
        Ok(self.state().write_value(key, value, expected))
    }

    async fn remove_finished(
        &self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        Ok(self.state().remove_finished(finished_before, now, limit))
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn size_bytes(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }
}
