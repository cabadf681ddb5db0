//! Stories of workflows that change: which version a run is of, on whichever process it begins.

use std::time::Duration;

use millwork::engine::{Error, Trigger, Updated};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::RunStatus;
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Process, open};
use crate::support::harness::{Harness, output, workflow};

/// A definition with one step that says a word.
fn says(word: &str) -> Value {
    json!({"name": "test", "steps": [{"name": "a", "type": "echo", "config": {"word": word}}]})
}

async fn version_of(process: &Process, run: RunId) -> u32 {
    process.run(run).await.run.created().version
}

#[tokio::test]
async fn a_trigger_after_an_update_takes_the_new_version_on_every_process() {
    let cluster = Cluster::new();
    let processes = [cluster.api(), cluster.api(), cluster.worker(open())];
    let id = processes[0].create(json!([])).await;
    // Each of them has run it, and remembers what was the newest.
    for process in &processes {
        let run = process.trigger(id).await;
        assert_eq!(version_of(process, run).await, 1);
    }
    for version in 2..8 {
        let definition = json!({"name": "test", "description": version.to_string(), "steps": []});
        let changed = &processes[usize::try_from(version).expect("small") % 3].engine;
        let updated = changed.update_workflow(id, definition, None).await;
        let is_new = true;
        assert_eq!(updated.expect("it holds"), Updated { version, is_new });
        for process in &processes {
            let run = process.trigger(id).await;
            assert_eq!(version_of(process, run).await, version);
        }
    }
}

#[tokio::test]
async fn a_run_under_way_keeps_its_version() {
    let host = Harness::new();
    let id = host
        .create(workflow(&json!([
            {"name": "nap", "type": "delay", "config": {"duration": 60}},
            {"name": "a", "type": "echo", "config": {"word": "old"}},
        ])))
        .await;
    let old = host.trigger(id, json!({})).await;
    host.settle().await;
    let updated = host.engine.update_workflow(id, says("new"), None).await;
    assert_eq!(updated.expect("it holds").version, 2);
    let new = host.trigger(id, json!({})).await;
    assert_eq!(
        output(&host.succeeded(new).await, "a"),
        json!({"word": "new"})
    );
    host.clock.advance(Duration::from_secs(60));
    assert_eq!(
        output(&host.succeeded(old).await, "a"),
        json!({"word": "old"})
    );
}

#[tokio::test]
async fn what_says_the_same_is_the_same_version() {
    let host = Harness::new();
    let id = host.create(says("a")).await;
    let mut read_back = says("a");
    for (name, value) in [
        ("uuid", json!(id.to_string())),
        ("version", json!(1)),
        ("created_at", json!("2026-01-31T09:00:00.000000Z")),
        ("archived_at", json!(null)),
    ] {
        read_back[name] = value;
    }
    for definition in [says("a"), read_back] {
        let updated = host.engine.update_workflow(id, definition, None).await;
        let same = Updated {
            version: 1,
            is_new: false,
        };
        assert_eq!(updated.expect("it holds"), same);
    }
    let other = host.engine.update_workflow(id, says("b"), None).await;
    assert_eq!(other.expect("it holds").version, 2);
    // Going back is a change too: what was the newest in between stays to be seen.
    let back = host.engine.update_workflow(id, says("a"), None).await;
    assert_eq!(back.expect("it holds").version, 3);
    let listed = host.engine.list_versions(id, None, 10).await;
    let listed = listed.expect("it is there").into_iter();
    assert_eq!(listed.map(|row| row.version).collect::<Vec<_>>(), [3, 2, 1]);
}

