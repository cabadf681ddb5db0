//! Signals, in one process and in a cluster: each is taken once, by whichever process is there, and none is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork_core::command::Signal;
use millwork_core::event::Event;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Resume, Suspension, Then, Until, Wake};
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Process, TIMEOUT, open};
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;

const SECOND: Duration = Duration::from_secs(1);

/// With `ask`: waits for the signal `approved`, with a state of its own, and results in both.
fn asking(plugins: Scripted) -> Scripted {
    plugins.with("ask", |call| async move {
        let timeout = call.config.value()["timeout"].as_u64();
        match call.resumed {
            None => Ok(Outcome::Suspended(Suspension {
                until: Until::Signal {
                    name: "approved".to_owned(),
                    timeout: timeout.map(Duration::from_secs),
                },
                state: b"asked Ada".to_vec(),
                then: Then::CallAgain,
            })),
            Some(Resume {
                wake: Wake::Signal { payload, .. },
                state,
            }) => {
                let state = String::from_utf8_lossy(&state).into_owned();
                let output = json!({"payload": payload.value(), "state": state});
                Ok(Outcome::Completed(Json::from(output)))
            }
            Some(_) => Err(Failure::permanent("signal-timeout", "nobody answered")),
        }
    })
}

fn signal(payload: Value, key: Option<&str>) -> Signal {
    Signal {
        name: "approved".to_owned(),
        payload: Json::from(payload),
        key: key.map(str::to_owned),
    }
}

impl Process {
    async fn signal(&self, run: RunId, payload: Value, key: Option<&str>) {
        let sent = self.engine.signal_run(run, signal(payload, key)).await;
        sent.expect("it is accepted");
    }

    /// Whether a step waits for something.
    async fn waits(&self, run: RunId) -> bool {
        let view = self.run(run).await;
        let step = view.run.step(&StepKey::of("a"));
        step.is_some_and(|step| matches!(step.phase, Phase::Suspended { .. }))
    }

    async fn output(&self, run: RunId) -> Value {
        let view = self.run(run).await;
        match view.run.step(&StepKey::of("a")).map(|step| &step.phase) {
            Some(Phase::Succeeded { output }) => output.value().clone(),
            other => panic!("the step is {other:?}"),
        }
    }
}

/// A run that waits for a signal, for ever or for so many seconds.
async fn waiting(cluster: &Cluster, api: &Process, timeout: Option<u64>) -> RunId {
    let config = timeout.map_or_else(|| json!({}), |seconds| json!({"timeout": seconds}));
    let steps = json!([{"name": "a", "type": "ask", "config": config}]);
    let workflow = api.create(steps).await;
    let run = api.trigger(workflow).await;
    cluster
        .until("the wait", async || api.waits(run).await)
        .await;
    cluster.settle().await;
    run
}

