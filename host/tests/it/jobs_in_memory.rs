//! Jobs: something done to every run that a filter finds, and to no other.

use std::time::Duration;

use millwork::engine::{Error, Filter, JobView, Operation, RetryFrom, RetryWith, Task, Trigger};
use millwork_core::id::{JobId, RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::RunStatus;
use millwork_store::Labels;
use serde_json::{Value, json};

use crate::support::harness::{Harness, breathe, workflow};

fn team(name: &str) -> Labels {
    Labels::from([("team".to_owned(), name.to_owned())])
}

async fn trigger(host: &Harness, workflow: WorkflowId, payload: Value, team_: &str) -> RunId {
    let trigger = Trigger {
        workflow,
        version: None,
        payload: Json::from(payload),
        idempotency_key: None,
        labels: team(team_),
        trace: None,
    };
    host.engine.trigger(trigger).await.expect("it is accepted")
}

async fn nap(host: &Harness) -> WorkflowId {
    let steps = json!([{"name": "nap", "type": "delay", "config": {"duration": 3600}}]);
    host.create(workflow(&steps)).await
}

fn of_team(name: &str, operation: Operation) -> Task {
    let filter = Filter {
        labels: team(name),
        ..Filter::default()
    };
    Task {
        operation,
        filter,
        dry_run: false,
    }
}

const CANCEL: Operation = Operation::Cancel { reason: None };

async fn start(host: &Harness, task: Task) -> JobId {
    // What is to be touched was made before.
    host.clock.advance(Duration::from_millis(5));
    host.engine.start_job(task).await.expect("it starts").id
}

/// Lets the host carry the job on, moving the clock from page to page.
async fn finished(host: &Harness, job: JobId) -> JobView {
    for _ in 0..2_000 {
        let view = host.engine.find_job(job).await.expect("it is there");
        if view.finished_at.is_some() {
            return view;
        }
        host.clock.advance(Duration::from_millis(50));
        breathe().await;
    }
    panic!(
        "the job has not finished: {:?}",
        host.engine.find_job(job).await
    );
}

async fn statuses(host: &Harness, runs: &[RunId]) -> Vec<RunStatus> {
    let mut statuses = Vec::new();
    for run in runs {
        statuses.push(host.run(*run).await.run.status());
    }
    statuses.sort();
    statuses.dedup();
    statuses
}

async fn many(host: &Harness, workflow: WorkflowId, team: &str, count: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(trigger(host, workflow, json!({}), team).await);
    }
    for run in &runs {
        host.until(*run, "the sleep", |view| view.run.wake_at().is_some())
            .await;
    }
    runs
}

#[tokio::test]
async fn a_job_cancels_what_its_filter_finds_and_nothing_else() {
    let host = Harness::new();
    let id = nap(&host).await;
    let shop = many(&host, id, "shop", 120).await;
    let till = many(&host, id, "till", 5).await;
    let counting = Task {
        dry_run: true,
        ..of_team("shop", CANCEL)
    };
    let counted = finished(&host, start(&host, counting).await).await;
    assert_eq!((counted.progress.found, counted.progress.done), (120, 0));
    assert_eq!(statuses(&host, &shop).await, [RunStatus::Running]);
    let job = start(&host, of_team("shop", CANCEL)).await;
    let late = trigger(&host, id, json!({}), "shop").await;
    let view = finished(&host, job).await;
    assert_eq!((view.progress.found, view.progress.done), (120, 120));
    assert_eq!((view.progress.skipped, view.progress.failed), (0, 0));
    assert_eq!(statuses(&host, &shop).await, [RunStatus::Cancelled]);
    assert_eq!(statuses(&host, &till).await, [RunStatus::Running]);
    host.until(late, "the sleep", |view| view.run.wake_at().is_some())
        .await;
}

