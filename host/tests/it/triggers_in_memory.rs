//! Triggers of workflows that change: the newest version's start runs, and no others do.

use std::time::Duration;

use millwork::engine::Error;
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
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

fn hook(path: &str) -> Value {
    json!({"type": "webhook", "path": path, "verify": {"scheme": "none"}})
}

async fn runs(host: &Harness, workflow: WorkflowId) -> Vec<RunRow> {
    host.settle().await;
    let query = RunQuery {
        workflow: Some(workflow),
        statuses: Vec::new(),
        labels: Vec::new(),
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

#[tokio::test]
async fn a_webhook_is_of_the_newest_version_and_none_of_what_takes_no_runs() {
    let host = Harness::new();
    let id = host.create(started_by(&json!([hook("shop/a")]))).await;
    let find = async |path| {
        host.engine
            .find_webhook(path)
            .await
            .expect("memory answers")
    };
    let before = find("shop/a").await.expect("it is there");
    let moved = json!([hook("shop/b"), hook("shop/c")]);
    let updated = host.engine.update_workflow(id, started_by(&moved), None);
    updated.await.expect("it holds");
    assert!(find("shop/a").await.is_none());
    // Who had found the one before begins nothing.
    let begin = |hook| {
        host.engine
            .begin_by_webhook(hook, None, Json::empty_object(), None)
    };
    assert_eq!(begin(&before).await.expect("memory answers"), None);
    let now = find("shop/c").await.expect("it is there");
    let run = begin(&now).await.expect("memory answers");
    let view = host.succeeded(run.expect("it is the newest")).await;
    assert_eq!(view.run.created().version, 2);
    host.engine.archive_workflow(id).await.expect("it is there");
    assert!(find("shop/c").await.is_none());
    assert_eq!(begin(&now).await.expect("memory answers"), None);
}

#[tokio::test]
async fn a_path_that_another_workflow_has_is_refused_whole() {
    let host = Harness::new();
    let first = host.create(started_by(&json!([hook("orders")]))).await;
    let second = host.create(started_by(&json!([hook("other")]))).await;
    let wanted = started_by(&json!([hourly(), hook("orders")]));
    let refused = host.engine.update_workflow(second, wanted.clone(), None);
    let Err(Error::InvalidDefinition(problems)) = refused.await else {
        panic!("the path is taken")
    };
    let told: Vec<_> = problems
        .iter()
        .map(|problem| format!("{} {}", problem.path, problem.message))
        .collect();
    let expected = format!(
        "/triggers/1/path is the path \"orders\" of workflow {first} already; each workflow needs its own"
    );
    assert_eq!(told, [expected]);
    let view = host.engine.find_workflow(second, None).await;
    assert_eq!(view.expect("it is there").head.newest, 1);
    // It is free when its holder is set aside, who has to do without it from then on.
    let engine = &host.engine;
    engine.archive_workflow(first).await.expect("it is there");
    let updated = engine.update_workflow(second, wanted, None).await;
    assert_eq!(updated.expect("it is free").version, 2);
    let restored = engine.restore_workflow(first).await;
    assert!(matches!(restored, Err(Error::InvalidDefinition(_))));
    let view = engine.find_workflow(first, None).await;
    assert!(view.expect("it is there").head.archived_at.is_some());
}
