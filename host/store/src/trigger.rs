//! What starts runs when nobody asks for one: schedules, inbound webhooks, Kafka topics.
//!
//! Triggers belong to a version of a workflow and are kept with it, by [`Workflows`](crate::Workflows): a new version takes the
//! place of the triggers of the one before it in the moment in which it becomes the newest, and a workflow that takes no runs
//! has none. What the triggers say beyond their place is in the definition.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps triggers, and says which schedules are due.
#[async_trait]
pub trait Triggers: Send + Sync + 'static {
    /// Lists triggers in the order of their identifiers.
    async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error>;

    /// Finds the inbound webhooks at a path: those of one workflow.
    async fn find_webhooks(&self, path: &str) -> Result<Vec<TriggerId>, Error>;

    /// Says when the next schedule is due.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;

    /// Takes on schedules that are due, so that nobody else who asks is given them before `until`. Of several callers at once
    /// each schedule goes to at most one.
    async fn claim_ticks(
        &self,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Trigger>, Error>;

    /// Moves a schedule from one tick to the next, which is when it is due; nothing where there is none any more. Says whether
    /// it was at that tick.
    async fn move_tick(
        &self,
        id: TriggerId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<bool, Error>;
}

/// Which trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerId {
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub version: u32,
    /// Its place in the definition, from zero.
    pub number: u32,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which.
    pub id: TriggerId,
    /// What starts runs.
    pub kind: TriggerKind,
    /// The path of an inbound webhook, the topic of messages, the times of a schedule as cron writes them.
    pub place: String,
    /// The next time for which a schedule starts a run.
    pub next_at: Option<Timestamp>,
}

/// What starts runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerKind {
    /// The clock.
    Schedule,
    /// Requests.
    Webhook,
    /// Messages.
    Kafka,
}

impl TriggerKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
            Self::Kafka => "kafka",
        }
    }
}

impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of trigger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of trigger: use schedule, webhook or kafka")]
pub struct ParseTriggerKindError(String);

impl FromStr for TriggerKind {
    type Err = ParseTriggerKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Schedule, Self::Webhook, Self::Kafka]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseTriggerKindError(text.to_owned()))
    }
}

/// Which triggers to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerQuery {
    /// Only of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only of this kind.
    pub kind: Option<TriggerKind>,
    /// Only after this one.
    pub after: Option<TriggerId>,
    /// At most so many.
    pub limit: usize,
}

/// Another workflow has the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTaken {
    /// The path.
    pub path: String,
    /// Whose it is.
    pub workflow: WorkflowId,
}
