//! Triggers in memory.

use async_trait::async_trait;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;

use super::Memory;
use super::state::State;
use crate::Error;
use crate::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery, Triggers};

/// A trigger, and when somebody has to look at it.
#[derive(Debug)]
pub(super) struct Kept {
    trigger: Trigger,
    due_at: Option<Timestamp>,
}

impl State {
    /// Puts the triggers of the newest version of a workflow in the place of those before, or says whose path it is.
    pub(super) fn replace_triggers(
        &mut self,
        workflow: WorkflowId,
        triggers: Vec<Trigger>,
    ) -> Option<PathTaken> {
        for trigger in triggers.iter().filter(|t| t.kind == TriggerKind::Webhook) {
            let others = self.triggers.values().map(|kept| &kept.trigger);
            let taken = others
                .filter(|other| other.kind == TriggerKind::Webhook && other.place == trigger.place)
                .find(|other| other.id.workflow != workflow);
            if let Some(taken) = taken {
                return Some(PathTaken {
                    path: taken.place.clone(),
                    workflow: taken.id.workflow,
                });
            }
        }
        self.triggers.retain(|id, _| id.workflow != workflow);
        for trigger in triggers {
            let due_at = trigger.next_at;
            let kept = Kept { trigger, due_at };
            self.triggers.insert(kept.trigger.id, kept);
        }
        None
    }

    fn list_triggers(&self, query: &TriggerQuery) -> Vec<Trigger> {
        let listed = self.triggers.values().map(|kept| &kept.trigger);
        let listed = listed.filter(|trigger| {
            let workflow = trigger.id.workflow;
            query.workflow.is_none_or(|asked| asked == workflow)
                && query.kind.is_none_or(|kind| kind == trigger.kind)
                && query.after.is_none_or(|after| trigger.id > after)
        });
        listed.take(query.limit).cloned().collect()
    }

    fn claim_ticks(&mut self, before: Timestamp, until: Timestamp, limit: usize) -> Vec<Trigger> {
        let due = self.triggers.values_mut().filter_map(|kept| {
            let due_at = kept.due_at.filter(|at| *at < before)?;
            Some((due_at, kept))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(due_at, kept)| (*due_at, kept.trigger.id));
        due.truncate(limit);
        let claim = |(_, kept): (Timestamp, &mut Kept)| {
            kept.due_at = Some(until);
            kept.trigger.clone()
        };
        due.into_iter().map(claim).collect()
    }

    fn move_tick(&mut self, id: TriggerId, from: Timestamp, to: Option<Timestamp>) -> bool {
        let kept = self.triggers.get_mut(&id);
        let Some(kept) = kept.filter(|kept| kept.trigger.next_at == Some(from)) else {
            return false;
        };
        kept.trigger.next_at = to;
        kept.due_at = to;
        true
    }
}

#[async_trait]
impl Triggers for Memory {
    async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error> {
        Ok(self.state().list_triggers(&query))
    }

    async fn find_webhooks(&self, path: &str) -> Result<Vec<TriggerId>, Error> {
        let state = self.state();
        let found = state.triggers.values().map(|kept| &kept.trigger);
        let found = found.filter(|found| found.kind == TriggerKind::Webhook && found.place == path);
        Ok(found.map(|found| found.id).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let state = self.state();
        Ok(state.triggers.values().filter_map(|kept| kept.due_at).min())
    }

    async fn claim_ticks(
        &self,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Trigger>, Error> {
        Ok(self.state().claim_ticks(before, until, limit))
    }

    async fn move_tick(
        &self,
        id: TriggerId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<bool, Error> {
        Ok(self.state().move_tick(id, from, to))
    }
}
