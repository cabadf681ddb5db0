//! Stories of runs that begin with what acts on nothing: that is made before the run is written, and nobody can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millwork::engine::{Options, RunView};
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
use millwork_core::outcome::{Outcome, Suspension, Then, Until};
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use millwork_store::memory::Fault;
use serde_json::{Value, json};

use crate::support::harness::{Harness, Setup, breathe, output, workflow};
use crate::support::scripted::Scripted;

/// `calc` and `nap` act on nothing and answer at once; `late` acts on nothing and answers at its second turn; `echo` acts.
fn connectors() -> Scripted {
    Scripted::new()
        .with_pure(
            "calc",
            |call| async move { Ok(Outcome::Completed(call.config)) },
        )
        .with_pure("late", |call| async move {
            breathe().await;
            Ok(Outcome::Completed(call.config))
        })
        .with_pure("nap", |_| async {
            Ok(Outcome::Suspended(Suspension {
                until: Until::After(Duration::from_secs(30)),
                state: Vec::new(),
                then: Then::Complete(Json::from(json!("rested"))),
            }))
        })
}

fn host_with(plugins: Scripted, commit_elision: bool) -> Harness {
    Harness::with(Setup {
        plugins,
        options: Options {
            commit_elision,
            ..Options::default()
        },
        ..Setup::default()
    })
}

fn host() -> Harness {
    host_with(connectors(), true)
}

async fn chain(host: &Harness, types: &[&str]) -> WorkflowId {
    let steps = types.iter().enumerate().map(|(n, what)| {
        json!({"name": format!("s{n}"), "type": what, "config": {"n": n}, "delivery": "at-least-once"})
    });
    host.create(workflow(&Value::Array(steps.collect()))).await
}

fn is_done(view: &RunView, step: &str) -> bool {
    let found = view.run.step(&StepKey::of(step));
    found.is_some_and(|step| matches!(step.phase, Phase::Succeeded { .. }))
}

fn actions(host: &Harness) -> Vec<String> {
    let calls = host.plugins.calls();
    calls.into_iter().map(|call| call.step).collect()
}

#[tokio::test]
async fn a_run_that_acts_on_nothing_is_done_when_its_trigger_is_answered() {
    let host = host();
    let id = chain(&host, &["calc", "calc", "calc"]).await;
    let run = host.trigger(id, json!({})).await;
    let view = host.run(run).await;
    assert_eq!(view.run.status(), RunStatus::Success, "{:?}", view.run);
    assert_eq!(output(&view, "s2"), json!({"n": 2}));
    assert_eq!(actions(&host), ["s0", "s1", "s2"]);
    assert_eq!(host.engine.in_hand(), 0);
    let counts = host.engine.count_runs(Some(id)).await.expect("it counts");
    assert_eq!(counts.of(RunStatus::Success), 1, "{counts:?}");
}

#[tokio::test]
async fn a_run_without_steps_is_done_when_its_trigger_is_answered() {
    let host = host();
    let id = host.create(workflow(&json!([]))).await;
    let run = host.trigger(id, json!({})).await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Success);
}

#[tokio::test]
async fn where_it_is_turned_off_the_run_is_written_first() {
    let host = host_with(connectors(), false);
    let id = chain(&host, &["calc"]).await;
    let run = host.trigger(id, json!({})).await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Pending);
    host.succeeded(run).await;
}

#[tokio::test]
async fn a_run_that_begins_by_waiting_is_written_waiting_and_goes_on_in_time() {
    let host = host();
    // By then it has read what is due soon, and hears of the rest from whoever commits it.
    host.settle().await;
    let id = chain(&host, &["nap", "echo"]).await;
    let run = host.trigger(id, json!({})).await;
    host.settle().await;
    assert_eq!(host.engine.due_soon(), 1, "the clock has it");
    assert_eq!(host.engine.in_hand(), 0);
    host.clock.advance(Duration::from_secs(30));
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "s0"), json!("rested"));
    assert_eq!(actions(&host), ["s0", "s1"]);
}

