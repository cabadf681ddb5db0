//! Stories of the whole host in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millwork::engine::{Error, Options};
use millwork_core::decide::Rejection;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome};
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::harness::{Harness, Setup, output, workflow};
use crate::support::scripted::Scripted;

#[tokio::test]
async fn steps_run_in_order_and_see_each_others_output() {
    let host = Harness::new();
    let id = host
        .create(workflow(&json!([
            {"name": "first", "type": "echo", "config": {"n": "${payload.n + 1}"}},
            {"name": "second", "type": "echo", "config": {"text": "n is ${first.n}", "whole": "${first}"}},
        ])))
        .await;
    let run = host.trigger(id, json!({"n": 41})).await;
    let view = host.succeeded(run).await;
    assert_eq!(
        output(&view, "second"),
        json!({"text": "n is 42", "whole": {"n": 42}})
    );
    let keys: Vec<_> = host
        .plugins
        .calls()
        .into_iter()
        .map(|call| call.idempotency_key)
        .collect();
    assert_eq!(keys, [format!("{run}/first"), format!("{run}/second")]);
}

#[tokio::test]
async fn a_workflow_without_steps_succeeds() {
    let host = Harness::new();
    let id = host.create(workflow(&json!([]))).await;
    let run = host.trigger(id, json!({})).await;
    host.succeeded(run).await;
}

#[tokio::test]
async fn a_sleeping_run_wakes_when_it_is_due_and_not_before() {
    let host = Harness::new();
    let id = host
        .create(workflow(
            &json!([{"name": "nap", "type": "delay", "config": {"duration": 3600}}]),
        ))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.until(run, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    host.clock.advance(Duration::from_secs(3599));
    host.settle().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Running);
    assert_eq!(
        host.engine.in_hand(),
        0,
        "a sleeping run is in nobody's hand"
    );
    host.clock.advance(Duration::from_secs(1));
    let view = host.succeeded(run).await;
    let nap = view.run.step(&StepKey::of("nap")).expect("it ran");
    let slept = nap
        .completed_at
        .expect("it ended")
        .since(nap.started_at.expect("it began"));
    assert!(slept >= Duration::from_secs(3600), "{slept:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_wakes_nothing_early() {
    let host = Harness::new();
    let id = host
        .create(workflow(
            &json!([{"name": "nap", "type": "delay", "config": {"duration": 30}}]),
        ))
        .await;
    let start = host.now();
    let run = host.trigger(id, json!({})).await;
    host.until(run, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    host.clock.set(start.after(Duration::from_secs(20)));
    host.settle().await;
    host.clock.set(start);
    host.settle().await;
    host.clock.set(start.after(Duration::from_secs(29)));
    host.settle().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Running);
    host.clock.set(start.after(Duration::from_secs(30)));
    host.succeeded(run).await;
}

#[tokio::test]
async fn a_retryable_failure_is_tried_again_after_its_wait() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let plugins = Scripted::new().with("flaky", move |call| {
        let tries = Arc::clone(&counted);
        async move {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(Failure::retryable("http-503", "busy")),
                _ => Ok(Outcome::Completed(Json::from(
                    json!({"attempt": call.attempt}),
                ))),
            }
        }
    });
    let host = Harness::with(Setup {
        plugins,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([{
            "name": "call", "type": "flaky",
            "retry": {"max_attempts": 3, "initial": "10s", "factor": 2, "jitter": "none"},
        }])))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.until(run, "the first failure", |view| {
        view.run.wake_at().is_some()
    })
    .await;
    host.clock.advance(Duration::from_secs(9));
    host.settle().await;
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    host.clock.advance(Duration::from_secs(1));
    let due = host.now().after(Duration::from_secs(20));
    host.until(run, "the second failure", |view| {
        view.run.wake_at() == Some(due)
    })
    .await;
    host.clock.advance(Duration::from_secs(20));
    let view = host.succeeded(run).await;
    assert_eq!(output(&view, "call"), json!({"attempt": 3}));
    let keys: std::collections::BTreeSet<_> = host
        .plugins
        .calls()
        .into_iter()
        .map(|call| call.idempotency_key)
        .collect();
    assert_eq!(keys.len(), 1, "every attempt carries the same key");
}

#[tokio::test]
async fn a_permanent_failure_fails_the_run_and_says_why() {
    let host = Harness::new();
    let id = host
        .create(workflow(&json!([
            {"name": "bad", "type": "broken"},
            {"name": "never", "type": "echo"},
        ])))
        .await;
    let run = host.trigger(id, json!({})).await;
    let view = host.finished(run).await;
    assert_eq!(view.run.status(), RunStatus::Failed);
    assert_eq!(
        view.run.error().map(ToString::to_string).as_deref(),
        Some("step \"bad\" failed: it is broken")
    );
    assert!(view.run.step(&StepKey::of("never")).is_none());
    assert_eq!(host.plugins.calls().len(), 1);
}

