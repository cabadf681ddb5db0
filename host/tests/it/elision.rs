//! Stories of commit elision: what acts on nothing may be written together with what follows, and nobody can tell.

use std::sync::Arc;
use std::time::Duration;

use millwork::engine::{Options, RunView};
use millwork_core::command::Signal;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::run::Phase;
use millwork_core::step::StepKey;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::harness::{Harness, Setup, output, workflow};
use crate::support::scripted::Scripted;

/// `calc` and `slow` act on nothing, `act` does; `slow` and `act` wait for a permit.
fn connectors(permits: &Arc<Semaphore>) -> Scripted {
    let gated = |permits: &Arc<Semaphore>| {
        let permits = Arc::clone(permits);
        move |call: millwork_plugin::Invocation| {
            let permits = Arc::clone(&permits);
            async move {
                permits
                    .acquire()
                    .await
                    .expect("it is never closed")
                    .forget();
                Ok(Outcome::Completed(call.config))
            }
        }
    };
    Scripted::new()
        .with_pure(
            "calc",
            |call| async move { Ok(Outcome::Completed(call.config)) },
        )
        .with_pure("slow", gated(permits))
        .with("act", gated(permits))
}

fn host(permits: &Arc<Semaphore>, commit_elision: bool) -> Harness {
    Harness::with(Setup {
        plugins: connectors(permits),
        options: Options {
            commit_elision,
            ..Options::default()
        },
        ..Setup::default()
    })
}

/// A run that has acted, whose next step is done and whose third one, both of which act on nothing, is under way.
async fn begun(host: &Harness) -> RunId {
    let id = host
        .create(workflow(&json!([
            {"name": "first", "type": "echo"},
            {"name": "a", "type": "calc", "config": {"n": 1}},
            {"name": "b", "type": "slow", "config": {"n": "${a.n + 1}"}},
            {"name": "c", "type": "act", "config": {"n": "${b.n + 1}"}},
        ])))
        .await;
    let run = host.trigger(id, json!({})).await;
    called(host, run, 3).await;
    run
}

/// Waits until so many calls were made.
async fn called(host: &Harness, run: RunId, calls: usize) {
    host.until(run, "the call", |_| host.plugins.calls().len() == calls)
        .await;
    host.settle().await;
    assert_eq!(host.plugins.calls().len(), calls);
}

fn is_done(view: &RunView, step: &str) -> bool {
    let found = view.run.step(&StepKey::of(step));
    found.is_some_and(|step| matches!(step.phase, Phase::Succeeded { .. }))
}

#[tokio::test]
async fn a_pure_result_is_written_with_what_follows_and_what_acts_finds_everything_written() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, true);
    let run = begun(&host).await;
    let view = host.run(run).await;
    assert!(!is_done(&view, "a"), "it is held: {:?}", view.run);
    permits.add_permits(1);
    called(&host, run, 4).await;
    let view = host.run(run).await;
    assert!(
        is_done(&view, "a") && is_done(&view, "b"),
        "the step that acts began on what was not written: {:?}",
        view.run
    );
    permits.add_permits(1);
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "c"), json!({"n": 3}));
}

#[tokio::test]
async fn where_it_is_turned_off_every_result_is_written_by_itself() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, false);
    let run = begun(&host).await;
    assert!(is_done(&host.run(run).await, "a"));
    permits.add_permits(2);
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "c"), json!({"n": 3}));
}

#[tokio::test]
async fn what_is_held_is_written_when_the_next_step_takes_its_time() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, true);
    let run = begun(&host).await;
    host.clock.advance(Options::default().record_start_after);
    host.until(run, "the first result", |view| is_done(view, "a"))
        .await;
}

#[tokio::test]
async fn a_crash_has_what_was_held_made_again_under_the_same_key() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, true);
    let run = begun(&host).await;
    // What was under way in the dead host waits for its own permits, and gets none.
    let host = host
        .crash_into(connectors(&Arc::new(Semaphore::new(2))))
        .await;
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "c"), json!({"n": 3}));
    let keys: Vec<String> = host
        .plugins
        .calls()
        .into_iter()
        .map(|call| call.idempotency_key)
        .collect();
    let expected = ["a", "b", "c"].map(|step| format!("{run}/{step}"));
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_signal_that_comes_in_between_loses_nothing_and_repeats_nothing() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, true);
    let run = begun(&host).await;
    let signal = Signal {
        name: "ping".to_owned(),
        payload: Json::null(),
        key: None,
    };
    host.engine
        .signal_run(run, signal)
        .await
        .expect("it is taken");
    host.settle().await;
    permits.add_permits(2);
    host.succeeded(run).await;
    assert_eq!(host.plugins.calls().len(), 4, "{:?}", host.plugins.calls());
}

#[tokio::test]
async fn a_cancellation_ends_a_run_whose_results_are_held() {
    let permits = Arc::new(Semaphore::new(0));
    let host = host(&permits, true);
    let run = begun(&host).await;
    host.engine
        .cancel_run(run, None)
        .await
        .expect("it can be cancelled");
    permits.add_permits(2);
    host.settle().await;
    assert_eq!(host.plugins.calls().len(), 3, "nothing is begun after it");
    host.clock.advance(Duration::from_secs(60));
    host.settle().await;
    let view = host.run(run).await;
    assert_eq!(
        view.run.status(),
        millwork_core::run::RunStatus::Cancelled,
        "{:?}",
        view.run
    );
}
