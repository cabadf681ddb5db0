//! Workflows as the store keeps them: versions, which never change, and one head a workflow, which says which is the newest.

use std::collections::BTreeMap;

use async_trait::async_trait;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

use crate::Error;
use crate::trigger::{PathTaken, Trigger};

/// PORT: keeps workflows.
///
/// What [`Store`](crate::Store) says of errors and of dropped futures holds here too. A workflow that was deleted is not
/// there any more, except for its versions when they are asked for by number: runs that have ended are still shown with them.
#[async_trait]
pub trait Workflows: Send + Sync + 'static {
    /// Keeps the next version of a workflow, or the first of a new one, and makes it the newest; its triggers take the place of
    /// those before. All in one step. An archived workflow takes runs again. It is overtaken where the number is not the one
    /// after the newest, because somebody else was faster, or the workflow was deleted.
    async fn add_version(&self, version: NewVersion) -> Result<Changed, Error>;

    /// Finds a version of a workflow; the newest where none is named.
    async fn find_workflow(
        &self,
        id: WorkflowId,
        version: Option<u32>,
    ) -> Result<Option<Workflow>, Error>;

    /// Finds what is said of a workflow over all its versions.
    async fn find_head(&self, id: WorkflowId) -> Result<Option<WorkflowHead>, Error>;

    /// Lists workflows, the latest created first.
    async fn list_workflows(&self, query: WorkflowQuery) -> Result<Vec<WorkflowHead>, Error>;

    /// Lists the versions of a workflow, the newest first, those before a number.
    async fn list_versions(
        &self,
        id: WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error>;

    /// Sets a workflow aside, so that it takes no new runs, and removes its triggers. One that is set aside already keeps its
    /// time. Says whether there is such a workflow.
    async fn archive_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<bool, Error>;

    /// Takes a workflow back that was set aside, with the triggers of its newest version. It is overtaken where that is another
    /// one, or there is no such workflow. Taking it back again changes nothing.
    async fn restore_workflow(
        &self,
        id: WorkflowId,
        newest: u32,
        triggers: Vec<Trigger>,
    ) -> Result<Changed, Error>;

    /// Deletes a workflow of which no run is unfinished, and its triggers. Its versions stay until [`Self::remove_deleted`] finds
    /// no run of it. A run that is being created at the same moment may get through; it goes on to its end.
    async fn delete_workflow(&self, id: WorkflowId, at: Timestamp) -> Result<Deleted, Error>;

    /// Removes what is left of workflows that were deleted before a time and of which there are no runs any more, at most `limit`
    /// a call. Returns how many.
    async fn remove_deleted(&self, deleted_before: Timestamp, limit: usize)
    -> Result<usize, Error>;
}

/// Texts by their names, by which people find things.
pub type Labels = BTreeMap<String, String>;

/// A version of a workflow, which never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// Which workflow.
    pub id: WorkflowId,
    /// Which version, from one.
    pub version: u32,
    /// Its name, for lists.
    pub name: String,
    /// The definition, as JSON.
    pub definition: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A version that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// The version.
    pub workflow: Workflow,
    /// The author's own identifier.
    pub label: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// What starts runs of it when nobody asks for one.
    pub triggers: Vec<Trigger>,
}

/// What became of a change of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is written.
    Written,
    /// Nothing is written: the workflow is not where the change expected it.
    Overtaken,
    /// Nothing is written: another workflow has the path of an inbound webhook.
    PathTaken(PathTaken),
}

/// A workflow over all its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowHead {
    /// Which workflow.
    pub id: WorkflowId,
    /// The version that new runs take.
    pub newest: u32,
    /// Its name, as the newest version says.
    pub name: String,
    /// The author's own identifier.
    pub label: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// When its first version was created.
    pub created_at: Timestamp,
    /// When its newest version was created.
    pub updated_at: Timestamp,
    /// Since when it takes no new runs, where it was set aside.
    pub archived_at: Option<Timestamp>,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// Which version.
    pub version: u32,
    /// The workflow's name in it.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Which workflows to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowQuery {
    /// Only with this author's identifier.
    pub label: Option<String>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only where the name, the author's identifier or a label (`key=value`) has this in it, however the letters are written.
    pub text: Option<String>,
    /// Also those that were set aside.
    pub with_archived: bool,
    /// Only beyond this one, in the order of the list.
    pub after: Option<WorkflowId>,
    /// At most so many.
    pub limit: usize,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is deleted.
    Deleted,
    /// There is no such workflow.
    Unknown,
    /// It stays: this run of it is not finished.
    InUse(RunId),
}

impl NewVersion {
    /// What a search looks through: lines of small letters.
    pub(crate) fn search_text(&self) -> String {
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let lines = [self.workflow.name.clone()]
            .into_iter()
            .chain(self.label.clone());
        let lines: Vec<_> = lines.chain(labels).collect();
        lines.join("\n").to_lowercase()
    }
}

impl WorkflowQuery {
    /// The text to look for, as [`NewVersion::search_text`] writes it.
    pub(crate) fn needle(&self) -> Option<String> {
        self.text.as_ref().map(|text| text.to_lowercase())
    }
}