#[tokio::test]
async fn a_run_that_begins_by_waiting_goes_on_in_the_next_process() {
    let host = host();
    let id = chain(&host, &["nap"]).await;
    let run = host.trigger(id, json!({})).await;
    let host = host.crash_into(connectors()).await;
    host.clock.advance(Duration::from_secs(30));
    host.succeeded(run).await;
    assert!(host.plugins.calls().is_empty(), "its waiting is written");
}

#[tokio::test]
async fn what_acts_is_called_when_the_run_is_written_and_once() {
    let host = host();
    let id = chain(&host, &["calc", "calc", "echo", "calc"]).await;
    let run = host.trigger(id, json!({})).await;
    let view = host.run(run).await;
    assert!(is_done(&view, "s0"), "{:?}", view.run);
    assert!(!is_done(&view, "s2"), "{:?}", view.run);
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "s3"), json!({"n": 3}));
    let acted = actions(&host).iter().filter(|step| *step == "s2").count();
    assert_eq!(acted, 1, "{:?}", actions(&host));
}

#[tokio::test]
async fn what_does_not_answer_at_once_holds_nobody_up() {
    let host = host();
    let id = chain(&host, &["calc", "late", "calc"]).await;
    let run = host.trigger(id, json!({})).await;
    let view = host.run(run).await;
    assert!(is_done(&view, "s0"), "{:?}", view.run);
    assert!(!is_done(&view, "s1"), "{:?}", view.run);
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "s2"), json!({"n": 2}));
    let keys: Vec<String> = host
        .plugins
        .calls()
        .into_iter()
        .map(|call| call.idempotency_key)
        .collect();
    let expected = ["s0", "s1", "s1", "s2"].map(|step| format!("{run}/{step}"));
    assert_eq!(
        keys, expected,
        "a call that was dropped is made again under its key"
    );
}

#[tokio::test]
async fn a_step_that_may_be_made_at_most_once_is_not_begun_too_soon() {
    let host = host();
    let id = host
        .create(workflow(&json!([
            {"name": "a", "type": "late", "delivery": "at-most-once"},
        ])))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.succeeded(run).await;
    assert_eq!(actions(&host), ["a"]);
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let host = host();
    let id = chain(&host, &["calc"]).await;
    let first = host
        .try_trigger(id, json!({}), Some("k"))
        .await
        .expect("it is new");
    let second = host
        .try_trigger(id, json!({}), Some("k"))
        .await
        .expect("it is known");
    assert_eq!(first, second);
    assert_eq!(
        host.engine
            .count_runs(Some(id))
            .await
            .expect("it counts")
            .of(RunStatus::Success),
        1
    );
    assert_eq!(host.engine.in_hand(), 0);
}

#[tokio::test]
async fn a_run_whose_commit_is_not_confirmed_is_there_whole_or_not_at_all() {
    for fault in [Fault::BeforeWriting, Fault::AfterWriting] {
        let host = host();
        let done = chain(&host, &["calc"]).await;
        let acts = chain(&host, &["calc", "echo"]).await;
        for id in [done, acts] {
            host.store.fail_commits(1, fault);
            host.try_trigger(id, json!({}), Some("k"))
                .await
                .expect_err("nobody knows");
            let run = host
                .try_trigger(id, json!({}), Some("k"))
                .await
                .expect("it is known now");
            host.succeeded(run).await;
        }
        host.settle().await;
        let acted = actions(&host).iter().filter(|step| *step == "s1").count();
        assert_eq!((acted, host.engine.in_hand()), (1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_overtakes_those_who_wait() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let plugins = connectors().with("hold", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    let host = Harness::with(Setup {
        plugins,
        options: Options {
            in_flight_max: 1,
            ..Options::default()
        },
        ..Setup::default()
    });
    let holds = chain(&host, &["hold"]).await;
    let quick = chain(&host, &["calc"]).await;
    for _ in 0..3 {
        host.trigger(holds, json!({})).await;
    }
    host.settle().await;
    assert_eq!(
        calls.load(Ordering::Relaxed),
        1,
        "one is executed, the others wait"
    );
    let run = host.trigger(quick, json!({})).await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Pending);
}
