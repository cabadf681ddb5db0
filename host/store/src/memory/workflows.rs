//! Workflows: their heads and their versions.

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;

use super::Memory;
use super::state::State;
use crate::trigger::Trigger;
use crate::{
    Changed, Deleted, Error, NewVersion, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
    Workflows,
};

/// What is kept of a workflow beside its versions.
#[derive(Debug)]
pub(super) struct Head {
    shown: WorkflowHead,
    search: String,
    deleted_at: Option<Timestamp>,
}

impl State {
    /// Whether a version is the newest of a workflow that takes runs.
    pub(super) fn is_newest(&self, id: WorkflowId, version: u32) -> bool {
        self.head(id)
            .is_some_and(|head| head.newest == version && head.archived_at.is_none())
    }

    fn head(&self, id: WorkflowId) -> Option<&WorkflowHead> {
        let head = self.heads.get(&id).filter(|head| head.deleted_at.is_none());
        head.map(|head| &head.shown)
    }

    fn add_version(&mut self, version: NewVersion) -> Changed {
        let search = version.search_text();
        let NewVersion {
            workflow,
            label,
            labels,
            triggers,
        } = version;
        let before = self.heads.get(&workflow.id);
        let is_next = before.map_or(0, |head| head.shown.newest) + 1 == workflow.version;
        if !is_next || before.is_some_and(|head| head.deleted_at.is_some()) {
            return Changed::Overtaken;
        }
        let shown = WorkflowHead {
            id: workflow.id,
            newest: workflow.version,
            name: workflow.name.clone(),
            label,
            labels,
            created_at: before.map_or(workflow.created_at, |head| head.shown.created_at),
            updated_at: workflow.created_at,
            archived_at: None,
        };
        if let Some(taken) = self.replace_triggers(workflow.id, triggers) {
            return Changed::PathTaken(taken);
        }
        let head = Head {
            shown,
            search,
            deleted_at: None,
        };
        self.heads.insert(workflow.id, head);
        self.versions
            .insert((workflow.id, workflow.version), workflow);
        Changed::Written
    }

    fn find_workflow(&self, id: WorkflowId, version: Option<u32>) -> Option<Workflow> {
        let version = match version {
            Some(version) => version,
            None => self.head(id)?.newest,
        };
        self.versions.get(&(id, version)).cloned()
    }

    fn list_workflows(&self, query: &WorkflowQuery) -> Vec<WorkflowHead> {
        let needle = query.needle();
        let matching = |head: &&Head| {
            let shown = &head.shown;
            head.deleted_at.is_none()
                && (query.with_archived || shown.archived_at.is_none())
                && query.after.is_none_or(|after| shown.id < after)
                && (query.label.is_none() || query.label == shown.label)
                && query.name.as_ref().is_none_or(|name| *name == shown.name)
                && needle
                    .as_ref()
                    .is_none_or(|text| head.search.contains(text))
        };
        let found = self.heads.values().rev().filter(matching);
        found
            .take(query.limit)
            .map(|head| head.shown.clone())
            .collect()
    }

    fn list_versions(&self, id: WorkflowId, before: Option<u32>, limit: usize) -> Vec<VersionRow> {
        if self.head(id).is_none() {
            return Vec::new();
        }
        let versions = self.versions.range((id, 0)..=(id, u32::MAX)).rev();
        let rows = versions
            .map(|(_, workflow)| workflow)
            .filter(|workflow| before.is_none_or(|before| workflow.version < before));
        let rows = rows.take(limit).map(|workflow| VersionRow {
            version: workflow.version,
            name: workflow.name.clone(),
            created_at: workflow.created_at,
        });
        rows.collect()
    }

    fn archive_workflow(&mut self, id: WorkflowId, at: Timestamp) -> bool {
        let head = self.heads.get_mut(&id);
        let Some(head) = head.filter(|head| head.deleted_at.is_none()) else {
            return false;
        };
        head.shown.archived_at.get_or_insert(at);
        self.replace_triggers(id, Vec::new());
        true
    }

    fn restore_workflow(&mut self, id: WorkflowId, newest: u32, triggers: Vec<Trigger>) -> Changed {
        if self.head(id).is_none_or(|head| head.newest != newest) {
            return Changed::Overtaken;
        }
        if let Some(taken) = self.replace_triggers(id, triggers) {
            return Changed::PathTaken(taken);
        }
        if let Some(head) = self.heads.get_mut(&id) {
            head.shown.archived_at = None;
        }
        Changed::Written
    }

    fn delete_workflow(&mut self, id: WorkflowId, at: Timestamp) -> Deleted {
        let unfinished = self.unfinished_of(id);
        match self.heads.get_mut(&id) {
            Some(head) if head.deleted_at.is_none() => match unfinished {
                Some(run) => Deleted::InUse(run),
                None => {
                    head.deleted_at = Some(at);
                    self.replace_triggers(id, Vec::new());
                    Deleted::Deleted
                }
            },
            Some(_) | None => Deleted::Unknown,
        }
    }

    fn remove_deleted(&mut self, deleted_before: Timestamp, limit: usize) -> usize {
        let is_over = |head: &Head| head.deleted_at.is_some_and(|at| at < deleted_before);
        let over = self.heads.iter().filter(|(_, head)| is_over(head));
        let over = over.map(|(id, _)| *id).filter(|id| !self.has_runs_of(*id));
        let over: Vec<WorkflowId> = over.take(limit).collect();
        for id in &over {
            self.heads.remove(id);
            self.versions.retain(|(workflow, _), _| workflow != id);
        }
        over.len()
    }
}

#[async_trait]
impl Workflows for Memory {
    async fn add_version(&self, version: NewVersion) -> Result<Changed, Error> {
        Ok(self.state().add_version(version))
    }

    async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> Result<Option<Workflow>, Error> {
        Ok(self.state().find_workflow(id, version))
    }

    async fn find_head(&self, id: WorkflowId) -> Result<Option<WorkflowHead>, Error> {
        Ok(self.state().head(id).cloned())
    }

    async fn list_workflows(&self, query: WorkflowQuery) -> Result<Vec<WorkflowHead>, Error> {
        Ok(self.state().list_workflows(&query))
    }

    async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        Ok(self.state().list_versions(id, before, limit))
    }

    async fn archive_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<bool, Error> {
        Ok(self.state().archive_workflow(id, at))
    }

    async fn restore_workflow(
        &self,
        id: WorkflowId,
        newest: u32,
        triggers: Vec<Trigger>,
    ) -> Result<Changed, Error> {
        Ok(self.state().restore_workflow(id, newest, triggers))
    }

    async fn delete_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<Deleted, Error> {
        Ok(self.state().delete_workflow(id, at))
    }

    async fn remove_deleted(
        &self,
        deleted_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        Ok(self.state().remove_deleted(deleted_before, limit))
    }
}
