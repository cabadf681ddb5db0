//! Concurrency keys, rates and priorities: no more run than may, whatever makes them run, and nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millwork::engine::{Error, Options, RetryFrom, RetryWith, RunView, Trigger};
use millwork_core::command::Signal;
use millwork_core::event::Event;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::run::RunStatus;
use millwork_store::Store as _;
use millwork_store::limits::{LimitKind, LimitQuery, LimitRow};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::cluster::{Cluster, Process, TIMEOUT};
use crate::support::harness::{Harness, Setup};
use crate::support::scripted::Scripted;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

/// Counts how many attempts of `hold` are under way at once; each returns when it is let go.
#[derive(Clone)]
struct Meter {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    lets_go: Arc<Semaphore>,
}

impl Meter {
    fn new() -> Self {
        Self {
            now: Arc::default(),
            most: Arc::default(),
            lets_go: Arc::new(Semaphore::new(0)),
        }
    }

    fn plugins(&self) -> Scripted {
        let meter = self.clone();
        Scripted::new().with("hold", move |call| {
            let meter = meter.clone();
            async move {
                let under_way = Under::way(&meter);
                let Ok(permit) = meter.lets_go.acquire().await else {
                    unreachable!("it is never closed")
                };
                permit.forget();
                drop(under_way);
                Ok(Outcome::Completed(call.config))
            }
        })
    }

    fn let_go(&self, calls: usize) {
        self.lets_go.add_permits(calls);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }
}

/// A call that is under way, until it returns or is interrupted.
struct Under(Arc<AtomicUsize>);

impl Under {
    fn way(meter: &Meter) -> Self {
        let now = meter.now.fetch_add(1, Ordering::SeqCst) + 1;
        meter.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(&meter.now))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn bound(fields: Value) -> Value {
    let mut document = json!({"name": "bound", "steps": [{"name": "a", "type": "hold"}]});
    let (Some(document_fields), Value::Object(fields)) = (document.as_object_mut(), fields) else {
        unreachable!("both are objects")
    };
    document_fields.extend(fields);
    document
}

fn one_at_a_time(when_full: &str) -> Value {
    bound(json!({"concurrency": {"key": "${payload.key}", "limit": 1, "when_full": when_full}}))
}

fn harness(meter: &Meter) -> Harness {
    Harness::with(Setup {
        plugins: meter.plugins(),
        ..Setup::default()
    })
}

async fn limits(harness: &Harness) -> Vec<LimitRow> {
    let all = LimitQuery {
        workflow: None,
        after: None,
        limit: 100,
    };
    harness
        .engine
        .list_limits(all)
        .await
        .expect("memory answers")
}

fn position(view: &RunView) -> Option<(LimitKind, u32)> {
    let turn = view.turn.as_ref()?;
    Some((turn.limit.key.kind, turn.position))
}

async fn holds(harness: &Harness, run: RunId) {
    let is_let_in = |view: &RunView| !view.run.awaits_admission();
    harness.until(run, "being let in", is_let_in).await;
    harness.settle().await;
}

#[tokio::test]
async fn runs_of_a_key_go_one_after_the_other_and_those_of_others_beside_them() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("queue")).await;
    let mut runs = Vec::new();
    for key in ["ada", "ada", "ada", "bob"] {
        runs.push(harness.trigger(workflow, json!({"key": key})).await);
        // Of two in one moment nobody came first.
        harness.clock.advance(MOMENT);
    }
    holds(&harness, runs[0]).await;
    assert_eq!(meter.now(), 2, "one of each key");
    let third = harness.run(runs[2]).await;
    assert_eq!(third.run.status(), RunStatus::Pending);
    assert_eq!(position(&third), Some((LimitKind::Concurrency, 2)));
    let rows = limits(&harness).await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&*row.key.key, row.held, row.waiting))
        .collect();
    assert_eq!(rows, [("ada", 1, 2), ("bob", 1, 0)]);
    meter.let_go(4);
    for run in runs {
        harness.succeeded(run).await;
    }
    assert_eq!(meter.most(), 2);
    assert_eq!(limits(&harness).await, [], "no slot is left over");
}

