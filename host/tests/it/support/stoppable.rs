//! A process's way to the store, which can be stopped: what `SIGSTOP` and a cut cable look like from inside.

use std::sync::Arc;

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{DeliveryId, JobId, RunId, WorkflowId};
use millwork_core::time::Timestamp;
use millwork_store::limits::{LimitQuery, LimitRow, Turn};
use millwork_store::trigger::{Trigger, TriggerId, TriggerQuery};
use millwork_store::{
    Changed, Claim, Commit, Committed, CountsOverTime, Deleted, Deliveries, Delivery,
    DeliveryCounts, DeliveryQuery, DeliveryStep, Due, Error, Expected, Job, JobStep, Jobs, Limits,
    Memory, NewVersion, OverTime, Plugin, Renewal, Resend, RunCounts, RunQuery, RunRow, Store,
    Stretch, Triggers, Value, ValueKey, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
    Workflows, Written,
};
use tokio::sync::watch;

/// A store in memory, and whether this process gets through to it.
pub(crate) struct Stoppable {
    store: Arc<Memory>,
    is_stopped: watch::Sender<bool>,
}

impl Stoppable {
    pub(crate) fn new(store: Arc<Memory>) -> Self {
        Self {
            store,
            is_stopped: watch::Sender::new(false),
        }
    }

    /// From now on calls wait.
    pub(crate) fn stop(&self) {
        self.is_stopped.send_replace(true);
    }

    /// They go on.
    pub(crate) fn go_on(&self) {
        self.is_stopped.send_replace(false);
    }

    async fn reach(&self) -> &Memory {
        let _ = self
            .is_stopped
            .subscribe()
            .wait_for(|stopped| !stopped)
            .await;
        &self.store
    }
}

#[async_trait]
impl Limits for Stoppable {
    async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error> {
        self.reach().await.list_limits(query).await
    }

    async fn find_turn(&self, run: RunId) -> Result<Option<Turn>, Error> {
        self.reach().await.find_turn(run).await
    }

    async fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Result<Vec<RunId>, Error> {
        let store = self.reach().await;
        store.list_outdone(workflow, key, kept, limit).await
    }
}

#[async_trait]
impl Triggers for Stoppable {
    async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error> {
        self.reach().await.list_triggers(query).await
    }

    async fn find_webhooks(&self, path: &str) -> Result<Vec<TriggerId>, Error> {
        self.reach().await.find_webhooks(path).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.reach().await.next_due().await
    }

    async fn claim_ticks(
        &self,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Trigger>, Error> {
        self.reach().await.claim_ticks(before, until, limit).await
    }

    async fn move_tick(
        &self,
        id: TriggerId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<bool, Error> {
        self.reach().await.move_tick(id, from, to).await
    }
}

#[async_trait]
impl Jobs for Stoppable {
    async fn add_job(&self, job: Job, unfinished_max: usize) -> Result<bool, Error> {
        self.reach().await.add_job(job, unfinished_max).await
    }

    async fn find_job(&self, id: JobId) -> Result<Option<Job>, Error> {
        self.reach().await.find_job(id).await
    }

    async fn list_jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, Error> {
        self.reach().await.list_jobs(after, limit).await
    }

    async fn next_job_due(&self) -> Result<Option<Timestamp>, Error> {
        self.reach().await.next_job_due().await
    }

    async fn claim_job(&self, before: Timestamp, until: Timestamp) -> Result<Option<Job>, Error> {
        self.reach().await.claim_job(before, until).await
    }

    async fn save_job(&self, step: JobStep) -> Result<bool, Error> {
        self.reach().await.save_job(step).await
    }

    async fn cancel_job(&self, id: JobId, at: Timestamp) -> Result<Option<Job>, Error> {
        self.reach().await.cancel_job(id, at).await
    }

    async fn remove_jobs(&self, finished_before: Timestamp, limit: usize) -> Result<usize, Error> {
        let store = self.reach().await;
        store.remove_jobs(finished_before, limit).await
    }
}

#[async_trait]
impl Deliveries for Stoppable {
    async fn hand_over(
        &self,
        finished: Vec<RunId>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Error> {
        self.reach().await.hand_over(finished, deliveries).await
    }

    async fn next_delivery_due(&self, webhook: &str) -> Result<Option<Timestamp>, Error> {
        self.reach().await.next_delivery_due(webhook).await
    }

    async fn claim_deliveries(
        &self,
        webhook: &str,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let store = self.reach().await;
        store.claim_deliveries(webhook, before, until, limit).await
    }

    async fn save_deliveries(&self, steps: Vec<DeliveryStep>) -> Result<(), Error> {
        self.reach().await.save_deliveries(steps).await
    }

    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        self.reach().await.find_delivery(id).await
    }

    async fn list_deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, Error> {
        self.reach().await.list_deliveries(query).await
    }

    async fn resend_deliveries(
        &self,
        which: Resend,
        at: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let store = self.reach().await;
        store.resend_deliveries(which, at, limit).await
    }

    async fn count_deliveries(&self) -> Result<Vec<DeliveryCounts>, Error> {
        self.reach().await.count_deliveries().await
    }

    async fn remove_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        self.reach().await.remove_deliveries(before, limit).await
    }
}

#[async_trait]
impl Store for Stoppable {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error> {
        self.reach().await.commit(commits).await
    }

    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error> {
        self.reach().await.load_journal(run, from).await
    }

