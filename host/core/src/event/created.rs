//! How a run began: all that it will ever depend on from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;
use crate::digest::Digest;
use crate::id::{RunId, WorkflowId};
use crate::json::Json;
use crate::step::StepKey;
use crate::time::Timestamp;
use crate::trace::TraceContext;

/// How a run began. All that it will ever depend on from outside is named here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCreated {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version of the workflow that this run keeps to its end.
    pub version: u32,
    /// What the trigger carried.
    pub payload: Json,
    /// What each `type` of the definition meant when the run began.
    pub plugins: BTreeMap<String, Pin>,
    /// What it is bound by: it waits to be let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// What started it, where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When it has taken too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The step that it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Texts by their names, by which people find it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The trace that it belongs to, where who started it said so: what it does is told to others as a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// What starts a run when nobody asks for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The clock.
    Schedule {
        /// The times, as cron writes them.
        cron: String,
        /// The time for which it was to begin.
        at: Timestamp,
    },
    /// A request to an inbound webhook.
    Webhook {
        /// Its path.
        path: String,
        /// What tells this delivery from others, where the sender says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<String>,
    },
    /// A message on a topic.
    Kafka {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Its place there.
        offset: i64,
    },
}

/// The step of another run that a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The other run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// How many workflows are around this one.
    pub depth: u32,
    /// Whether the step waits for its end.
    pub waits: bool,
}

/// The exact plugin that a run uses for a `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The plugin's bytes.
    pub digest: Digest,
    /// The action.
    pub action: String,
    /// The plugin's own time limit for an attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The plugin's own number of attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
}