#[tokio::test]
async fn a_run_that_sleeps_keeps_its_slot() {
    let harness = Harness::new();
    let workflow = harness
        .create(json!({
            "name": "sleepers", "concurrency": {"limit": 1},
            "steps": [{"name": "nap", "type": "delay", "config": {"duration": 60}}],
        }))
        .await;
    let first = harness.trigger(workflow, json!({})).await;
    let second = harness.trigger(workflow, json!({})).await;
    harness.settle().await;
    assert!(harness.run(second).await.run.awaits_admission());
    harness.clock.advance(61 * SECOND);
    harness.succeeded(first).await;
    holds(&harness, second).await;
    harness.clock.advance(61 * SECOND);
    harness.succeeded(second).await;
}

#[tokio::test]
async fn a_run_that_is_done_again_waits_for_its_turn_once_more() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("queue")).await;
    let first = harness.trigger(workflow, json!({"key": "ada"})).await;
    holds(&harness, first).await;
    meter.let_go(1);
    harness.succeeded(first).await;
    let second = harness.trigger(workflow, json!({"key": "ada"})).await;
    holds(&harness, second).await;
    let again = |run| {
        let retried = harness
            .engine
            .retry_run(run, RetryFrom::Start, RetryWith::Pinned);
        async { retried.await.expect("it has ended") }
    };
    let view = again(first).await;
    assert_eq!(position(&view), Some((LimitKind::Concurrency, 1)));
    harness.settle().await;
    assert_eq!(meter.now(), 1, "the second has the slot");
    meter.let_go(1);
    harness.succeeded(second).await;
    holds(&harness, first).await;
    assert_eq!(meter.now(), 1);
    meter.let_go(1);
    harness.succeeded(first).await;
    // With nobody before it, it is let in at once.
    assert!(!again(first).await.run.awaits_admission());
    meter.let_go(1);
    harness.succeeded(first).await;
    assert_eq!(meter.most(), 1);
    assert_eq!(limits(&harness).await, [], "no slot is left over");
}

#[tokio::test]
async fn a_full_key_refuses_a_run_that_is_to_be_done_again_where_its_workflow_says_so() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("reject")).await;
    let first = harness.trigger(workflow, json!({"key": "ada"})).await;
    meter.let_go(1);
    harness.succeeded(first).await;
    let second = harness.trigger(workflow, json!({"key": "ada"})).await;
    holds(&harness, second).await;
    let refused = harness
        .engine
        .retry_run(first, RetryFrom::Start, RetryWith::Pinned);
    let refused = refused.await.map(|view| view.run.status());
    assert!(
        matches!(refused, Err(Error::LimitReached { .. })),
        "{refused:?}"
    );
    let run = harness.run(first).await.run;
    assert_eq!(run.status(), RunStatus::Success, "it is as it was");
    meter.let_go(1);
    harness.succeeded(second).await;
}

#[tokio::test]
async fn a_run_that_waits_is_held_and_let_go_without_losing_its_place() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("queue")).await;
    let first = harness.trigger(workflow, json!({"key": "ada"})).await;
    holds(&harness, first).await;
    let second = harness.trigger(workflow, json!({"key": "ada"})).await;
    let paused = harness.engine.pause_run(second, None).await;
    assert_eq!(
        paused.expect("it has not ended").run.status(),
        RunStatus::Paused
    );
    meter.let_go(2);
    harness.succeeded(first).await;
    harness.settle().await;
    assert_eq!(meter.now(), 0, "nothing of it begins while it is held");
    harness.engine.resume_run(second).await.expect("it is held");
    harness.succeeded(second).await;
    let third = harness.trigger(workflow, json!({"key": "ada"})).await;
    let fourth = harness.trigger(workflow, json!({"key": "ada"})).await;
    holds(&harness, third).await;
    harness
        .engine
        .kill_run(fourth, None)
        .await
        .expect("it waits");
    meter.let_go(1);
    harness.succeeded(third).await;
    assert_eq!(limits(&harness).await, [], "no slot is left over");
}

