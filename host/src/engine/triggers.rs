//! What starts runs when nobody asks for one, version by version.
//!
//! The triggers of a version are kept with it, and take the place of those before in the moment in which it becomes the newest.
//! Whoever acts on one asks in the run's commit that its version still is.

use std::sync::Arc;

use millwork_core::definition::{Problem, ScheduleTrigger, Trigger as Defined};
use millwork_core::graph::Graph;
use millwork_core::id::WorkflowId;
use millwork_core::time::Timestamp;
use millwork_store::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery};
use serde_json::Value;

use super::definitions::Compiled;
use super::{Engine, Error};
use crate::cron::Times;

/// Schedules of a workflow that are looked at: more than a definition may have.
const TRIGGERS_MAX: usize = 1_000;

impl Engine {
    /// The triggers of a version of a workflow, as they are kept with it. A schedule that is there already goes on from where it
    /// stands.
    pub(super) async fn triggers_of(
        &self,
        workflow: WorkflowId,
        version: u32,
        graph: &Graph,
    ) -> Result<Vec<Trigger>, Error> {
        if graph.triggers.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.0.store.list_triggers(TriggerQuery {
            workflow: Some(workflow),
            kind: Some(TriggerKind::Schedule),
            after: None,
            limit: TRIGGERS_MAX,
        });
        let (before, now) = (before.await?, self.0.clock.now());
        let triggers = (0..).zip(&graph.triggers).map(|(number, defined)| {
            let id = TriggerId {
                workflow,
                version,
                number,
            };
            keep(id, defined, &before, now)
        });
        Ok(triggers.collect())
    }

    /// Finds the version of a workflow to which a trigger belongs. It was the newest when the trigger was read; the commit that
    /// creates a run looks whether it still is.
    pub(super) async fn find_of(&self, id: TriggerId) -> Result<Arc<Compiled>, Error> {
        self.0.definitions.find(id.workflow, id.version).await
    }

    /// Lists triggers.
    ///
    /// # Errors
    /// The store.
    pub async fn list_triggers(&self, query: TriggerQuery) -> Result<Vec<Trigger>, Error> {
        Ok(self.0.store.list_triggers(query).await?)
    }

    /// Finds what a definition says of a schedule.
    ///
    /// # Errors
    /// The store, or a definition that cannot be read.
    pub async fn find_schedule(&self, id: TriggerId) -> Result<Option<ScheduleTrigger>, Error> {
        let compiled = self.find_of(id).await?;
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

/// Another workflow has a path of the definition's.
pub(super) fn path_taken(taken: &PathTaken, triggers: &[Trigger]) -> Error {
    let PathTaken { path, workflow } = taken;
    let number = triggers.iter().position(|trigger| trigger.place == *path);
    let place = format!("/triggers/{}/path", number.unwrap_or_default());
    let message = format!(
        "is the path \"{path}\" of workflow {workflow} already; each workflow needs its own"
    );
    Error::InvalidDefinition(vec![Problem::new(place, message)])
}

/// Without Kafka nobody reads topics, so a workflow that waits for one would wait for ever.
pub(super) fn refuse_topics(document: &Value) -> Vec<Problem> {
    let triggers = document["triggers"].as_array().into_iter().flatten();
    let topics = triggers
        .enumerate()
        .filter(|(_, trigger)| trigger["type"] == "kafka");
    let problems = topics.map(|(number, _)| {
        let message = "\"kafka\" needs a host that runs with Kafka (`bus = \"kafka\"` in its configuration), and this one does not: have the messages sent to an inbound webhook";
        Problem::new(format!("/triggers/{number}/type"), message)
    });
    problems.collect()
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
