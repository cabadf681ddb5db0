//! Schedules: a tick starts one run, however many processes look, whatever dies, and wherever the clock is.

use std::time::Duration;

use millwork::clock::Clock as _;
use millwork::engine::Error;
use millwork_core::event::Origin;
use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_store::{Order, RunQuery, RunRow, Store as _, Triggers as _};
use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn scheduled(triggers: &Value) -> Value {
    json!({"name": "nightly", "triggers": triggers, "steps": [{"name": "a", "type": "echo"}]})
}

fn every_hour(missed: &str) -> Value {
    scheduled(&json!([{"type": "schedule", "cron": "0 * * * *", "missed": missed}]))
}

fn all_of(workflow: WorkflowId) -> RunQuery {
    RunQuery {
        workflow: Some(workflow),
        statuses: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::OldestFirst,
        limit: 1_000,
    }
}

async fn runs(harness: &Harness, workflow: WorkflowId) -> Vec<RunRow> {
    harness.settle().await;
    let runs = harness.engine.list_runs(all_of(workflow)).await;
    runs.expect("memory answers")
}

/// The clock of the tests starts at 08:00:00 on a Friday in 2027.
fn at(text: &str) -> Timestamp {
    format!("2027-01-15T{text}Z").parse().expect("it is a time")
}

#[tokio::test]
async fn a_tick_starts_a_run_in_time_which_says_what_started_it() {
    let harness = Harness::new();
    assert_eq!(harness.now(), at("08:00:00"));
    let workflow = harness.create(every_hour("skip")).await;
    harness.settle().await;
    harness.clock.advance(HOUR - SECOND);
    assert_eq!(runs(&harness, workflow).await.len(), 0, "never early");
    for hour in 1..=3 {
        harness.clock.advance(if hour == 1 { SECOND } else { HOUR });
        assert_eq!(runs(&harness, workflow).await.len(), hour);
    }
    let first = runs(&harness, workflow).await[0].run;
    let view = harness.succeeded(first).await;
    let expected = Origin::Schedule {
        cron: "0 * * * *".to_owned(),
        at: at("09:00:00"),
    };
    assert_eq!(view.run.created().origin, Some(expected));
    let payload = view.run.created().payload.value().clone();
    assert_eq!(payload, json!({"scheduled_at": at("09:00:00").to_string()}));
}

#[tokio::test]
async fn ticks_that_pass_while_nothing_runs_are_left_out_or_made_up_for() {
    for (missed, expected) in [("skip", 0), ("run-once", 1), ("run-all", 5)] {
        let harness = Harness::new();
        let workflow = harness.create(every_hour(missed)).await;
        harness.settle().await;
        // It dies, and is started again five and a half hours later.
        let harness = harness.crash_after(5 * HOUR + 30 * 60 * SECOND).await;
        assert_eq!(runs(&harness, workflow).await.len(), expected, "{missed}");
        harness.clock.advance(HOUR / 2);
        assert_eq!(
            runs(&harness, workflow).await.len(),
            expected + 1,
            "it goes on"
        );
    }
}

#[tokio::test]
async fn a_schedule_has_the_payload_that_it_says() {
    let harness = Harness::new();
    let triggers = json!([{"type": "schedule", "cron": "@hourly", "payload": {"full": true}}]);
    let workflow = harness.create(scheduled(&triggers)).await;
    harness.settle().await;
    harness.clock.advance(HOUR);
    let run = runs(&harness, workflow).await[0].run;
    let view = harness.run(run).await;
    assert_eq!(view.run.created().payload.value(), &json!({"full": true}));
}

#[tokio::test]
async fn the_clocks_are_changed_and_nothing_is_lost_or_doubled() {
    let harness = Harness::new();
    let triggers = json!([{"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}]);
    let workflow = harness.create(scheduled(&triggers)).await;
    harness.settle().await;
    // To the end of the year: over both changes.
    for _ in 0..350 {
        harness.clock.advance(24 * HOUR);
        breathe_a_little(&harness).await;
    }
    let runs = runs(&harness, workflow).await;
    assert_eq!(runs.len(), 350, "one a day, also on the two days");
}

async fn breathe_a_little(harness: &Harness) {
    for _ in 0..12 {
        crate::support::harness::breathe().await;
    }
    assert!(harness.queued() < 10);
}

#[tokio::test]
async fn a_limit_that_is_full_refuses_a_tick_and_the_next_one_comes() {
    let harness = Harness::new();
    let document = json!({
        "name": "slow", "concurrency": {"limit": 1, "when_full": "reject"},
        "triggers": [{"type": "schedule", "cron": "0 * * * *"}],
        "steps": [{"name": "a", "type": "delay", "config": {"duration": 5_400}}],
    });
    let workflow = harness.create(document).await;
    harness.settle().await;
    for _ in 0..4 {
        harness.clock.advance(HOUR);
        harness.settle().await;
    }
    // At 9 and 11; at 10 and 12 the one before was still there.
    assert_eq!(runs(&harness, workflow).await.len(), 2);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_when_it_is_posted() {
    let harness = Harness::new();
    let triggers = json!([
        {"type": "schedule", "cron": "0 9 * * 1-5", "timezone": "Europe/Berlim"},
        {"type": "schedule", "cron": "never"},
    ]);
    let refused = harness.engine.create_workflow(scheduled(&triggers)).await;
    let Err(Error::InvalidDefinition(problems)) = refused else {
        panic!("not {refused:?}")
    };
    let places: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(places, ["/triggers/0/timezone", "/triggers/1/cron"]);
}

#[tokio::test]
async fn of_many_processes_one_starts_the_run_of_a_tick() {
    let cluster = Cluster::new();
    let api = cluster.api_with(Scripted::new());
    let workers = [0; 4].map(|_| cluster.worker(Scripted::new()));
    let workflow = api
        .engine
        .create_workflow(every_hour("skip"))
        .await
        .expect("it holds");
    cluster.settle().await;
    for hour in 1..=3 {
        cluster.clock.advance(HOUR - 30 * SECOND);
        cluster.pass(30 * SECOND).await;
        let runs = cluster.store.list_runs(all_of(workflow)).await;
        assert_eq!(runs.expect("memory answers").len(), hour);
    }
    let runs = cluster
        .store
        .list_runs(all_of(workflow))
        .await
        .expect("memory answers");
    assert!(
        runs.iter()
            .all(|run| run.summary.status == RunStatus::Success)
    );
    drop(workers);
}

#[tokio::test]
async fn a_process_that_dies_between_claim_and_start_loses_no_tick() {
    let cluster = Cluster::new();
    let api = cluster.api_with(Scripted::new());
    let workflow = api
        .engine
        .create_workflow(every_hour("skip"))
        .await
        .expect("it holds");
    cluster.clock.advance(HOUR);
    // It claims what is due, and is never heard of again.
    let now = cluster.clock.now();
    let (before, until) = (now.after(SECOND), now.after(30 * SECOND));
    let claimed = cluster.store.claim_ticks(before, until, 10).await;
    assert_eq!(claimed.expect("memory answers").len(), 1);
    let _worker = cluster.worker(Scripted::new());
    cluster.pass(20 * SECOND).await;
    let count = async || {
        let runs = cluster.store.list_runs(all_of(workflow)).await;
        runs.expect("memory answers").len()
    };
    assert_eq!(count().await, 0, "somebody has it");
    cluster.pass(20 * SECOND).await;
    assert_eq!(count().await, 1);
    cluster.pass(60 * SECOND).await;
    assert_eq!(count().await, 1);
}