#[tokio::test]
async fn of_those_who_wait_the_one_that_has_waited_longest_is_let_in_first() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let document = bound(json!({"concurrency": {"limit": 1}, "priority": 2}));
    let workflow = harness.create(document).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(harness.trigger(workflow, json!({})).await);
        harness.clock.advance(SECOND);
    }
    holds(&harness, runs[0]).await;
    meter.let_go(1);
    holds(&harness, runs[1]).await;
    assert!(harness.run(runs[2]).await.run.awaits_admission());
    meter.let_go(2);
    harness.succeeded(runs[2]).await;
    assert_eq!(meter.most(), 1);
}

#[tokio::test]
async fn a_full_key_refuses_where_its_workflow_says_so() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("reject")).await;
    let first = harness
        .try_trigger(workflow, json!({"key": "ada"}), Some("k"))
        .await;
    let first = first.expect("there is room");
    let refused = harness
        .try_trigger(workflow, json!({"key": "ada"}), Some("other"))
        .await;
    let Err(Error::LimitReached { message, .. }) = refused else {
        panic!("not {refused:?}")
    };
    assert_eq!(
        message,
        "1 runs with the concurrency key \"ada\" are under way, which is the workflow's limit"
    );
    // The same promise is the same run, whatever is full.
    let again = harness
        .try_trigger(workflow, json!({"key": "ada"}), Some("k"))
        .await;
    assert_eq!(again.expect("it is the first"), first);
    meter.let_go(2);
    harness.succeeded(first).await;
    let next = harness
        .try_trigger(workflow, json!({"key": "ada"}), Some("other"))
        .await;
    harness.succeeded(next.expect("there is room again")).await;
}

#[tokio::test]
async fn a_new_run_is_cancelled_for_those_under_way_where_its_workflow_says_so() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("cancel-new")).await;
    let first = harness.trigger(workflow, json!({"key": "ada"})).await;
    let second = harness.trigger(workflow, json!({"key": "ada"})).await;
    let view = harness.finished(second).await;
    assert_eq!(view.run.status(), RunStatus::Cancelled);
    meter.let_go(1);
    harness.succeeded(first).await;
    assert_eq!(limits(&harness).await, []);
}

#[tokio::test]
async fn runs_under_way_are_cancelled_for_the_newest_where_its_workflow_says_so() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("cancel-running")).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(harness.trigger(workflow, json!({"key": "ada"})).await);
        harness.clock.advance(MOMENT);
    }
    for run in &runs[..3] {
        assert_eq!(
            harness.finished(*run).await.run.status(),
            RunStatus::Cancelled
        );
    }
    holds(&harness, runs[3]).await;
    meter.let_go(1);
    harness.succeeded(runs[3]).await;
    assert_eq!(meter.most(), 1, "the one before had to be gone first");
    assert_eq!(limits(&harness).await, []);
}

