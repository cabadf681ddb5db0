//! The workflow language, carried out: loops, compensation, ends, control of a run, and runs that are steps of runs.

use std::sync::Arc;
use std::time::Duration;

use millwork::engine::{Error, Options, RetryFrom, RetryWith};
use millwork_core::decide::Rejection;
use millwork_core::event::Wait;
use millwork_core::id::RunId;
use millwork_core::limits::Limits;
use millwork_core::outcome::{Failure, Outcome};
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::cluster::{Cluster, TIMEOUT, open};
use crate::support::harness::{Harness, Setup, output};
use crate::support::scripted::Scripted;

/// The names of the steps that were called, in order.
fn called(plugins: &Scripted) -> Vec<String> {
    let calls = plugins.calls().into_iter();
    let named = calls.map(|call| match call.iteration {
        None => call.step,
        Some(iteration) => format!("{}[{iteration}]", call.step),
    });
    named.collect()
}

/// With `wait`, which returns when it is told to.
fn with_wait(plugins: Scripted) -> (Scripted, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let plugins = plugins.with("wait", move |call| {
        let told = Arc::clone(&told);
        async move {
            told.notified().await;
            Ok(Outcome::Completed(call.config))
        }
    });
    (plugins, go)
}

fn scripted(plugins: Scripted) -> Harness {
    Harness::with(Setup {
        plugins,
        ..Setup::default()
    })
}

#[tokio::test]
async fn a_workflow_with_everything_in_it_ends_with_its_output() {
    let host = Harness::new();
    let workflow = host
        .create(json!({
            "name": "all",
            "steps": [
                {"name": "each", "type": "echo", "foreach": "${payload.items}", "max_parallel": 3, "config": {"n": "${item * 2}", "i": "${index}"}},
                {"name": "over", "type": "broken", "on_error": "continue"},
                {"name": "sum", "type": "echo", "config": {"sum": "${each | map(attribute='n') | sum}", "why": "${over.error.code}"}},
            ],
            "finally": [{"name": "bye", "type": "echo", "config": {"failure": "${failure}"}}],
            "output": {"sum": "${sum.sum}", "why": "${sum.why}"},
        }))
        .await;
    let items: Vec<u32> = (0..100).collect();
    let run = host.trigger(workflow, json!({"items": items})).await;
    let view = host.succeeded(run).await;
    let result = view.run.output().expect("the workflow has one");
    assert_eq!(result.value(), &json!({"sum": 9_900, "why": "broken"}));
    assert_eq!(host.plugins.calls().len(), 103);
}

#[tokio::test]
async fn what_was_done_is_undone_after_a_crash_in_between() {
    let host = scripted(Scripted::new().with("hang", |_| std::future::pending()));
    let workflow = host
        .create(json!({
            "name": "saga",
            "steps": [
                {"name": "a", "type": "echo", "compensate": {"type": "echo"}},
                {"name": "b", "type": "echo", "compensate": {"type": "hang"}},
                {"name": "c", "type": "broken"},
            ],
            "on_failure": [{"name": "alert", "type": "echo", "config": {"why": "${failure.code}"}}],
        }))
        .await;
    let run = host.trigger(workflow, json!({})).await;
    host.settle().await;
    assert_eq!(called(&host.plugins), ["a", "b", "c", "b.compensate"]);
    let plugins =
        Scripted::new().with("hang", |call| async { Ok(Outcome::Completed(call.config)) });
    let host = host.crash_into(plugins).await;
    let view = host.finished(run).await;
    assert_eq!(view.run.status(), RunStatus::Failed);
    assert_eq!(
        called(&host.plugins),
        ["b.compensate", "a.compensate", "alert"]
    );
    assert_eq!(output(&view, "alert"), json!({"why": "broken"}));
}

#[tokio::test]
async fn a_cancelled_run_is_undone_and_a_killed_one_is_not() {
    let host = scripted(Scripted::new().with("hang", |_| std::future::pending()));
    let definition = json!({
        "name": "control",
        "steps": [
            {"name": "a", "type": "echo", "compensate": {"type": "echo"}},
            {"name": "b", "type": "hang"},
        ],
        "finally": [{"name": "z", "type": "echo"}],
    });
    let workflow = host.create(definition).await;
    let cancelled = host.trigger(workflow, json!({})).await;
    host.settle().await;
    let view = host.engine.cancel_run(cancelled, None).await;
    assert_eq!(view.expect("it runs").run.status(), RunStatus::Running);
    let view = host.finished(cancelled).await;
    assert_eq!(view.run.status(), RunStatus::Cancelled);
    assert_eq!(called(&host.plugins), ["a", "b", "a.compensate", "z"]);

    let killed = host.trigger(workflow, json!({})).await;
    host.settle().await;
    let view = host
        .engine
        .kill_run(killed, Some("it hangs".to_owned()))
        .await;
    assert_eq!(view.expect("it runs").run.status(), RunStatus::Cancelled);
    host.settle().await;
    assert_eq!(called(&host.plugins)[4..], ["a", "b"]);
    assert_eq!(host.engine.in_hand(), 0);
}

