//! Triggers of workflows that change: the newest version's start runs, and no others do.

use std::time::Duration;

use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_store::{Order, RunQuery, RunRow};
use serde_json::{Value, json};

use crate::support::harness::Harness;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn started_by(triggers: &Value) -> Value {
    json!({"name": "n", "triggers": triggers, "steps": [{"name": "a", "type": "echo"}]})
}

fn hourly() -> Value {
    json!({"type": "schedule", "cron": "0 * * * *", "missed": "run-all"})
}

async fn runs(host: &Harness, workflow: WorkflowId) -> Vec<RunRow> {
    host.settle().await;
    let query = RunQuery {
        workflow: Some(workflow),
        statuses: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::OldestFirst,
        limit: 1_000,
    };
    host.engine.list_runs(query).await.expect("memory answers")
}

async fn pass(host: &Harness, hours: u32) {
    for _ in 0..hours {
        host.clock.advance(HOUR);
        host.settle().await;
    }
}

#[tokio::test]
async fn the_schedules_of_a_new_version_take_the_place_of_those_before() {
    let host = Harness::new();
    let id = host.create(started_by(&json!([hourly()]))).await;
    host.settle().await;
    pass(&host, 2).await;
    // The same schedule goes on from where it stands; one that is new begins now.
    let twice = json!([{"type": "schedule", "cron": "30 * * * *"}, hourly()]);
    let updated = host.engine.update_workflow(id, started_by(&twice), None);
    assert_eq!(updated.await.expect("it holds").version, 2);
    pass(&host, 2).await;
    let versions: Vec<_> = runs(&host, id)
        .await
        .iter()
        .map(|run| run.version)
        .collect();
    assert_eq!(versions, [1, 1, 2, 2, 2, 2]);
    let none = host
        .engine
        .update_workflow(id, started_by(&json!([])), None);
    assert_eq!(none.await.expect("it holds").version, 3);
    pass(&host, 3).await;
    assert_eq!(runs(&host, id).await.len(), 6);
}

#[tokio::test]
async fn the_schedules_of_an_archived_workflow_rest_and_make_up_for_nothing() {
    let host = Harness::new();
    let id = host.create(started_by(&json!([hourly()]))).await;
    host.settle().await;
    pass(&host, 1).await;
    host.engine.archive_workflow(id).await.expect("it is there");
    pass(&host, 5).await;
    assert_eq!(runs(&host, id).await.len(), 1);
    host.engine.restore_workflow(id).await.expect("it is there");
    host.settle().await;
    assert_eq!(runs(&host, id).await.len(), 1);
    pass(&host, 1).await;
    assert_eq!(runs(&host, id).await.len(), 2);
    // What says the same takes it back too.
    host.engine.archive_workflow(id).await.expect("it is there");
    let same = host
        .engine
        .update_workflow(id, started_by(&json!([hourly()])), None);
    assert!(!same.await.expect("it holds").is_new);
    pass(&host, 1).await;
    assert_eq!(runs(&host, id).await.len(), 3);
    host.engine
        .delete_workflow(id)
        .await
        .expect("all have ended");
    pass(&host, 3).await;
    let all = runs(&host, id).await;
    assert_eq!(all.len(), 3);
    assert!(
        all.iter()
            .all(|run| run.summary.status == RunStatus::Success)
    );
}
