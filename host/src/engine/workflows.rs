//! Workflows: their versions are written, looked for and put away.

use millwork_core::graph::Graph;
use millwork_core::id::WorkflowId;
use millwork_store::{
    Changed, Deleted, NewVersion, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
};
use serde_json::Value;

use super::triggers::{path_taken, refuse_topics};
use super::{Engine, Error};
use crate::random;

/// What answers carry beside the definition. Clients send back what they read, so this was never part of it.
const OURS: [&str; 5] = ["uuid", "version", "created_at", "updated_at", "archived_at"];

/// A version of a workflow, and what is said of the workflow over all of them.
#[derive(Clone, Debug)]
pub struct WorkflowView {
    /// The version.
    pub workflow: Workflow,
    /// The workflow.
    pub head: WorkflowHead,
}

/// What became of a definition that was to be the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The version that has it.
    pub version: u32,
    /// Whether that was written now; else it was the newest already.
    pub is_new: bool,
}

impl Engine {
    /// Checks a definition whole and keeps it as the first version of a new workflow.
    ///
    /// # Errors
    /// Everything that is wrong with the definition; or the store.
    pub async fn create_workflow(&self, mut document: Value) -> Result<WorkflowId, Error> {
        let parts = &self.0;
        remove_ours(&mut document);
        let graph = self.check(&document).await?;
        let created_at = parts.clock.now();
        let id = random::workflow_id(created_at);
        let workflow = Workflow {
            id,
            version: 1,
            name: graph.name.clone(),
            definition: document.to_string(),
            created_at,
        };
        if !self.add_version(workflow, &document, graph).await? {
            // The random part of the identifier has come up twice. It has not happened yet.
            return Err(Error::Store(millwork_store::Error::Damaged {
                what: "a new workflow",
                detail: format!("the identifier {id} exists already"),
            }));
        }
        tracing::debug!(workflow.id = %id, "workflow created");
        Ok(id)
    }

    /// Makes a definition the newest version of a workflow. One that says what the newest says already is that version. An
    /// archived workflow takes runs again.
    ///
    /// # Errors
    /// Where there is no such workflow, its newest version is not the one that was expected, or the definition does not hold,
    /// with everything that is wrong with it; or the store.
    pub async fn update_workflow(
        &self,
        id: WorkflowId,
        mut document: Value,
        expected: Option<u32>,
    ) -> Result<Updated, Error> {
        let parts = &self.0;
        remove_ours(&mut document);
        loop {
            let WorkflowView { workflow, head } = self.find_workflow(id, None).await?;
            let newest = head.newest;
            if let Some(expected) = expected.filter(|expected| *expected != newest) {
                return Err(Error::WorkflowChanged {
                    workflow: id,
                    expected,
                    newest,
                });
            }
            if read(&workflow)? == document {
                if head.archived_at.is_some() {
                    self.restore_workflow(id).await?;
                }
                return Ok(Updated {
                    version: newest,
                    is_new: false,
                });
            }
            let graph = self.check(&document).await?;
            let version = newest + 1;
            let workflow = Workflow {
                id,
                version,
                name: graph.name.clone(),
                definition: document.to_string(),
                created_at: parts.clock.now(),
            };
            // Where somebody else was faster: look again what is the newest now.
            if self.add_version(workflow, &document, graph).await? {
                tracing::debug!(workflow.id = %id, workflow.version = version, "workflow updated");
                return Ok(Updated {
                    version,
                    is_new: true,
                });
            }
        }
    }

    /// Keeps a version that was checked, with its triggers. Says whether it is the one after the newest.
    async fn add_version(
        &self,
        workflow: Workflow,
        document: &Value,
        graph: Graph,
    ) -> Result<bool, Error> {
        let parts = &self.0;
        let (id, version) = (workflow.id, workflow.version);
        let triggers = self.triggers_of(id, version, &graph).await?;
        let new = NewVersion {
            workflow,
            label: document["id"].as_str().map(str::to_owned),
            labels: graph.labels.clone(),
            triggers: triggers.clone(),
        };
        match parts.store.add_version(new).await? {
            Changed::Written => {
                parts.definitions.keep(id, version, graph);
                parts.schedules_changed.notify_waiters();
                Ok(true)
            }
            Changed::Overtaken => Ok(false),
            Changed::PathTaken(taken) => Err(path_taken(&taken, &triggers)),
        }
    }