#[tokio::test]
async fn so_many_begin_in_a_span_and_the_others_when_it_has_passed() {
    let harness = Harness::new();
    let workflow = harness
        .create(json!({
            "name": "paced", "rate_limit": {"key": "all", "limit": 2, "per": "1m"},
            "steps": [{"name": "a", "type": "echo"}],
        }))
        .await;
    let began = harness.now();
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(harness.trigger(workflow, json!({})).await);
        harness.clock.advance(MOMENT);
    }
    let is_done = async |index: usize| {
        harness.settle().await;
        harness.run(runs[index]).await.run.status() == RunStatus::Success
    };
    assert!(is_done(0).await && is_done(1).await && !is_done(2).await);
    let third = harness.run(runs[2]).await;
    let next_at = third.turn.as_ref().and_then(|turn| turn.limit.next_at);
    assert_eq!(next_at, Some(began.after(60 * SECOND)));
    assert_eq!(
        position(&harness.run(runs[4]).await),
        Some((LimitKind::Rate, 3))
    );
    harness.clock.advance(59 * SECOND);
    assert!(!is_done(2).await, "never early");
    harness.clock.advance(SECOND);
    assert!(is_done(2).await && is_done(3).await && !is_done(4).await);
    harness.clock.advance(60 * SECOND);
    assert!(is_done(4).await);
}

#[tokio::test]
async fn a_run_that_waits_takes_signals_and_is_cancelled() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("queue")).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(harness.trigger(workflow, json!({"key": 7})).await);
    }
    holds(&harness, runs[0]).await;
    let signal = Signal {
        name: "hello".to_owned(),
        payload: Json::null(),
        key: None,
    };
    harness
        .engine
        .signal_run(runs[1], signal)
        .await
        .expect("it is accepted");
    harness.settle().await;
    assert_eq!(meter.now(), 1, "a signal lets nobody in");
    harness
        .engine
        .cancel_run(runs[1], None)
        .await
        .expect("it can be cancelled");
    meter.let_go(1);
    harness.succeeded(runs[0]).await;
    holds(&harness, runs[2]).await;
    meter.let_go(1);
    harness.succeeded(runs[2]).await;
    assert_eq!(limits(&harness).await, []);
}

#[tokio::test]
async fn who_waits_and_who_holds_survive_a_crash() {
    let meter = Meter::new();
    let harness = harness(&meter);
    let workflow = harness.create(one_at_a_time("queue")).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(harness.trigger(workflow, json!({"key": "ada"})).await);
    }
    holds(&harness, runs[0]).await;
    let meter = Meter::new();
    let harness = harness.crash_into(meter.plugins()).await;
    harness.settle().await;
    assert_eq!(
        meter.now(),
        1,
        "the one that holds the slot is made again, and no other"
    );
    meter.let_go(3);
    for run in runs {
        harness.succeeded(run).await;
    }
    assert_eq!(meter.most(), 1);
    assert_eq!(limits(&harness).await, []);
}

#[tokio::test]
async fn a_queue_has_an_end() {
    let meter = Meter::new();
    let harness = Harness::with(Setup {
        plugins: meter.plugins(),
        options: Options {
            limit_queue_max: 2,
            ..Options::default()
        },
        ..Setup::default()
    });
    let workflow = harness.create(one_at_a_time("queue")).await;
    for _ in 0..3 {
        harness.trigger(workflow, json!({"key": "ada"})).await;
    }
    let refused = harness
        .try_trigger(workflow, json!({"key": "ada"}), None)
        .await;
    let Err(Error::LimitReached { message, .. }) = refused else {
        panic!("not {refused:?}")
    };
    assert_eq!(
        message,
        "2 runs wait for the concurrency key \"ada\", the limit is 2 (engine.limit_queue_max)"
    );
}

