//! What starts runs when nobody asks for one, version by version.
//!
//! The triggers of a version are kept before the version is. They count when it is the newest: whoever acts on one asks for
//! that, and so a new version takes the place of the triggers before it in the moment in which it becomes the newest.

use std::sync::Arc;
use std::time::Duration;

use millwork_core::definition::{Problem, ScheduleTrigger, Trigger as Defined};
use millwork_core::graph::Graph;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;
use millwork_store::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery};

use super::definitions::Compiled;
use super::{Engine, Error};
use crate::cron::Times;

/// How old a workflow has to be for its absence to mean that it was never kept.
const IN_THE_MAKING: Duration = Duration::from_secs(60);

/// Triggers of all versions of a workflow that are looked at.
const VERSIONS_MAX: usize = 1_000;

impl Engine {
    /// Keeps the triggers of a version of a workflow that is about to be the newest. A schedule that was there before goes on
    /// from where it stands.
    pub(super) async fn put_triggers(
        &self,
        workflow: WorkflowId,
        version: u32,
        graph: &Graph,
    ) -> Result<(), Error> {
        if graph.triggers.is_empty() {
            return Ok(());
        }
        self.refuse_topics(graph)?;
        let now = self.0.clock.now();
        let before = self.0.store.list_triggers(TriggerQuery {
            workflow: Some(workflow),
            kind: Some(TriggerKind::Schedule),
            after: None,
            limit: VERSIONS_MAX,
        });
        let before = before.await?;
        let triggers = (0..).zip(&graph.triggers).map(|(number, defined)| {
            let id = TriggerId {
                workflow,
                version,
                number,
            };
            keep(id, defined, &before, now)
        });
        let triggers: Vec<_> = triggers.collect();
        let mut taken = self.0.store.put_triggers(triggers.clone()).await?;
        if let Some(PathTaken { workflow, .. }) = &taken
            && self.was_never_kept(*workflow).await?
        {
            self.0.store.remove_triggers(*workflow, None).await?;
            taken = self.0.store.put_triggers(triggers.clone()).await?;
        }
        if let Some(PathTaken { path, workflow }) = taken {
            let number = triggers.iter().position(|trigger| trigger.place == path);
            let place = format!("/triggers/{}/path", number.unwrap_or_default());
            let message = format!(
                "is the path \"{path}\" of workflow {workflow} already; each workflow needs its own"
            );
            return Err(Error::InvalidDefinition(vec![Problem::new(place, message)]));
        }
        Ok(())
    }

    /// Without Kafka nobody reads topics, so a workflow that waits for one would wait for ever.
    fn refuse_topics(&self, graph: &Graph) -> Result<(), Error> {
        if self.0.bus.is_shared() {
            return Ok(());
        }
        let topics = graph.triggers.iter().enumerate();
        let problems = topics.filter(|(_, trigger)| matches!(trigger, Defined::Kafka(_)));
        let problems: Vec<_> = problems
            .map(|(number, _)| {
                let message = "\"kafka\" needs a host that runs with Kafka (`bus = \"kafka\"` in its configuration), and this one does not: have the messages sent to an inbound webhook";
                Problem::new(format!("/triggers/{number}/type"), message)
            })
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::InvalidDefinition(problems)),
        }
    }

    /// Removes the triggers of older versions of a workflow, now that one is the newest.
    pub(super) async fn settle_triggers(&self, workflow: WorkflowId, kept: Option<u32>) {
        if let Err(error) = self.0.store.remove_triggers(workflow, kept).await {
            // They count for nothing, and are removed when somebody meets them.
            tracing::warn!(
                workflow.id = %workflow,
                error = &error as &dyn std::error::Error,
                "could not remove the triggers of older versions"
            );
        }
        self.0.schedules_changed.notify_waiters();
    }

    /// A host that died between keeping the triggers and the workflow leaves triggers of nothing behind.
    async fn was_never_kept(&self, workflow: WorkflowId) -> Result<bool, Error> {
        let is_there = self.0.store.find_workflow(workflow, None).await?.is_some();
        let age = self.0.clock.now().since(made_at(workflow));
        Ok(!is_there && age > IN_THE_MAKING)
    }

    /// Finds the version of a workflow to which a trigger belongs, where that is the newest; what is left of older versions, and
    /// of workflows that are gone, is removed by the way.
    pub(super) async fn find_effective(
        &self,
        id: TriggerId,
    ) -> Result<Option<Arc<Compiled>>, Error> {
        let parts = &self.0;
        let newest = parts.store.find_workflow(id.workflow, None).await?;
        let Some(newest) = newest.map(|workflow| workflow.version) else {
            if self.was_never_kept(id.workflow).await? {
                self.settle_triggers(id.workflow, None).await;
            }
            return Ok(None);
        };
        match newest.cmp(&id.version) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                self.settle_triggers(id.workflow, Some(newest)).await;
                return Ok(None);
            }
            // It is about to be kept.
            std::cmp::Ordering::Less => return Ok(None),
        }
        parts
            .definitions
            .find(id.workflow, id.version)
            .await
            .map(Some)
    }

    /// Lists triggers.
    ///
    /// # Errors
    /// The store.
    pub async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error> {
        Ok(self.0.store.list_triggers(query).await?)
    }

    /// Finds what a definition says of a trigger. Nothing where its version is not the newest.
    ///
    /// # Errors
    /// The store, or a definition that cannot be read.
    pub async fn find_schedule(&self, id: TriggerId) -> Result<Option<ScheduleTrigger>, Error> {
        let Some(compiled) = self.find_effective(id).await? else {
            return Ok(None);
        };
        let number = usize::try_from(id.number).unwrap_or(usize::MAX);
        Ok(match compiled.graph.triggers.get(number) {
            Some(Defined::Schedule(schedule)) => Some(schedule.clone()),
            Some(Defined::Webhook(_) | Defined::Kafka(_)) | None => None,
        })
    }
}

/// An identifier begins with the milliseconds of its time.
pub(super) fn made_at(workflow: WorkflowId) -> Timestamp {
    let millis = workflow.as_bytes()[..6]
        .iter()
        .fold(0, |millis, byte| millis << 8 | i64::from(*byte));
    Timestamp::from_micros(millis * 1_000)
}

fn keep<C>(id: TriggerId, defined: &Defined<C>, before: &[Trigger], now: Timestamp) -> Trigger {
    match defined {
        Defined::Schedule(schedule) => {
            // The zone belongs to it: 9 o'clock elsewhere is another time.
            let place = match &schedule.timezone {
                Some(zone) => format!("{} {zone}", schedule.cron),
                None => schedule.cron.clone(),
            };
            let stands_at = before.iter().rev().find(|known| known.place == place);
            let next_at = match stands_at {
                Some(known) => known.next_at,
                None => Times::read(schedule)
                    .ok()
                    .and_then(|times| times.next_after(now)),
            };
            Trigger {
                id,
                kind: TriggerKind::Schedule,
                place,
                next_at,
            }
        }
        Defined::Webhook(webhook) => Trigger {
            id,
            kind: TriggerKind::Webhook,
            place: webhook.path.clone(),
            next_at: None,
        },
        Defined::Kafka(kafka) => Trigger {
            id,
            kind: TriggerKind::Kafka,
            place: kafka.topic.clone(),
            next_at: None,
        },
    }
}
