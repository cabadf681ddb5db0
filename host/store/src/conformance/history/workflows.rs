//! What is done to workflows in a random history.

use std::fmt::Debug;

use millwork_core::id::WorkflowId;

use super::super::sample::{at, workflow};
use crate::chance::Chance;
use crate::trigger::{Trigger, TriggerId, TriggerKind, TriggerQuery};
use crate::{Labels, NewVersion, Store, Workflow, WorkflowQuery};

/// Paths are few, so that workflows want each other's.
fn some_triggers(chance: &mut Chance, workflow: WorkflowId, version: u32) -> Vec<Trigger> {
    let count = u32::try_from(chance.below(3)).expect("small");
    let trigger = |number| Trigger {
        id: TriggerId {
            workflow,
            version,
            number,
        },
        kind: TriggerKind::Webhook,
        place: format!("path {}", chance.below(4)),
        next_at: None,
    };
    (0..count).map(trigger).collect()
}

/// Somebody writes a version, sets a workflow aside or deletes it, or looks. Says what, and what both answered.
pub(super) async fn define(
    chance: &mut Chance,
    clock: i64,
    store: &dyn Store,
    model: &dyn Store,
) -> (&'static str, String, String) {
    let id = workflow(u8::try_from(chance.below(3)).expect("small"));
    let both =
        |told: &dyn Debug, expected: &dyn Debug| (format!("{told:?}"), format!("{expected:?}"));
    let (what, (told, expected)) = match chance.below(9) {
        0..=2 => {
            let version = u32::try_from(chance.below(5)).expect("small");
            let new = NewVersion {
                workflow: Workflow {
                    id,
                    version,
                    name: format!("name {}", chance.below(3)),
                    definition: format!("{{\"{}\":1}}", chance.next()),
                    created_at: at(clock),
                },
                label: (chance.below(2) == 0).then(|| format!("label {}", chance.below(2))),
                labels: Labels::new(),
                triggers: some_triggers(chance, id, version),
            };
            let told = store.add_version(new.clone()).await.unwrap();
            (
                "a version",
                both(&told, &model.add_version(new).await.unwrap()),
            )
        }
        3 if chance.below(2) == 0 => {
            let told = store.archive_workflow(id, at(clock)).await.unwrap();
            let expected = model.archive_workflow(id, at(clock)).await.unwrap();
            ("an archived workflow", both(&told, &expected))
        }
        3 => {
            let version = u32::try_from(chance.below(5)).expect("small");
            let triggers = some_triggers(chance, id, version);
            let told = store.restore_workflow(id, version, triggers.clone());
            let told = told.await.unwrap();
            let expected = model.restore_workflow(id, version, triggers).await.unwrap();
            ("a workflow taken back", both(&told, &expected))
        }
        4 if chance.below(4) == 0 => {
            let told = store.delete_workflow(id, at(clock)).await.unwrap();
            let expected = model.delete_workflow(id, at(clock)).await.unwrap();
            ("a deleted workflow", both(&told, &expected))
        }
        5 => {
            let told = store.remove_deleted(at(clock), 2).await.unwrap();
            let expected = model.remove_deleted(at(clock), 2).await.unwrap();
            ("what is left of workflows", both(&told, &expected))
        }
        6 => {
            let version = (chance.below(2) == 0).then_some(1);
            let told = store.find_workflow(id, version).await.unwrap();
            let expected = model.find_workflow(id, version).await.unwrap();
            ("a workflow", both(&told, &expected))
        }
        7 => {
            let query = TriggerQuery {
                workflow: None,
                kind: None,
                after: None,
                limit: 20,
            };
            let told = store.list_triggers(query.clone()).await.unwrap();
            let expected = model.list_triggers(query).await.unwrap();
            ("triggers", both(&told, &expected))
        }
        _ => {
            let query = WorkflowQuery {
                label: (chance.below(3) == 0).then(|| "label 1".to_owned()),
                text: (chance.below(3) == 0).then(|| "E 1".to_owned()),
                with_archived: chance.below(2) == 0,
                limit: 2,
                ..WorkflowQuery::default()
            };
            let told = store.list_workflows(query.clone()).await.unwrap();
            let expected = model.list_workflows(query).await.unwrap();
            ("workflows", both(&told, &expected))
        }
    };
    (what, told, expected)
}
