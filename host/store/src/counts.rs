//! How many runs are in each state: kept, and not counted.
//!
//! Whoever writes that a run is in another state than before writes it into the counts too, in the same transaction. Those of all
//! workflows together are kept beside those of each, under an identifier that no workflow has.

use std::collections::BTreeMap;

use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;

/// What the counts of all workflows together are kept under.
pub(crate) const ALL_WORKFLOWS: WorkflowId = WorkflowId::from_bytes([0; 16]);

/// How many runs are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts([u64; RunStatus::ALL.len()]);

impl RunCounts {
    /// How many are in a state.
    #[must_use]
    pub fn of(&self, status: RunStatus) -> u64 {
        self.iter()
            .find(|(known, _)| *known == status)
            .map_or(0, |(_, count)| count)
    }

    /// How many are in each state.
    pub fn iter(&self) -> impl Iterator<Item = (RunStatus, u64)> {
        RunStatus::ALL.into_iter().zip(self.0)
    }

    /// How many have not ended.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.iter()
            .filter(|(status, _)| !status.is_finished())
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn add(&mut self, status: RunStatus, count: u64) {
        let place = RunStatus::ALL.iter().position(|known| *known == status);
        if let Some(kept) = place.and_then(|place| self.0.get_mut(place)) {
            *kept = kept.saturating_add(count);
        }
    }
}

/// By how much counts change, gathered over many writes.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<(WorkflowId, RunStatus), i64>);

impl Changes {
    /// Notes that a run of a workflow is in another state: it is new where there was none before, and gone where there is none
    /// any more.
    pub(crate) fn note(
        &mut self,
        workflow: WorkflowId,
        before: Option<RunStatus>,
        after: Option<RunStatus>,
    ) {
        if before == after {
            return;
        }
        for id in [workflow, ALL_WORKFLOWS] {
            if let Some(before) = before {
                *self.0.entry((id, before)).or_default() -= 1;
            }
            if let Some(after) = after {
                *self.0.entry((id, after)).or_default() += 1;
            }
        }
    }

    /// What changes, and by how much.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkflowId, RunStatus, i64)> {
        let changed = self.0.iter().filter(|(_, change)| **change != 0);
        changed.map(|((workflow, status), change)| (*workflow, *status, *change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_undo_each_other_are_none() {
        let id = WorkflowId::from_bytes([1; 16]);
        let mut changes = Changes::default();
        changes.note(id, None, Some(RunStatus::Pending));
        changes.note(id, Some(RunStatus::Pending), Some(RunStatus::Running));
        changes.note(id, Some(RunStatus::Running), Some(RunStatus::Running));
        let told: Vec<_> = changes.iter().collect();
        let running = RunStatus::Running;
        assert_eq!(told, [(ALL_WORKFLOWS, running, 1), (id, running, 1)]);
        changes.note(id, Some(running), Some(RunStatus::Failed));
        changes.note(id, Some(RunStatus::Failed), None);
        assert_eq!(changes.iter().count(), 0);
    }
}
