//! Deliveries in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use millwork_core::id::{DeliveryId, RunId};
use millwork_core::time::Timestamp;

use super::Memory;
use crate::{
    Came, Deliveries, Delivery, DeliveryCounts, DeliveryQuery, DeliveryState, DeliveryStep, Error,
    Resend,
};

#[async_trait]
impl Deliveries for Memory {
    async fn hand_over(
        &self,
        finished: Vec<RunId>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Error> {
        let mut state = self.state();
        for delivery in deliveries {
            state.deliveries.entry(delivery.id).or_insert(delivery);
        }
        finished.into_iter().for_each(|run| state.settle(run));
        Ok(())
    }

    async fn next_delivery_due(&self, webhook: &str) -> Result<Option<Timestamp>, Error> {
        let state = self.state();
        let to_it = state
            .deliveries
            .values()
            .filter(|kept| kept.webhook == webhook);
        Ok(to_it.filter_map(|kept| kept.due_at).min())
    }

    async fn claim_deliveries(
        &self,
        webhook: &str,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let deliveries = &mut self.state().deliveries;
        let is_due = |kept: &&mut Delivery| {
            kept.webhook == webhook && kept.due_at.is_some_and(|at| at < before)
        };
        let mut due: Vec<_> = deliveries.values_mut().filter(is_due).collect();
        due.sort_by_key(|kept| (kept.due_at, kept.id));
        let claim = |kept: &mut Delivery| {
            kept.due_at = Some(until);
            kept.attempts += 1;
            kept.clone()
        };
        Ok(due.into_iter().take(limit).map(claim).collect())
    }

    async fn save_deliveries(&self, steps: Vec<DeliveryStep>) -> Result<(), Error> {
        let deliveries = &mut self.state().deliveries;
        for DeliveryStep { id, attempts, came } in steps {
            if came == Came::Delivered {
                deliveries.remove(&id);
                continue;
            }
            let kept = deliveries.get_mut(&id);
            let Some(kept) = kept.filter(|kept| kept.attempts == attempts) else {
                continue;
            };
            match came {
                Came::Delivered => {}
                Came::Again { at, failure } => {
                    kept.due_at = Some(at);
                    kept.failure = Some(failure);
                }
                Came::Exhausted { failure } => {
                    kept.due_at = None;
                    kept.failure = Some(failure);
                }
            }
        }
        Ok(())
    }

    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        Ok(self.state().deliveries.get(&id).cloned())
    }

    async fn list_deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, Error> {
        let state = self.state();
        let listed = state.deliveries.values().rev().filter(|kept| {
            query.after.is_none_or(|after| kept.id < after)
                && query.run.is_none_or(|run| kept.run == run)
                && query.state.is_none_or(|state| kept.state() == state)
                && query
                    .webhook
                    .as_ref()
                    .is_none_or(|webhook| kept.webhook == *webhook)
        });
        Ok(listed.take(query.limit).cloned().collect())
    }

    async fn resend_deliveries(
        &self,
        which: Resend,
        at: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let deliveries = &mut self.state().deliveries;
        let is_meant = |kept: &&mut Delivery| match &which {
            Resend::One(id) => kept.id == *id,
            Resend::Exhausted { webhook } => {
                kept.due_at.is_none()
                    && webhook
                        .as_ref()
                        .is_none_or(|webhook| kept.webhook == *webhook)
            }
        };
        let resent = deliveries.values_mut().filter(is_meant).take(limit);
        let again = |kept: &mut Delivery| {
            kept.due_at = Some(at);
            kept.since = at;
        };
        Ok(resent.map(again).count())
    }

    async fn count_deliveries(&self) -> Result<Vec<DeliveryCounts>, Error> {
        let state = self.state();
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for kept in state.deliveries.values() {
            let (pending, exhausted) = counts.entry(&kept.webhook).or_default();
            match kept.state() {
                DeliveryState::Pending => *pending += 1,
                DeliveryState::Exhausted => *exhausted += 1,
            }
        }
        let counted = counts.into_iter();
        let counted = counted.map(|(webhook, (pending, exhausted))| DeliveryCounts {
            webhook: webhook.to_owned(),
            pending,
            exhausted,
        });
        Ok(counted.collect())
    }

    async fn remove_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        let deliveries = &mut self.state().deliveries;
        let first_kept = DeliveryId::from_parts(before, [0; 10]);
        let old: Vec<DeliveryId> = deliveries
            .range(..first_kept)
            .take(limit)
            .map(|(id, _)| *id)
            .collect();
        old.iter().for_each(|id| drop(deliveries.remove(id)));
        Ok(old.len())
    }
}