#[tokio::test]
async fn a_payload_that_gives_no_key_is_refused_in_words() {
    let harness = harness(&Meter::new());
    let workflow = harness.create(one_at_a_time("queue")).await;
    for (payload, word) in [
        (json!({}), "gives no key"),
        (json!({"key": null}), "gives null"),
        (json!({"key": [1]}), "gives a list"),
        (json!({"key": "k".repeat(257)}), "257 bytes"),
    ] {
        let refused = harness.try_trigger(workflow, payload, None).await;
        let Err(Error::InvalidKey(error)) = refused else {
            panic!("not {refused:?}")
        };
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// With a payload that has a key.
async fn trigger(process: &Process, workflow: WorkflowId) -> RunId {
    let trigger = Trigger {
        workflow,
        version: None,
        payload: Json::from(json!({"key": "ada"})),
        idempotency_key: None,
        labels: millwork_store::Labels::new(),
        trace: None,
    };
    process
        .engine
        .trigger(trigger)
        .await
        .expect("it is accepted")
}

#[tokio::test]
async fn a_limit_holds_over_all_processes_and_nobody_waits_for_ever() {
    let cluster = Cluster::new();
    let meter = Meter::new();
    let apis = [
        cluster.api_with(meter.plugins()),
        cluster.api_with(meter.plugins()),
    ];
    let _workers = [0; 3].map(|_| cluster.worker(meter.plugins()));
    let document = bound(json!({"concurrency": {"key": "${payload.key}", "limit": 2}}));
    let workflow = apis[0]
        .engine
        .create_workflow(document)
        .await
        .expect("it holds");
    let mut runs = Vec::new();
    for turn in 0..12 {
        runs.push(trigger(&apis[turn % 2], workflow).await);
    }
    cluster.until("two calls", async || meter.now() == 2).await;
    meter.let_go(12);
    for run in &runs {
        let run = *run;
        // Without time passing: who leaves tells who is next.
        cluster
            .until("the end", async || {
                apis[0].run(run).await.run.status() == RunStatus::Success
            })
            .await;
    }
    assert_eq!(meter.most(), 2);
}

#[tokio::test]
async fn the_next_one_is_found_where_who_left_died_before_it_told() {
    let cluster = Cluster::new();
    let meter = Meter::new();
    let api = cluster.api_with(meter.plugins());
    let worker = cluster.worker(meter.plugins());
    let document = one_at_a_time("queue");
    let workflow = api
        .engine
        .create_workflow(document)
        .await
        .expect("it holds");
    let first = trigger(&api, workflow).await;
    let second = trigger(&api, workflow).await;
    cluster.until("a call", async || meter.now() == 1).await;
    cluster.hub.loses_items.store(true, Ordering::Relaxed);
    meter.let_go(2);
    cluster
        .until("the first end", async || {
            api.run(first).await.run.status() == RunStatus::Success
        })
        .await;
    cluster.pass(3 * SECOND).await;
    assert_eq!(api.run(second).await.run.status(), RunStatus::Success);
    drop(worker);
}

#[tokio::test]
async fn a_slot_is_held_while_its_process_is_dead_and_goes_on_with_the_run() {
    let cluster = Cluster::new();
    let meter = Meter::new();
    let api = cluster.api_with(meter.plugins());
    let dies = cluster.worker(meter.plugins());
    let workflow = api
        .engine
        .create_workflow(one_at_a_time("queue"))
        .await
        .expect("it holds");
    let first = trigger(&api, workflow).await;
    let second = trigger(&api, workflow).await;
    cluster.until("a call", async || meter.now() == 1).await;
    dies.kill();
    let other = Meter::new();
    let _worker = cluster.worker(other.plugins());
    cluster.pass(2 * SECOND).await;
    assert_eq!(other.now(), 0, "the slot is taken");
    cluster.pass(TIMEOUT + SECOND).await;
    assert_eq!(other.now(), 1);
    other.let_go(2);
    for run in [first, second] {
        cluster
            .until("the end", async || {
                api.run(run).await.run.status() == RunStatus::Success
            })
            .await;
    }
    assert_eq!(other.most(), 1);
    let admitted = async |run| {
        let is_admitted = |event: &Event| matches!(event, Event::RunAdmitted {});
        let journal = cluster.journal(run).await;
        journal.iter().filter(|event| is_admitted(event)).count()
    };
    assert_eq!((admitted(first).await, admitted(second).await), (1, 1));
    let counts = cluster.store.count_runs(vec![None]).await;
    assert_eq!(counts.expect("memory answers")[0].unfinished(), 0);
}
