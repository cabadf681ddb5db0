//! Stories of several processes on one store: who executes what, when one of them stops, dies, or hears nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork_core::event::Event;
use millwork_core::outcome::Outcome;
use millwork_core::run::RunStatus;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::cluster::{Cluster, Process, TIMEOUT, open};
use crate::support::scripted::Scripted;

const SECOND: Duration = Duration::from_secs(1);

/// Connectors of which `gate` does not return before it is opened.
fn gated() -> (Arc<Notify>, Scripted) {
    let opened = Arc::new(Notify::new());
    let waits = Arc::clone(&opened);
    let plugins = Scripted::new().with("gate", move |call| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Ok(Outcome::Completed(call.config))
        }
    });
    (opened, plugins)
}

fn successes(journal: &[Event]) -> usize {
    let is_success = |event: &&Event| matches!(event, Event::StepSucceeded { .. });
    journal.iter().filter(is_success).count()
}

#[tokio::test]
async fn what_one_process_accepts_another_executes_and_all_are_told_of_the_end() {
    let cluster = Cluster::new();
    let (api, worker) = (cluster.api(), cluster.worker(open()));
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    let run = api.trigger(workflow).await;
    let view = api.engine.wait_for_run(run, SECOND).await.expect("it ends");
    assert_eq!(view.run.status(), RunStatus::Success);
    assert_eq!((api.calls(), worker.calls()), (0, 1));
    let ended = cluster.hub.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].run, ended[0].status), (run, RunStatus::Success));
    cluster
        .until("the row is settled", async || {
            cluster.due_at(run).await.is_none()
        })
        .await;
}

#[tokio::test]
async fn a_run_whose_hint_was_lost_is_found_when_its_claim_has_run_out() {
    let cluster = Cluster::new();
    let (api, worker) = (cluster.api(), cluster.worker(open()));
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    cluster.hub.loses_items.store(true, Ordering::Relaxed);
    let run = api.trigger(workflow).await;
    cluster.pass(TIMEOUT - 2 * SECOND).await;
    assert_eq!(worker.calls(), 0, "nobody has been told");
    cluster.pass(3 * SECOND).await;
    assert_eq!(api.run(run).await.run.status(), RunStatus::Success);
    assert_eq!(worker.calls(), 1);
}

#[tokio::test]
async fn a_new_run_that_is_offered_to_many_is_executed_by_one_and_at_once() {
    let cluster = Cluster::new();
    let api = cluster.api();
    let workers = [open(), open(), open()].map(|plugins| cluster.worker(plugins));
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    cluster.hub.offers_items.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        let run = api.trigger(workflow).await;
        let view = api.engine.wait_for_run(run, SECOND).await.expect("it ends");
        assert_eq!(
            view.run.status(),
            RunStatus::Success,
            "without time passing"
        );
    }
    cluster.pass(2 * TIMEOUT).await;
    let calls: usize = workers.iter().map(Process::calls).sum();
    assert_eq!(calls, 20);
}

#[tokio::test]
async fn a_worker_that_was_stopped_cannot_write_into_a_run_that_moved_on() {
    let cluster = Cluster::new();
    let (gate, plugins) = gated();
    let api = cluster.api();
    let stopped = cluster.worker(plugins);
    let workflow = api
        .create(json!([{"name": "a", "type": "gate"}, {"name": "b", "type": "delay", "config": {"duration": 5}}]))
        .await;
    let run = api.trigger(workflow).await;
    cluster
        .until("the call", async || stopped.calls() == 1)
        .await;
    let other = cluster.worker(open());
    stopped.way.stop();
    cluster.pass(TIMEOUT + 2 * SECOND).await;
    assert_eq!(
        other.calls(),
        2,
        "the other one has taken it on: a again, then b"
    );
    let before = cluster.journal(run).await;
    assert_eq!(successes(&before), 1);
    // It goes on where it stood, and has its answer now.
    stopped.way.go_on();
    gate.notify_one();
    cluster.settle().await;
    assert_eq!(cluster.journal(run).await, before, "it has written nothing");
    assert_eq!(stopped.engine.in_hand(), 0, "it has let go");
    cluster.pass(6 * SECOND).await;
    assert_eq!(api.run(run).await.run.status(), RunStatus::Success);
    assert_eq!(stopped.calls(), 1);
    assert_eq!(successes(&cluster.journal(run).await), 2);
}