#[tokio::test]
async fn cancelling_interrupts_the_call_that_is_being_made() {
    let began = Arc::new(Notify::new());
    let dropped = Arc::new(AtomicU32::new(0));
    struct OnDrop(Arc<AtomicU32>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (began_in_call, dropped_in_call) = (Arc::clone(&began), Arc::clone(&dropped));
    let plugins = Scripted::new().with("endless", move |_| {
        let (began, dropped) = (
            Arc::clone(&began_in_call),
            OnDrop(Arc::clone(&dropped_in_call)),
        );
        async move {
            let _dropped = dropped;
            began.notify_one();
            std::future::pending().await
        }
    });
    let host = Harness::with(Setup {
        plugins,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([{"name": "wait", "type": "endless"}])))
        .await;
    let run = host.trigger(id, json!({})).await;
    began.notified().await;
    let view = host
        .engine
        .cancel_run(run, Some("enough".to_owned()))
        .await
        .expect("it can be cancelled");
    assert_eq!(view.run.status(), RunStatus::Cancelled);
    for _ in 0..200 {
        host.settle().await;
        if dropped.load(Ordering::Relaxed) == 1 {
            break;
        }
    }
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        1,
        "the call was not interrupted"
    );
    let again = host.engine.cancel_run(run, None).await;
    assert!(
        matches!(
            again,
            Err(Error::Rejected(Rejection::Finished {
                status: RunStatus::Cancelled,
                ..
            }))
        ),
        "{again:?}"
    );
    assert!(matches!(
        view.run.step(&StepKey::of("wait")).map(|s| &s.phase),
        Some(Phase::Cancelled)
    ));
}

#[tokio::test]
async fn a_sleeping_run_can_be_cancelled() {
    let host = Harness::new();
    let id = host
        .create(workflow(
            &json!([{"name": "nap", "type": "delay", "config": {"duration": 10}}]),
        ))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.until(run, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    host.engine
        .cancel_run(run, None)
        .await
        .expect("it can be cancelled");
    host.clock.advance(Duration::from_secs(60));
    host.settle().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Cancelled);
}

#[tokio::test]
async fn a_long_attempt_shows_in_the_journal_while_it_is_made() {
    let finish = Arc::new(Notify::new());
    let finish_in_call = Arc::clone(&finish);
    let plugins = Scripted::new().with("slow", move |call| {
        let finish = Arc::clone(&finish_in_call);
        async move {
            finish.notified().await;
            Ok(Outcome::Completed(call.config))
        }
    });
    let host = Harness::with(Setup {
        plugins,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([{"name": "slow", "type": "slow"}])))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.settle().await;
    assert_eq!(host.run(run).await.run.status(), RunStatus::Pending);
    host.clock.advance(Options::default().record_start_after);
    let view = host
        .until(run, "the record of the start", |view| {
            view.run.status() == RunStatus::Running
        })
        .await;
    assert!(matches!(
        view.run.step(&StepKey::of("slow")).map(|s| &s.phase),
        Some(Phase::Running { .. })
    ));
    finish.notify_one();
    host.succeeded(run).await;
    assert_eq!(host.plugins.calls().len(), 1);
}