    async fn read_journal(
        &self,
        run: RunId,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, Error> {
        self.reach().await.read_journal(run, from, limit).await
    }

    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error> {
        self.reach().await.list_runs(query).await
    }

    async fn list_due(
        &self,
        after: Option<Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        self.reach().await.list_due(after, before, limit).await
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Due>, Error> {
        self.reach().await.claim_due(claim).await
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<bool>, Error> {
        self.reach().await.renew(renewals).await
    }

    async fn settle(&self, finished: Vec<RunId>) -> Result<(), Error> {
        self.reach().await.settle(finished).await
    }

    async fn count_runs(&self, of: Vec<Option<WorkflowId>>) -> Result<Vec<RunCounts>, Error> {
        self.reach().await.count_runs(of).await
    }

    async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error> {
        self.reach().await.count_over_time(query).await
    }

    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error> {
        self.reach().await.insert_plugin(plugin).await
    }

    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error> {
        self.reach().await.find_plugin(digest).await
    }

    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error> {
        self.reach().await.find_value(key).await
    }

    async fn write_value(
        &self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Result<Written, Error> {
        self.reach().await.write_value(key, value, expected).await
    }

    async fn remove_finished(
        &self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        self.reach()
            .await
            .remove_finished(finished_before, now, limit)
            .await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reach().await.ping().await
    }

    async fn size_bytes(&self) -> Result<Option<u64>, Error> {
        self.reach().await.size_bytes().await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Error> {
        self.reach().await.clock().await
    }
}

#[async_trait]
impl Workflows for Stoppable {
    async fn add_version(&self, version: NewVersion) -> Result<Changed, Error> {
        self.reach().await.add_version(version).await
    }

    async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> Result<Option<Workflow>, Error> {
        self.reach().await.find_workflow(id, version).await
    }

    async fn find_head(&self, id: WorkflowId) -> Result<Option<WorkflowHead>, Error> {
        self.reach().await.find_head(id).await
    }

    async fn list_workflows(&self, query: WorkflowQuery) -> Result<Vec<WorkflowHead>, Error> {
        self.reach().await.list_workflows(query).await
    }

    async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        self.reach().await.list_versions(id, before, limit).await
    }

    async fn archive_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<bool, Error> {
        self.reach().await.archive_workflow(id, at).await
    }

    async fn restore_workflow(
        &self,
        id: WorkflowId,
        newest: u32,
        triggers: Vec<Trigger>,
    ) -> Result<Changed, Error> {
        let store = self.reach().await;
        store.restore_workflow(id, newest, triggers).await
    }

    async fn delete_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<Deleted, Error> {
        self.reach().await.delete_workflow(id, at).await
    }

    async fn remove_deleted(
        &self,
        deleted_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        self.reach()
            .await
            .remove_deleted(deleted_before, limit)
            .await
    }
}