#[tokio::test]
async fn nobodys_change_is_written_over_where_a_version_is_expected() {
    let host = Harness::new();
    let id = host.create(says("a")).await;
    let update = |word, expected| host.engine.update_workflow(id, says(word), expected);
    assert_eq!(update("b", Some(1)).await.expect("it holds").version, 2);
    let refused = update("c", Some(1)).await.expect_err("it is at 2");
    assert_eq!(
        refused.to_string(),
        format!("workflow {id} is at version 2, and version 1 was to be changed")
    );
    let several = (0..8).map(|n| {
        let engine = host.engine.clone();
        async move { engine.update_workflow(id, says(&n.to_string()), None).await }
    });
    let several = futures::future::join_all(several).await;
    let mut versions: Vec<u32> = several
        .into_iter()
        .map(|updated| updated.expect("it holds").version)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [3, 4, 5, 6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn a_definition_that_does_not_hold_changes_nothing() {
    let host = Harness::new();
    let id = host.create(says("a")).await;
    let bad = json!({"name": "test", "steps": [{"name": "a", "type": "nonesuch"}]});
    let refused = host.engine.update_workflow(id, bad.clone(), None).await;
    assert!(
        matches!(&refused, Err(Error::InvalidDefinition(problems)) if problems.len() == 1),
        "{refused:?}"
    );
    let checked = host.engine.check_workflow(bad).await;
    assert!(
        matches!(&checked, Err(Error::InvalidDefinition(problems)) if problems[0].path == "/steps/0/type"),
        "{checked:?}"
    );
    let checked = host.engine.check_workflow(says("b")).await;
    assert!(checked.is_ok(), "{checked:?}");
    let view = host.engine.find_workflow(id, None).await;
    assert_eq!(view.expect("it is there").workflow.version, 1);
    let unknown = WorkflowId::from_bytes([9; 16]);
    let refused = host.engine.update_workflow(unknown, says("b"), None).await;
    assert!(matches!(refused, Err(Error::UnknownWorkflow(_))));
}

#[tokio::test]
async fn a_trigger_may_name_a_version() {
    let host = Harness::new();
    let id = host.create(says("one")).await;
    let updated = host.engine.update_workflow(id, says("two"), None).await;
    updated.expect("it holds");
    let trigger = |version, key: Option<&str>| {
        host.engine.trigger(Trigger {
            workflow: id,
            version: Some(version),
            payload: Json::from(json!({})),
            idempotency_key: key.map(str::to_owned),
            labels: millwork_store::Labels::new(),
            trace: None,
        })
    };
    let run = trigger(1, None).await.expect("it is accepted");
    assert_eq!(
        output(&host.succeeded(run).await, "a"),
        json!({"word": "one"})
    );
    let refused = trigger(3, None).await.expect_err("there is none");
    assert_eq!(
        refused.to_string(),
        format!("workflow {id} has no version 3")
    );
    // Another version is another request.
    let first = trigger(1, Some("k")).await.expect("it is accepted");
    assert_eq!(trigger(1, Some("k")).await.expect("it is the same"), first);
    let refused = trigger(2, Some("k")).await;
    assert!(matches!(refused, Err(Error::IdempotencyKeyReused { .. })));
}

#[tokio::test]
async fn an_archived_workflow_lets_its_runs_go_on_and_takes_no_new_ones_anywhere() {
    let cluster = Cluster::new();
    let (one, other) = (cluster.api(), cluster.worker(open()));
    let nap = json!([{"name": "nap", "type": "delay", "config": {"duration": 9}}]);
    let id = one.create(nap.clone()).await;
    let run = other.trigger(id).await;
    cluster.settle().await;
    one.engine.archive_workflow(id).await.expect("it is there");
    for process in [&one, &other] {
        for version in [None, Some(1)] {
            let trigger = Trigger {
                labels: millwork_store::Labels::new(),
                workflow: id,
                version,
                payload: Json::from(json!({})),
                idempotency_key: None,
                trace: None,
            };
            let refused = process.engine.trigger(trigger).await;
            assert!(
                matches!(refused, Err(Error::WorkflowArchived(_))),
                "{refused:?}"
            );
        }
    }
    cluster.pass(Duration::from_secs(11)).await;
    assert_eq!(one.run(run).await.run.status(), RunStatus::Success);
    one.engine.restore_workflow(id).await.expect("it is there");
    other.trigger(id).await;
    // What says the same takes it back too.
    one.engine.archive_workflow(id).await.expect("it is there");
    let same = json!({"name": "test", "steps": nap});
    let updated = other.engine.update_workflow(id, same, None).await;
    assert_eq!(updated.expect("it holds").version, 1);
    one.trigger(id).await;
}

#[tokio::test]
async fn a_workflow_is_deleted_when_its_runs_have_ended_and_they_are_still_shown() {
    let host = Harness::new();
    let nap = json!([{"name": "nap", "type": "delay", "config": {"duration": 60}}]);
    let id = host.create(workflow(&nap)).await;
    let run = host.trigger(id, json!({})).await;
    let refused = host
        .engine
        .delete_workflow(id)
        .await
        .expect_err("it sleeps");
    assert_eq!(
        refused.to_string(),
        format!("workflow {id} cannot be deleted: run {run} of it has not ended")
    );
    host.settle().await;
    host.clock.advance(Duration::from_secs(60));
    host.succeeded(run).await;
    host.engine.delete_workflow(id).await.expect("it has ended");
    for refused in [
        host.engine.delete_workflow(id).await.err(),
        host.engine.archive_workflow(id).await.err(),
        host.engine.find_workflow(id, None).await.err(),
        host.engine.list_versions(id, None, 1).await.err(),
        host.try_trigger(id, json!({}), None).await.err(),
    ] {
        assert!(
            matches!(refused, Some(Error::UnknownWorkflow(_))),
            "{refused:?}"
        );
    }
    // Also by a process that has never seen it.
    let host = host.crash().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Success);
}