#[tokio::test]
async fn a_run_that_waits_for_ever_goes_on_with_its_state_on_a_process_that_came_later() {
    let cluster = Cluster::new();
    let (api, first) = (
        cluster.api_with(asking(open())),
        cluster.worker(asking(open())),
    );
    let run = waiting(&cluster, &api, None).await;
    assert_eq!(cluster.due_at(run).await, None, "it costs nobody anything");
    first.kill();
    let second = cluster.worker(asking(open()));
    cluster.pass(4 * TIMEOUT).await;
    api.signal(run, json!({"by": "Ada"}), None).await;
    // The hint may go to the one that is dead.
    cluster.pass(2 * SECOND).await;
    let output = json!({"payload": {"by": "Ada"}, "state": "asked Ada"});
    assert_eq!(api.output(run).await, output);
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn a_hint_of_a_signal_that_is_lost_costs_a_moment() {
    let cluster = Cluster::new();
    let (api, worker) = (
        cluster.api_with(asking(open())),
        cluster.worker(asking(open())),
    );
    let run = waiting(&cluster, &api, None).await;
    cluster.hub.loses_items.store(true, Ordering::Relaxed);
    api.signal(run, json!(1), None).await;
    cluster.settle().await;
    assert_eq!(worker.calls(), 1, "nobody was told");
    cluster.pass(2 * SECOND).await;
    assert_eq!(api.run(run).await.run.status(), RunStatus::Success);
}

#[tokio::test]
async fn a_signal_to_a_run_whose_timer_is_near_reaches_the_process_that_keeps_it() {
    for is_lost in [false, true] {
        let cluster = Cluster::new();
        let (api, first) = (
            cluster.api_with(asking(open())),
            cluster.worker(asking(open())),
        );
        let second = cluster.worker(asking(open()));
        let run = waiting(&cluster, &api, Some(10)).await;
        let claimed = cluster.due_at(run).await;
        cluster.hub.loses_notices.store(is_lost, Ordering::Relaxed);
        api.signal(run, json!(1), None).await;
        assert_eq!(cluster.due_at(run).await, claimed, "the claim stays");
        if is_lost {
            cluster.pass(10 * SECOND).await;
        }
        cluster
            .until("the end", async || {
                api.run(run).await.run.status().is_finished()
            })
            .await;
        assert_eq!(api.output(run).await["payload"], 1);
        assert_eq!(first.calls() + second.calls(), 2);
        cluster.pass(3 * TIMEOUT).await;
        assert_eq!(first.calls() + second.calls(), 2, "and once");
    }
}

#[tokio::test]
async fn a_signal_to_a_run_in_hand_leaves_its_claim_alone_and_waits_until_it_is_asked_for() {
    let cluster = Cluster::new();
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let at_the_gate = std::sync::Arc::clone(&gate);
    let plugins = asking(Scripted::new()).with("gate", move |call| {
        let gate = std::sync::Arc::clone(&at_the_gate);
        async move {
            gate.notified().await;
            Ok(Outcome::Completed(call.config))
        }
    });
    let (api, worker) = (cluster.api_with(asking(open())), cluster.worker(plugins));
    let steps =
        json!([{"name": "first", "type": "gate", "timeout": "1h"}, {"name": "a", "type": "ask"}]);
    let workflow = api.create(steps).await;
    let run = api.trigger(workflow).await;
    cluster
        .until("the call", async || worker.calls() == 1)
        .await;
    cluster.settle().await;
    let claimed = cluster.due_at(run).await;
    for key in ["k1", "k1", "k2"] {
        api.signal(run, json!(key), Some(key)).await;
    }
    assert_eq!(cluster.due_at(run).await, claimed);
    let idle = cluster.worker(asking(open()));
    cluster.pass(3 * TIMEOUT).await;
    gate.notify_one();
    cluster
        .until("the end", async || {
            api.run(run).await.run.status().is_finished()
        })
        .await;
    assert_eq!(api.output(run).await["payload"], "k1");
    let journal = cluster.journal(run).await;
    let count = |is: fn(&Event) -> bool| journal.iter().filter(|event| is(event)).count();
    assert_eq!(
        count(|event| matches!(event, Event::SignalReceived { .. })),
        2,
        "a key is one signal"
    );
    assert_eq!(count(|event| matches!(event, Event::StepResumed { .. })), 1);
    assert_eq!(worker.calls() + idle.calls(), 3, "no call was made twice");
}

#[tokio::test]
async fn alone_a_signal_survives_a_crash_and_wakes_a_run_that_waits_for_ever() {
    let mut host = Harness::with(crate::support::harness::Setup {
        plugins: asking(Scripted::new()),
        ..Default::default()
    });
    let definition = json!({"name": "test", "steps": [{"name": "a", "type": "ask"}]});
    let workflow = host.create(definition).await;
    for is_sent_before_the_crash in [true, false] {
        let run = host.trigger(workflow, json!({})).await;
        host.until(run, "the wait", |view| {
            let step = view.run.step(&StepKey::of("a"));
            step.is_some_and(|step| matches!(step.phase, Phase::Suspended { .. }))
        })
        .await;
        if is_sent_before_the_crash {
            let engine = host.engine.clone();
            let sent = engine.signal_run(run, signal(json!(7), None));
            // The process dies as soon as the signal is durable.
            sent.await.expect("it is accepted");
        }
        host = host.crash_into(asking(Scripted::new())).await;
        if !is_sent_before_the_crash {
            let sent = host.engine.signal_run(run, signal(json!(7), None)).await;
            sent.expect("it is accepted");
        }
        let ended = host
            .until(run, "the end", |view| view.run.status().is_finished())
            .await;
        assert_eq!(ended.run.status(), RunStatus::Success);
        let late = host.engine.signal_run(run, signal(json!(8), None)).await;
        assert!(late.is_err(), "it has ended");
    }
}