#[tokio::test]
async fn a_step_that_may_run_once_is_not_run_again_after_its_worker_died() {
    let cluster = Cluster::new();
    let (_gate, plugins) = gated();
    let api = cluster.api();
    let killed = cluster.worker(plugins);
    let workflow = api
        .create(json!([{"name": "a", "type": "gate", "delivery": "at-most-once"}]))
        .await;
    let run = api.trigger(workflow).await;
    cluster
        .until("the call", async || killed.calls() == 1)
        .await;
    killed.kill();
    let other = cluster.worker(open());
    cluster.pass(TIMEOUT + 2 * SECOND).await;
    let view = api.run(run).await;
    assert_eq!(view.run.status(), RunStatus::Failed);
    assert_eq!(view.run.error().expect("it failed").code, "outcome-unknown");
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn a_step_may_take_many_times_as_long_as_a_claim_holds() {
    let cluster = Cluster::new();
    let (gate, plugins) = gated();
    let api = cluster.api();
    let slow = cluster.worker(plugins);
    let workflow = api
        .create(json!([{"name": "a", "type": "gate", "timeout": "1h", "delivery": "at-most-once"}]))
        .await;
    let run = api.trigger(workflow).await;
    cluster.until("the call", async || slow.calls() == 1).await;
    let other = cluster.worker(open());
    cluster.pass(10 * TIMEOUT).await;
    assert_eq!(other.calls(), 0, "its worker is alive");
    gate.notify_one();
    cluster.settle().await;
    assert_eq!(api.run(run).await.run.status(), RunStatus::Success);
}

#[tokio::test]
async fn a_long_sleep_ends_in_time_on_whichever_worker_is_there() {
    let cluster = Cluster::new();
    let api = cluster.api();
    let first = cluster.worker(open());
    let workflow = api
        .create(json!([{"name": "a", "type": "delay", "config": {"duration": 100}}, {"name": "b", "type": "gate"}]))
        .await;
    let run = api.trigger(workflow).await;
    cluster.until("the call", async || first.calls() == 1).await;
    cluster.settle().await;
    first.kill();
    let (second, third) = (cluster.worker(open()), cluster.worker(open()));
    cluster.pass(99 * SECOND).await;
    assert_eq!(second.calls() + third.calls(), 0, "not before its time");
    cluster.pass(2 * SECOND).await;
    assert_eq!(api.run(run).await.run.status(), RunStatus::Success);
    assert_eq!(second.calls() + third.calls(), 1, "and once");
    let nap = api.run(run).await;
    let nap = nap.run.step(&millwork_core::step::StepKey::of("a"));
    let nap = nap.expect("it ran");
    let slept = nap
        .completed_at
        .expect("it ended")
        .since(nap.started_at.expect("it began"));
    assert!(slept >= 100 * SECOND && slept <= 101 * SECOND, "{slept:?}");
}

#[tokio::test]
async fn a_cancelled_call_is_interrupted_on_another_process() {
    for is_lost in [false, true] {
        let cluster = Cluster::new();
        let (_gate, plugins) = gated();
        let (api, worker) = (cluster.api(), cluster.worker(plugins));
        let workflow = api
            .create(json!([{"name": "a", "type": "gate", "timeout": "1h"}]))
            .await;
        let run = api.trigger(workflow).await;
        cluster
            .until("the call", async || worker.calls() == 1)
            .await;
        cluster.hub.loses_notices.store(is_lost, Ordering::Relaxed);
        api.engine
            .cancel_run(run, None)
            .await
            .expect("it is cancelled");
        if is_lost {
            // Nobody has told it: it hears of it when it renews its claim.
            cluster.pass(TIMEOUT).await;
        }
        cluster
            .until("the interruption", async || worker.engine.in_hand() == 0)
            .await;
        assert_eq!(api.run(run).await.run.status(), RunStatus::Cancelled);
    }
}

#[tokio::test]
async fn an_end_that_could_not_be_announced_is_announced_again() {
    let cluster = Cluster::new();
    let (api, worker) = (cluster.api(), cluster.worker(open()));
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    cluster.hub.refuses_ends.store(true, Ordering::Relaxed);
    let run = api.trigger(workflow).await;
    cluster
        .until("the end", async || {
            api.run(run).await.run.status().is_finished()
        })
        .await;
    cluster.pass(2 * TIMEOUT).await;
    assert!(cluster.hub.ended().is_empty());
    assert!(
        cluster.due_at(run).await.is_some(),
        "there is something left to do"
    );
    cluster.hub.refuses_ends.store(false, Ordering::Relaxed);
    cluster.pass(TIMEOUT + 2 * SECOND).await;
    assert_eq!(cluster.hub.ended().len(), 1);
    assert_eq!(cluster.due_at(run).await, None);
    assert_eq!(worker.calls(), 1, "nothing else is done again");
}

#[tokio::test]
async fn a_worker_that_ends_in_good_order_lets_others_go_on_at_once() {
    let cluster = Cluster::new();
    let (_gate, plugins) = gated();
    let (api, leaving) = (cluster.api(), cluster.worker(plugins));
    let gate = api
        .create(json!([{"name": "a", "type": "gate", "timeout": "1h"}]))
        .await;
    let nap = api
        .create(json!([{"name": "a", "type": "delay", "config": {"duration": 9}}]))
        .await;
    let (gate, nap) = (api.trigger(gate).await, api.trigger(nap).await);
    cluster
        .until("the calls", async || leaving.calls() == 2)
        .await;
    cluster.settle().await;
    leaving.engine.shut_down(Duration::ZERO).await;
    leaving.way.stop();
    let other = cluster.worker(open());
    cluster.pass(2 * SECOND).await;
    assert_eq!(other.calls(), 1);
    assert_eq!(api.run(gate).await.run.status(), RunStatus::Success);
    assert_eq!(api.run(nap).await.run.status(), RunStatus::Running);
    cluster.pass(8 * SECOND).await;
    assert_eq!(
        api.run(nap).await.run.status(),
        RunStatus::Success,
        "in time"
    );
}
