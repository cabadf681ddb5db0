//! What keeps a run from going on.

use millwork_store::limits::Turn;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::json::Time;
use super::super::limits::LimitKind;
use super::waiting::WaitingFor;

/// What a run waits for: a limit of its workflow that has not let it begin, or what a step of it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RunWait<'a> {
    /// A limit.
    Limit(LimitWait<'a>),
    /// What a step waits for.
    Step(WaitingFor<'a>),
}

/// A place in the queue of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LimitWait<'a> {
    /// Always `limit`.
    #[schema(example = "limit")]
    kind: &'static str,
    /// When the rate lets the next run begin; null where no clock says.
    #[schema(required)]
    until: Option<Time>,
    /// What is limited.
    limit: LimitKind,
    /// The key that is full.
    #[schema(example = "customer-7")]
    key: &'a str,
    /// Its place in the queue, from one.
    #[schema(example = 3)]
    position: u32,
    /// How many wait in the queue.
    #[schema(example = 12)]
    waiting: u32,
    /// How many runs of the key are under way, where that is what is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    running: Option<u32>,
    /// How many may.
    #[schema(example = 1)]
    allowed: u32,
    /// Since when it waits.
    since: Time,
    /// Its priority: 1 before 5.
    #[schema(example = 3)]
    priority: u8,
}

impl<'a> LimitWait<'a> {
    pub(super) fn of(turn: &'a Turn) -> Self {
        let Turn {
            limit,
            position,
            since,
            priority,
        } = turn;
        let kind = LimitKind::from(limit.key.kind);
        Self {
            kind: "limit",
            until: limit.next_at.map(Time),
            limit: kind,
            key: &limit.key.key,
            position: *position,
            waiting: limit.waiting,
            running: (kind == LimitKind::Concurrency).then_some(limit.held),
            allowed: limit.limit,
            since: Time(*since),
            priority: *priority,
        }
    }
}
