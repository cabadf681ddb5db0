//! A real component that polls: it suspends with its state, and is called again by whichever process is there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use millwork_plugin::kv::{KeyValue, MemoryKeyValue};
use millwork_plugin::{Invocation, Limits, Options, Origin, PluginRuntime as _, Plugins};
use serde_json::{Value, json};

use crate::plugins::pause;
use crate::support::cluster::{Cluster, TIMEOUT};
use crate::support::scripted::Scripted;

/// A component that counts its calls in its state, and in a value that it keeps.
fn witness() -> Vec<u8> {
    let path = "plugin/tests/frozen/1.0.0/witness.wasm";
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

/// The connectors of a process, of which `poll` runs in a sandbox of its own.
async fn polling(kept: &Arc<dyn KeyValue>) -> Scripted {
    let plugins = Plugins::new(Options {
        grants: toml::from_str("witness.kv = true").expect("the grants are right"),
        limits: Limits {
            calls_in_flight_max: 20,
            ..Limits::default()
        },
        key_value: Arc::clone(kept),
        ..Options::default()
    });
    let plugins = Arc::new(plugins.expect("the sandbox starts"));
    let wasm = Bytes::from(witness());
    let loaded = plugins.load_bytes(wasm, Origin::Installed).await;
    let plugin = loaded.expect("it loads").digest;
    Scripted::new().with("poll", move |call| {
        let plugins = Arc::clone(&plugins);
        let call = Invocation { plugin, ..call };
        async move { plugins.invoke(call).await.result }
    })
}

#[tokio::test]
async fn a_step_that_polls_goes_on_with_its_state_on_another_process() {
    let (cluster, kept) = (
        Cluster::new(),
        Arc::new(MemoryKeyValue::default()) as Arc<dyn KeyValue>,
    );
    let api = cluster.api_with(polling(&kept).await);
    let first = cluster.worker(polling(&kept).await);
    let config = json!({"times": 5, "every_ms": 40_000});
    let steps = json!([{"name": "a", "type": "poll", "config": config}]);
    let run = api.trigger(api.create(steps).await).await;
    let suspended = async |calls: usize| {
        let view = api.run(run).await;
        let step = view.run.step(&StepKey::of("a"));
        let waits = step.is_some_and(|step| matches!(step.phase, Phase::Suspended { .. }));
        waits && first.calls() == calls
    };
    cluster
        .until("the first wait", async || suspended(1).await)
        .await;
    cluster.pass(Duration::from_secs(40)).await;
    cluster
        .until("the second wait", async || suspended(2).await)
        .await;
    cluster.settle().await;
    first.kill();

    let second = cluster.worker(polling(&kept).await);
    for _ in 0..20 {
        cluster.pass(TIMEOUT).await;
    }
    cluster
        .until("the end", async || {
            api.run(run).await.run.status().is_finished()
        })
        .await;
    let view = api.run(run).await;
    assert_eq!(view.run.status(), RunStatus::Success);
    let step = view.run.step(&StepKey::of("a")).expect("it is there");
    let Phase::Succeeded { output } = &step.phase else {
        panic!("{:?}", step.phase)
    };
    assert_eq!(output.value(), &json!({"calls": 5, "kept": 5}));
    assert_eq!((first.calls(), second.calls()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_polls_goes_on_with_its_state_and_what_it_kept_after_a_kill() {
    let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    let mut server = Millwork::launch(&options).await.expect("it starts");
    let client = reqwest::Client::new();
    let ask = |request: reqwest::RequestBuilder| async move {
        let answer = request.send().await.expect("the server answers");
        answer.json::<Value>().await.expect("the answer is JSON")
    };
    let at = |server: &Millwork, path: &str| format!("http://{}/api/v1{path}", server.address());

    let install = client
        .post(at(&server, "/plugins"))
        .header("Content-Type", "application/wasm")
        .body(witness());
    assert_eq!(ask(install).await["name"], "witness");
    let grant = client.put(at(&server, "/plugins/witness/grants"));
    ask(grant.json(&json!({"kv": true}))).await;
    let config = json!({"times": 6, "every_ms": 700});
    let steps = json!([{"name": "a", "type": "witness.poll", "config": config}]);
    let definition = json!({"name": "polls", "steps": steps});
    let workflow = ask(client.post(at(&server, "/workflows")).json(&definition)).await;
    let trigger = json!({"workflow_id": workflow["workflow_id"]});
    let run = ask(client.post(at(&server, "/trigger")).json(&trigger)).await;
    let run = run["run_id"].as_str().expect("a text").to_owned();

    for _ in 0..2 {
        pause(1_000).await;
        server.kill().await.expect("it can be killed");
        server.start().await.expect("it starts");
        server.ready().await.expect("it gets ready");
    }
    for _ in 0..600 {
        let view = ask(client.get(at(&server, &format!("/runs/{run}")))).await;
        if view["status"] == "success" {
            let output = &view["step_results"]["a"]["output"];
            assert_eq!(output["calls"], 6, "{view}");
            // A call that a kill interrupted is made again, and may have counted before.
            let kept = output["kept"].as_u64().expect("a number");
            assert!((6..=8).contains(&kept), "{view}");
            return;
        }
        assert_ne!(view["status"], "failed", "{view}");
        pause(50).await;
    }
    panic!("the run does not end");
}