#[tokio::test]
async fn what_was_under_way_when_the_host_died_is_done_by_the_next() {
    let plugins = Scripted::new().with("hang", |_| std::future::pending());
    let host = Harness::with(Setup {
        plugins,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([
            {"name": "first", "type": "echo", "config": {"n": 1}},
            {"name": "second", "type": "hang"},
            {"name": "nap", "type": "delay", "config": {"duration": 5}},
        ])))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.until(run, "the first step", |view| view.run.steps_done() == 1)
        .await;
    let mended = Scripted::new().with("hang", |_| async {
        Ok(Outcome::Completed(Json::from(json!("done"))))
    });
    let host = host.crash_into(mended).await;
    host.until(run, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    let names: Vec<_> = host
        .plugins
        .calls()
        .into_iter()
        .map(|call| call.step)
        .collect();
    assert_eq!(names, ["second", "nap"], "what was done is not done again");
    // And a host that dies while the run sleeps changes nothing either.
    let host = host.crash().await;
    host.settle().await;
    host.clock.advance(Duration::from_secs(5));
    host.succeeded(run).await;
    assert!(
        host.plugins.calls().is_empty(),
        "waking completes the step without another call"
    );
}

#[tokio::test]
async fn a_run_keeps_the_plugin_it_began_with() {
    let host = Harness::with(Setup {
        plugins: Scripted::new().of_digest(1),
        ..Setup::default()
    });
    let definition = workflow(&json!([
        {"name": "nap", "type": "delay", "config": {"duration": 5}},
        {"name": "say", "type": "echo"},
    ]));
    let id = host.create(definition).await;
    let old = host.trigger(id, json!({})).await;
    host.until(old, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    let host = host.crash_into(Scripted::new().of_digest(2)).await;
    let new = host.trigger(id, json!({})).await;
    host.until(new, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    host.clock.advance(Duration::from_secs(5));
    host.succeeded(old).await;
    host.succeeded(new).await;
    let said: std::collections::BTreeMap<_, _> = host
        .plugins
        .calls()
        .into_iter()
        .filter(|call| call.step == "say")
        .map(|call| (call.run, call.plugin.as_bytes()[0]))
        .collect();
    assert_eq!(said, [(old, 1), (new, 2)].into());
}

#[tokio::test]
async fn runs_that_find_no_room_on_the_bus_wait_in_the_store() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let gate_in_call = Arc::clone(&gate);
    let plugins = Scripted::new().with("gated", move |call| {
        let gate = Arc::clone(&gate_in_call);
        async move {
            gate.acquire()
                .await
                .expect("the gate is never closed")
                .forget();
            Ok(Outcome::Completed(call.config))
        }
    });
    let options = Options {
        in_flight_max: 2,
        ..Options::default()
    };
    let host = Harness::with(Setup {
        plugins,
        options,
        queue_max: 4,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([{"name": "gate", "type": "gated"}])))
        .await;
    let mut runs = Vec::new();
    for n in 0..50 {
        runs.push(host.trigger(id, json!({"n": n})).await);
    }
    host.settle().await;
    assert!(host.queued() <= 4, "the queue is bounded");
    gate.add_permits(50);
    for run in runs {
        host.succeeded(run).await;
    }
    assert_eq!(host.plugins.calls().len(), 50, "nothing was executed twice");
}

#[tokio::test]
async fn past_the_backlog_triggers_are_turned_away_and_nothing_is_dropped() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let gate_in_call = Arc::clone(&gate);
    let plugins = Scripted::new().with("gated", move |call| {
        let gate = Arc::clone(&gate_in_call);
        async move {
            gate.acquire()
                .await
                .expect("the gate is never closed")
                .forget();
            Ok(Outcome::Completed(call.config))
        }
    });
    let options = Options {
        in_flight_max: 1,
        backlog_max: 10,
        ..Options::default()
    };
    let host = Harness::with(Setup {
        plugins,
        options,
        queue_max: 4,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([{"name": "gate", "type": "gated"}])))
        .await;
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for n in 0..40 {
        match host.try_trigger(id, json!({"n": n}), None).await {
            Ok(run) => accepted.push(run),
            Err(Error::Overloaded { limit: 10, .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        host.settle().await;
    }
    assert!(refused > 0, "the limit was never reached");
    assert!(accepted.len() >= 10, "{} were accepted", accepted.len());
    gate.add_permits(40);
    for run in accepted {
        host.succeeded(run).await;
    }
    host.trigger(id, json!({})).await;
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_run_and_refuses_another_payload() {
    let host = Harness::new();
    let id = host
        .create(workflow(&json!([{"name": "say", "type": "echo"}])))
        .await;
    let first = host
        .try_trigger(id, json!({"n": 1}), Some("key"))
        .await
        .expect("it is accepted");
    let again = host
        .try_trigger(id, json!({"n": 1}), Some("key"))
        .await
        .expect("it is accepted");
    assert_eq!(first, again);
    let other = host.try_trigger(id, json!({"n": 2}), Some("key")).await;
    assert!(
        matches!(other, Err(Error::IdempotencyKeyReused { .. })),
        "{other:?}"
    );
    host.succeeded(first).await;
    host.clock
        .advance(Options::default().idempotency_kept + Duration::from_secs(1));
    let later = host
        .try_trigger(id, json!({"n": 2}), Some("key"))
        .await
        .expect("the key is forgotten");
    assert_ne!(first, later);
    host.succeeded(later).await;
    assert_eq!(host.plugins.calls().len(), 2);
}

#[tokio::test]
async fn every_problem_of_a_definition_is_told_at_once() {
    let host = Harness::new();
    let refused = host
        .engine
        .create_workflow(json!({
            "name": "bad", "stpes": [],
            "steps": [
                {"name": "a", "type": "ecko"},
                {"name": "b", "type": "echo", "config": {"refuse": true, "x": "${c.y}"}},
            ],
        }))
        .await;
    let Err(Error::InvalidDefinition(problems)) = refused else {
        panic!("{refused:?}")
    };
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "/steps/0/type",
            "/steps/1/config/refuse",
            "/steps/1/config/x",
            "/stpes"
        ]
    );
}

#[tokio::test]
async fn waiting_for_a_run_ends_with_the_run_or_with_the_time() {
    let host = Harness::new();
    let id = host
        .create(workflow(
            &json!([{"name": "nap", "type": "delay", "config": {"duration": 5}}]),
        ))
        .await;
    let run = host.trigger(id, json!({})).await;
    let engine = host.engine.clone();
    let waiting =
        tokio::spawn(async move { engine.wait_for_run(run, Duration::from_secs(2)).await });
    host.until(run, "the sleep", |view| view.run.wake_at().is_some())
        .await;
    host.clock.advance(Duration::from_secs(2));
    let view = waiting
        .await
        .expect("it does not panic")
        .expect("the run is there");
    assert_eq!(view.run.status(), RunStatus::Running);
    let engine = host.engine.clone();
    let waiting =
        tokio::spawn(async move { engine.wait_for_run(run, Duration::from_secs(60)).await });
    host.settle().await;
    host.clock.advance(Duration::from_secs(3));
    let view = waiting
        .await
        .expect("it does not panic")
        .expect("the run is there");
    assert_eq!(view.run.status(), RunStatus::Success);
}

#[tokio::test]
async fn independent_steps_run_beside_each_other() {
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let both_in_call = Arc::clone(&both);
    let plugins = Scripted::new().with("meet", move |call| {
        let both = Arc::clone(&both_in_call);
        async move {
            both.wait().await;
            Ok(Outcome::Completed(call.config))
        }
    });
    let host = Harness::with(Setup {
        plugins,
        ..Setup::default()
    });
    let id = host
        .create(workflow(&json!([
            {"name": "left", "type": "meet", "needs": []},
            {"name": "right", "type": "meet", "needs": []},
            {"name": "after", "type": "echo", "needs": ["left", "right"], "config": {"n": "${left}"}},
        ])))
        .await;
    let run = host.trigger(id, json!({})).await;
    host.succeeded(run).await;
}

#[tokio::test]
async fn a_run_whose_caller_hung_up_is_executed_all_the_same() {
    let host = Harness::new();
    let id = host
        .create(workflow(&json!([{"name": "say", "type": "echo"}])))
        .await;
    let warm = host.trigger(id, json!({})).await;
    host.succeeded(warm).await;
    host.settle().await;
    {
        let trigger = host.try_trigger(id, json!({"n": 1}), None);
        tokio::pin!(trigger);
        // Polled once, so that the commit is handed in; then dropped, as a server drops the request of a client that hung up.
        assert!(futures::poll!(trigger.as_mut()).is_pending());
    }
    for _ in 0..100 {
        host.settle().await;
        if host.plugins.calls().len() == 2 {
            return;
        }
    }
    panic!("the run was written and never executed");
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_loses_nothing() {
    for seed in 0..6 {
        let host = Harness::new();
        let id = host
            .create(workflow(&json!([
                {"name": "one", "type": "echo", "config": {"n": "${payload.n}"}},
                {"name": "nap", "type": "delay", "config": {"duration": 1}},
                {"name": "two", "type": "echo", "config": {"n": "${one.n + 1}"}},
            ])))
            .await;
        host.store.fail_commits_at_random(seed, 30);
        let mut accepted = Vec::new();
        for n in 0..20 {
            // Not acknowledged means not promised: only what was accepted has to end.
            if let Ok(run) = host.try_trigger(id, json!({"n": n}), None).await {
                accepted.push((run, n));
            }
        }
        for _ in 0..200 {
            host.settle().await;
            host.clock.advance(Duration::from_millis(500));
            let mut open = 0;
            for (run, _) in &accepted {
                open += usize::from(!host.run(*run).await.run.status().is_finished());
            }
            if open == 0 {
                break;
            }
        }
        assert!(!accepted.is_empty(), "seed {seed}: nothing was accepted");
        for (run, n) in accepted {
            let view = host.run(run).await;
            assert_eq!(
                view.run.status(),
                RunStatus::Success,
                "seed {seed}: {:?}",
                view.run
            );
            assert_eq!(output(&view, "two"), json!({"n": n + 1}), "seed {seed}");
        }
    }
}