#[tokio::test]
async fn a_run_that_is_held_lets_what_is_under_way_finish_and_begins_nothing() {
    let (plugins, go) = with_wait(Scripted::new());
    let host = scripted(plugins);
    let steps = json!([{"name": "a", "type": "wait"}, {"name": "b", "type": "echo"}]);
    let workflow = host.create(json!({"name": "hold", "steps": steps})).await;
    let run = host.trigger(workflow, json!({})).await;
    host.settle().await;
    let held = host.engine.pause_run(run, None).await.expect("it runs");
    assert_eq!(held.run.status(), RunStatus::Paused);
    go.notify_one();
    host.until(run, "the end of what was under way", |view| {
        view.run.steps_done() == 1
    })
    .await;
    host.settle().await;
    assert_eq!(called(&host.plugins), ["a"]);
    // Nobody holds it in memory meanwhile, and a restart changes nothing.
    assert_eq!(host.engine.in_hand(), 0);
    let host = host.crash().await;
    host.settle().await;
    assert!(host.plugins.calls().is_empty());
    host.engine.resume_run(run).await.expect("it is held");
    host.succeeded(run).await;
    assert_eq!(called(&host.plugins), ["b"]);
}

#[tokio::test]
async fn a_timer_does_not_ring_while_its_run_is_held() {
    let host = Harness::new();
    let steps = json!([{"name": "nap", "type": "delay", "config": {"duration": 10}}]);
    let workflow = host.create(json!({"name": "hold", "steps": steps})).await;
    let run = host.trigger(workflow, json!({})).await;
    host.settle().await;
    host.engine.pause_run(run, None).await.expect("it sleeps");
    host.clock.advance(Duration::from_secs(60));
    host.settle().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Paused);
    host.engine.resume_run(run).await.expect("it is held");
    host.succeeded(run).await;
}

#[tokio::test]
async fn a_run_is_done_again_from_what_failed_with_the_plugins_of_now() {
    let host = Harness::new();
    let steps = json!([{"name": "a", "type": "echo"}, {"name": "b", "type": "broken"}]);
    let workflow = host.create(json!({"name": "again", "steps": steps})).await;
    let run = host.trigger(workflow, json!({})).await;
    host.finished(run).await;
    let refused = host
        .engine
        .retry_run(run, RetryFrom::Step(StepKey::of("c")), RetryWith::Pinned)
        .await;
    assert!(
        matches!(
            &refused,
            Err(Error::Rejected(Rejection::UnknownStep { .. }))
        ),
        "{refused:?}"
    );
    let mended = Scripted::new()
        .with("broken", |call| async {
            Ok(Outcome::Completed(call.config))
        })
        .of_digest(9);
    let host = host.crash_into(mended).await;
    let view = host
        .engine
        .retry_run(run, RetryFrom::Failure, RetryWith::Newest)
        .await
        .expect("it has ended");
    assert_eq!(view.run.status(), RunStatus::Running);
    let view = host.succeeded(run).await;
    assert_eq!(view.run.round(), 1);
    let calls = host.plugins.calls();
    assert_eq!(called(&host.plugins), ["b"]);
    assert_eq!(calls[0].plugin.as_bytes(), &[9; 32]);
    assert!(
        calls[0].idempotency_key.ends_with("/b~1"),
        "{}",
        calls[0].idempotency_key
    );
}

#[tokio::test]
async fn a_run_that_takes_too_long_fails_and_says_so() {
    let host = scripted(Scripted::new().with("hang", |_| std::future::pending()));
    let workflow = host
        .create(json!({"name": "slow", "timeout": "30s", "steps": [{"name": "a", "type": "hang", "timeout": "1h"}]}))
        .await;
    let run = host.trigger(workflow, json!({})).await;
    host.settle().await;
    host.clock.advance(Duration::from_secs(31));
    let view = host.finished(run).await;
    let error = view.run.error().expect("it failed");
    assert_eq!((error.code.as_str(), &error.step), ("run-timeout", &None));
}