    /// Checks a definition whole, and keeps nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn check_workflow(&self, mut document: Value) -> Result<(), Error> {
        remove_ours(&mut document);
        self.check(&document).await.map(|_| ())
    }

    async fn check(&self, document: &Value) -> Result<Graph, Error> {
        let checked = self.0.definitions.check(document).await;
        let unread = match self.0.bus.is_shared() {
            true => Vec::new(),
            false => refuse_topics(document),
        };
        match checked {
            Ok(graph) if unread.is_empty() => Ok(graph),
            checked => {
                let mut problems = checked.err().unwrap_or_default();
                problems.extend(unread);
                problems.sort();
                Err(Error::InvalidDefinition(problems))
            }
        }
    }

    /// Finds a version of a workflow; the newest where none is named.
    ///
    /// # Errors
    /// Where there is no such workflow, or it has no such version; or the store.
    pub async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> Result<WorkflowView, Error> {
        let store = &self.0.store;
        let head = store.find_head(id).await?;
        let head = head.ok_or(Error::UnknownWorkflow(id))?;
        let version = version.unwrap_or(head.newest);
        let workflow = store.find_workflow(id, Some(version)).await?;
        let workflow = workflow.ok_or(Error::UnknownVersion {
            workflow: id,
            version,
        })?;
        Ok(WorkflowView { workflow, head })
    }

    /// Lists workflows.
    ///
    /// # Errors
    /// The store.
    pub async fn list_workflows(&self, query: WorkflowQuery) -> Result<Vec<WorkflowHead>, Error> {
        Ok(self.0.store.list_workflows(query).await?)
    }

    /// Lists the versions of a workflow, the newest first, those before a number.
    ///
    /// # Errors
    /// Where there is no such workflow; or the store.
    pub async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        let rows = self.0.store.list_versions(id, before, limit).await?;
        if rows.is_empty() && self.0.store.find_head(id).await?.is_none() {
            return Err(Error::UnknownWorkflow(id));
        }
        Ok(rows)
    }

    /// Sets a workflow aside: it takes no new runs, its triggers end, and its runs go on.
    ///
    /// # Errors
    /// Where there is no such workflow; or the store.
    pub async fn archive_workflow(&self, id: WorkflowId) -> Result<(), Error> {
        let parts = &self.0;
        let is_there = parts.store.archive_workflow(id, parts.clock.now()).await?;
        parts.definitions.forget_newest(id);
        is_there.then_some(()).ok_or(Error::UnknownWorkflow(id))
    }

    /// Takes a workflow back that was set aside. Its schedules begin anew: what has passed meanwhile is not made up for.
    ///
    /// # Errors
    /// Where there is no such workflow, or another one has a path of its inbound webhooks by now; or the store.
    pub async fn restore_workflow(&self, id: WorkflowId) -> Result<(), Error> {
        let parts = &self.0;
        loop {
            let head = parts.store.find_head(id).await?;
            let newest = head.ok_or(Error::UnknownWorkflow(id))?.newest;
            let compiled = parts.definitions.find(id, newest).await?;
            let triggers = self.triggers_of(id, newest, &compiled.graph).await?;
            let restored = parts.store.restore_workflow(id, newest, triggers.clone());
            match restored.await? {
                Changed::Written => break,
                // There is a newer version by now: look again.
                Changed::Overtaken => {}
                Changed::PathTaken(taken) => return Err(path_taken(&taken, &triggers)),
            }
        }
        parts.definitions.forget_newest(id);
        parts.schedules_changed.notify_waiters();
        Ok(())
    }

    /// Deletes a workflow of which every run has ended. What has ended is still shown.
    ///
    /// # Errors
    /// Where there is no such workflow, or a run of it has not ended; or the store.
    pub async fn delete_workflow(&self, id: WorkflowId) -> Result<(), Error> {
        let parts = &self.0;
        let deleted = parts.store.delete_workflow(id, parts.clock.now()).await?;
        parts.definitions.forget_newest(id);
        match deleted {
            Deleted::Deleted => Ok(()),
            Deleted::Unknown => Err(Error::UnknownWorkflow(id)),
            Deleted::InUse(run) => Err(Error::WorkflowInUse { workflow: id, run }),
        }
    }
}

fn read(workflow: &Workflow) -> Result<Value, Error> {
    serde_json::from_str(&workflow.definition).map_err(|error| {
        Error::Store(millwork_store::Error::Damaged {
            what: "a workflow definition",
            detail: error.to_string(),
        })
    })
}

fn remove_ours(document: &mut Value) {
    if let Some(fields) = document.as_object_mut() {
        for name in OURS {
            fields.shift_remove(name);
        }
    }
}
