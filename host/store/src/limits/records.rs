//! What is known of keys and of the runs that asked for them, as it lies on the desk and in the tables.

use std::time::Duration;

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

use super::desk::ADMIT_MAX;
use super::{LimitKey, LimitKind, LimitRow};

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) limit: u32,
    /// The span of a rate.
    pub(crate) per: Option<Duration>,
    /// The version of the workflow that said so.
    pub(crate) version: u32,
    /// How many hold a slot.
    pub(crate) held: u32,
    /// How many wait.
    pub(crate) waiting: u32,
    /// The number of the last start.
    pub(crate) started: u64,
    /// From when on a rate remembers nothing that matters.
    pub(crate) idle_at: Option<Timestamp>,
}

impl Counter {
    pub(crate) fn row(&self, key: LimitKey, next_at: Option<Timestamp>) -> LimitRow {
        LimitRow {
            key,
            limit: self.limit,
            per: self.per,
            held: self.held,
            waiting: self.waiting,
            next_at,
        }
    }

    /// How many of those who wait for a slot can be touched by so many who leave or enter. One more is looked at, and the
    /// one who leaves may be the first. `asked` is what the newest version says of the limit, where somebody enters.
    pub(crate) fn slot_heads(&self, asked: Option<u32>, asking: usize) -> usize {
        let limit = asked.map_or(self.limit, |asked| asked.max(self.limit));
        let free = usize::try_from(limit.saturating_sub(self.held)).unwrap_or(usize::MAX);
        self.heads(free.saturating_add(asking), asking)
    }

    /// The same of those who wait for a rate.
    pub(crate) fn rate_heads(&self, asking: usize) -> usize {
        self.heads(usize::MAX, asking)
    }

    fn heads(&self, free: usize, asking: usize) -> usize {
        let waiting = usize::try_from(self.waiting).unwrap_or(usize::MAX);
        let touched = free.min(ADMIT_MAX.saturating_mul(asking));
        waiting.min(touched.saturating_add(asking).saturating_add(1))
    }

    /// The number of the first start that can be looked back to, and how many can.
    pub(crate) fn starts(&self, asked: Option<u32>, asking: usize) -> (u64, usize) {
        let limit = asked.unwrap_or(self.limit);
        let (low, high) = (limit.min(self.limit), limit.max(self.limit));
        let first = (self.started + 1).saturating_sub(u64::from(high));
        let spread = usize::try_from(high - low).unwrap_or(usize::MAX);
        let steps = self.rate_heads(asking).saturating_add(asking);
        (first.max(1), spread.saturating_add(steps).saturating_add(1))
    }

    /// The number of the start to which the next one looks back, where there is one.
    pub(crate) fn looks_back_to(&self) -> Option<u64> {
        (self.started + 1)
            .checked_sub(u64::from(self.limit))
            .filter(|number| *number > 0)
    }
}

/// Where a run stands with its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for a slot.
    AwaitsSlot,
    /// It holds its slot, where it needs one, and waits for its rate.
    AwaitsRate,
    /// It is in.
    In,
}

impl Stage {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitsSlot => "awaits-slot",
            Self::AwaitsRate => "awaits-rate",
            Self::In => "in",
        }
    }
}

/// No stage has this name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no stage of an admission")]
pub(crate) struct ParseStageError(String);

impl std::str::FromStr for Stage {
    type Err = ParseStageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::AwaitsSlot, Self::AwaitsRate, Self::In]
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| ParseStageError(text.to_owned()))
    }
}

/// A run that has asked to be let in, and has not left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) workflow: WorkflowId,
    pub(crate) slot: Option<String>,
    pub(crate) rate: Option<String>,
    pub(crate) priority: u8,
    pub(crate) since: Timestamp,
    pub(crate) stage: Stage,
}

impl Admission {
    pub(super) fn limit_key(&self, kind: LimitKind) -> Option<LimitKey> {
        let key = match kind {
            LimitKind::Concurrency => &self.slot,
            LimitKind::Rate => &self.rate,
        };
        Some(LimitKey {
            workflow: self.workflow,
            kind,
            key: key.clone()?,
        })
    }

    /// The keys that it holds or waits for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = LimitKey> {
        [LimitKind::Concurrency, LimitKind::Rate]
            .into_iter()
            .filter_map(|kind| self.limit_key(kind))
    }

    /// The key in whose queue it stands.
    pub(crate) fn queue(&self) -> Option<LimitKey> {
        match self.stage {
            Stage::AwaitsSlot => self.limit_key(LimitKind::Concurrency),
            Stage::AwaitsRate => self.limit_key(LimitKind::Rate),
            Stage::In => None,
        }
    }
}

/// A place in a queue. Sorts by whose turn comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: u8,
    since: Timestamp,
    pub(super) run: RunId,
}

impl Place {
    pub(super) fn of(run: RunId, admission: &Admission) -> Self {
        Self {
            priority: admission.priority,
            since: admission.since,
            run,
        }
    }
}