#[tokio::test]
async fn many_are_paused_resumed_and_retried() {
    let host = Harness::new();
    let id = nap(&host).await;
    let runs = many(&host, id, "shop", 60).await;
    let pause = Operation::Pause { reason: None };
    finished(&host, start(&host, of_team("shop", pause)).await).await;
    assert_eq!(statuses(&host, &runs).await, [RunStatus::Paused]);
    finished(
        &host,
        start(&host, of_team("shop", Operation::Resume)).await,
    )
    .await;
    assert_eq!(statuses(&host, &runs).await, [RunStatus::Running]);
    finished(&host, start(&host, of_team("shop", CANCEL)).await).await;
    assert_eq!(statuses(&host, &runs).await, [RunStatus::Cancelled]);
    for with in [RetryWith::Pinned, RetryWith::Newest] {
        let from = RetryFrom::Start.into();
        let retry = Operation::Retry { from, with };
        let view = finished(&host, start(&host, of_team("shop", retry)).await).await;
        assert_eq!(view.progress.done, 60, "{view:?}");
        let again = start(&host, of_team("shop", CANCEL)).await;
        finished(&host, again).await;
    }
}

#[tokio::test]
async fn a_job_goes_on_after_a_crash_and_stays_cancelled_once_it_was() {
    let host = Harness::new();
    let id = nap(&host).await;
    let runs = many(&host, id, "shop", 130).await;
    let job = start(&host, of_team("shop", CANCEL)).await;
    let half = loop {
        let view = host.engine.find_job(job).await.expect("it is there");
        if view.progress.found > 0 {
            break view;
        }
        breathe().await;
    };
    assert!(half.finished_at.is_none(), "the clock has not moved");
    let host = host.crash().await;
    let view = finished(&host, job).await;
    assert_eq!(view.progress.found, 130);
    assert_eq!(view.progress.done + view.progress.skipped, 130);
    assert_eq!(statuses(&host, &runs).await, [RunStatus::Cancelled]);

    let runs = many(&host, id, "till", 130).await;
    let job = start(&host, of_team("till", CANCEL)).await;
    let view = host.engine.cancel_job(job).await.expect("it is there");
    assert!(view.is_cancelled);
    host.clock.advance(Duration::from_secs(60));
    host.settle().await;
    assert!(statuses(&host, &runs).await.contains(&RunStatus::Running));
    let unknown = JobId::from_bytes([9; 16]);
    let refused = host.engine.cancel_job(unknown).await;
    assert!(matches!(refused, Err(Error::UnknownJob(id)) if id == unknown));
}

#[tokio::test]
async fn a_run_that_ended_after_the_job_began_is_not_retried() {
    let host = Harness::new();
    let id = nap(&host).await;
    let runs = many(&host, id, "shop", 60).await;
    let retry = Operation::Retry {
        from: RetryFrom::Start.into(),
        with: RetryWith::Pinned,
    };
    let mut task = of_team("shop", retry);
    task.filter.statuses = RunStatus::ALL.to_vec();
    for run in &runs[50..] {
        host.engine
            .cancel_run(*run, None)
            .await
            .expect("it goes on");
    }
    let job = start(&host, task).await;
    for run in &runs[50..] {
        let _ = host.engine.cancel_run(*run, None).await;
    }
    let view = finished(&host, job).await;
    assert_eq!((view.progress.done, view.progress.skipped), (10, 50));
    assert_eq!(view.progress.reasons["it has not ended"], 50);
}

#[tokio::test]
async fn the_same_key_with_other_labels_is_another_request() {
    let host = Harness::new();
    let id = nap(&host).await;
    let ask = async |labels| {
        let trigger = Trigger {
            workflow: id,
            version: None,
            payload: Json::empty_object(),
            idempotency_key: Some("k".to_owned()),
            labels,
            trace: None,
        };
        host.engine.trigger(trigger).await
    };
    let first = ask(team("shop")).await.expect("it is accepted");
    assert_eq!(host.run(first).await.run.created().labels, team("shop"));
    assert_eq!(ask(team("shop")).await.ok(), Some(first));
    let refused = ask(team("till")).await;
    assert!(matches!(refused, Err(Error::IdempotencyKeyReused { .. })));
}