#[tokio::test]
async fn a_limit_that_is_reached_is_named() {
    let host = Harness::with(Setup {
        options: Options {
            limits: Limits {
                items_max: 3,
                ..Limits::default()
            },
            ..Options::default()
        },
        ..Setup::default()
    });
    let steps = json!([{"name": "a", "type": "echo", "foreach": [1, 2, 3, 4]}]);
    let workflow = host.create(json!({"name": "long", "steps": steps})).await;
    let run = host.trigger(workflow, json!({})).await;
    let view = host.finished(run).await;
    let error = view.run.error().expect("it failed").message.clone();
    assert_eq!(
        error,
        "`foreach` gives 4 items, the limit is 3 (limits.foreach_items_max)"
    );
}

#[tokio::test]
async fn a_payload_is_judged_by_the_schema_of_its_workflow() {
    let host = Harness::new();
    let refused = host
        .engine
        .create_workflow(json!({"name": "w", "input": {"type": "objekt"}, "steps": []}))
        .await;
    let Err(Error::InvalidDefinition(problems)) = refused else {
        panic!("that is no schema")
    };
    assert_eq!(problems[0].path, "/input");
    let schema =
        json!({"type": "object", "required": ["id"], "properties": {"n": {"type": "integer"}}});
    let workflow = host
        .create(json!({"name": "w", "input": schema, "steps": []}))
        .await;
    let refused = host.try_trigger(workflow, json!({"n": "x"}), None).await;
    let Err(Error::InvalidPayload(problems)) = refused else {
        panic!("it does not hold: {refused:?}")
    };
    let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(paths, ["/id", "/n"]);
    let run = host.trigger(workflow, json!({"id": 1, "n": 2})).await;
    host.succeeded(run).await;
}

/// The run for which a step waits.
async fn child_of(host: &Harness, run: RunId, step: &str) -> RunId {
    let waits = |phase: &Phase| match phase {
        Phase::Suspended {
            wait: Wait::Run { run },
            ..
        } => Some(*run),
        _ => None,
    };
    let key = StepKey::of(step);
    let view = host
        .until(run, "the run of the step", |view| {
            let step = view.run.step(&key);
            step.is_some_and(|step| waits(&step.phase).is_some())
        })
        .await;
    let step = view.run.step(&key).expect("it was looked at");
    waits(&step.phase).expect("it waits")
}

async fn family(host: &Harness, inner: Value) -> RunId {
    let inner = host
        .create(json!({"name": "inner", "steps": inner, "output": "${a.n | default(none)}"}))
        .await;
    let outer = host
        .create(json!({
            "name": "outer",
            "steps": [
                {"name": "first", "type": "echo", "compensate": {"type": "echo"}},
                {"name": "ship", "type": "workflow", "config": {"workflow": inner.to_string(), "payload": {"n": 7}}},
                {"name": "last", "type": "echo", "config": {"got": "${ship}"}},
            ],
        }))
        .await;
    host.trigger(outer, json!({})).await
}

#[tokio::test]
async fn a_step_is_a_run_of_another_workflow_and_has_its_output() {
    let host = Harness::new();
    let run = family(
        &host,
        json!([{"name": "a", "type": "echo", "config": {"n": "${payload.n}"}}]),
    )
    .await;
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "last"), json!({"got": 7}));
}

#[tokio::test]
async fn the_end_of_a_child_reaches_its_parent_over_a_crash() {
    let host = Harness::new();
    let run = family(
        &host,
        json!([{"name": "a", "type": "delay", "config": {"duration": 60}}]),
    )
    .await;
    let child = child_of(&host, run, "ship").await;
    host.settle().await;
    let host = host.crash().await;
    host.settle().await;
    host.clock.advance(Duration::from_secs(61));
    host.succeeded(child).await;
    host.succeeded(run).await;
    assert_eq!(called(&host.plugins), ["last"]);
}

#[tokio::test]
async fn who_cancels_a_parent_cancels_its_child_and_the_parent_is_undone_after_it() {
    let (plugins, _go) = with_wait(Scripted::new());
    let host = scripted(plugins);
    let run = family(&host, json!([{"name": "a", "type": "wait"}])).await;
    let child = child_of(&host, run, "ship").await;
    host.settle().await;
    host.engine.cancel_run(run, None).await.expect("it runs");
    let child = host.finished(child).await;
    assert_eq!(child.run.status(), RunStatus::Cancelled);
    let parent = host.finished(run).await;
    assert_eq!(parent.run.status(), RunStatus::Cancelled);
    assert_eq!(called(&host.plugins), ["first", "a", "first.compensate"]);
}

