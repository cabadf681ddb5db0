//! Workflows as the store keeps them.

use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;

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