#[tokio::test]
async fn who_kills_a_parent_kills_its_child() {
    let (plugins, _go) = with_wait(Scripted::new());
    let host = scripted(plugins);
    let run = family(&host, json!([{"name": "a", "type": "wait"}])).await;
    let child = child_of(&host, run, "ship").await;
    host.settle().await;
    host.engine.kill_run(run, None).await.expect("it runs");
    let child = host.finished(child).await;
    assert_eq!(child.run.status(), RunStatus::Cancelled);
}

#[tokio::test]
async fn a_child_that_fails_fails_its_step_and_a_retry_is_another_run() {
    let host = scripted(Scripted::new().with("flaky", |call| async move {
        match call.idempotency_key.is_empty() {
            true => Ok(Outcome::Completed(call.config)),
            false => Err(Failure::permanent("no-van", "there is no van")),
        }
    }));
    let run = family(&host, json!([{"name": "a", "type": "flaky"}])).await;
    let view = host.finished(run).await;
    let error = view.run.error().expect("it failed");
    assert_eq!(error.code, "child-failed");
    assert!(
        error.message.contains("there is no van"),
        "{}",
        error.message
    );
    host.engine
        .retry_run(run, RetryFrom::Failure, RetryWith::Pinned)
        .await
        .expect("it has ended");
    let again = host.until(run, "its second end", |view| {
        view.run.status().is_finished() && view.run.round() == 1
    });
    again.await;
    let children: std::collections::BTreeSet<_> =
        host.plugins.calls().iter().map(|call| call.run).collect();
    assert_eq!(children.len(), 3, "the parent, and a child in each round");
}

#[tokio::test]
async fn a_workflow_that_starts_itself_stops_at_a_depth() {
    let host = Harness::new();
    let inner = json!([{"name": "again", "type": "workflow", "config": {"workflow": "${payload.me}", "payload": {"me": "${payload.me}"}}}]);
    let workflow = host.create(json!({"name": "self", "steps": inner})).await;
    let run = host
        .trigger(workflow, json!({"me": workflow.to_string()}))
        .await;
    let view = host.finished(run).await;
    let error = &view.run.error().expect("it failed").message;
    assert!(error.contains("limits.workflow_depth_max"), "{error}");
}

#[tokio::test]
async fn in_a_cluster_a_run_is_held_resumed_and_cancelled_by_another_process() {
    let cluster = Cluster::new();
    let (plugins, go) = with_wait(open());
    let (api, worker) = (
        cluster.api_with(with_wait(open()).0),
        cluster.worker(plugins),
    );
    let steps = json!([{"name": "a", "type": "wait", "compensate": {"type": "wait"}}, {"name": "b", "type": "wait"}]);
    let workflow = api.create(steps).await;
    let run = api.trigger(workflow).await;
    cluster
        .until("the call", async || worker.calls() == 1)
        .await;
    api.engine.pause_run(run, None).await.expect("it runs");
    cluster.settle().await;
    go.notify_one();
    cluster
        .until("its end", async || api.run(run).await.run.steps_done() == 1)
        .await;
    cluster.pass(4 * TIMEOUT).await;
    assert_eq!(worker.calls(), 1);
    assert_eq!(cluster.due_at(run).await, None, "nobody need look at it");
    api.engine.resume_run(run).await.expect("it is held");
    cluster
        .until("the next call", async || worker.calls() == 2)
        .await;
    api.engine.cancel_run(run, None).await.expect("it runs");
    cluster
        .until("the compensation", async || worker.calls() == 3)
        .await;
    go.notify_one();
    cluster
        .until("the end", async || {
            api.run(run).await.run.status() == RunStatus::Cancelled
        })
        .await;
}

#[tokio::test]
async fn in_a_cluster_a_child_is_told_of_by_whoever_is_there() {
    let cluster = Cluster::new();
    let api = cluster.api();
    let first = cluster.worker(open());
    let inner = api
        .create(json!([{"name": "nap", "type": "delay", "config": {"duration": 120}}]))
        .await;
    let outer = api
        .create(json!([{"name": "ship", "type": "workflow", "config": {"workflow": inner.to_string()}}]))
        .await;
    let run = api.trigger(outer).await;
    let is_waiting = async || {
        let view = api.run(run).await;
        view.run.children().open().next().is_some()
    };
    cluster.until("the wait", is_waiting).await;
    cluster.settle().await;
    first.kill();
    let _second = cluster.worker(open());
    cluster.pass(12 * TIMEOUT).await;
    cluster
        .until("the end", async || {
            api.run(run).await.run.status() == RunStatus::Success
        })
        .await;
}
