//! Components of every released version of the contract, as they were built then. No later host may refuse or misunderstand
//! them; see `tests/frozen/README.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::outcome::{
    Failure, FailureKind, Outcome, Resume, Suspension, Then, Until, Wake,
};
use millwork_core::time::Timestamp;
use millwork_plugin::kv::{KeyValue, MemoryKeyValue};
use millwork_plugin::{Options, Origin, PluginRuntime as _, Plugins, Reply, Secret, Secrets};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Guest, NOW, compiled, granted};

const EVERYTHING: &str = "witness = { http = [\"*\"], private_networks = [\"loopback\"], kv = true, secrets = { token = [\"*\"] } }\nwitness-js = { http = [\"*\"], private_networks = [\"loopback\"], kv = true }";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/1.0.0")
}

fn read(name: &str) -> Bytes {
    let path = folder().join(name).with_extension("wasm");
    let wasm = std::fs::read(&path);
    Bytes::from(wasm.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

async fn load(name: &str, mut options: Options) -> Guest {
    options.cache_folder.get_or_insert_with(compiled);
    let plugins = Plugins::new(options).expect("the sandbox starts");
    let loaded = plugins.load_bytes(read(name), Origin::Installed).await;
    Guest {
        digest: loaded.expect("whatever was built for it is loaded").digest,
        plugins,
    }
}

struct OneSecret;

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok((name == "token").then(|| Secret::new("xyzzy-xyzzy")))
    }
}

/// The witness with everything that it asks for, and with what others of its name have kept.
async fn witness(kept: &Arc<dyn KeyValue>) -> Guest {
    let options = Options {
        secrets: Some(Arc::new(OneSecret)),
        key_value: Arc::clone(kept),
        ..granted(EVERYTHING)
    };
    load("witness", options).await
}

fn nothing_kept() -> Arc<dyn KeyValue> {
    Arc::new(MemoryKeyValue::default())
}

async fn reply(guest: &Guest, action: &str, config: &Value, resumed: Option<Resume>) -> Reply {
    let mut call = guest.call(action, config);
    call.resumed = resumed;
    guest.plugins.invoke(call).await
}

async fn suspension(
    guest: &Guest,
    action: &str,
    config: &Value,
    resumed: Option<Resume>,
) -> Suspension {
    match reply(guest, action, config, resumed).await.result {
        Ok(Outcome::Suspended(suspension)) => suspension,
        other => panic!("{action} was to wait: {other:?}"),
    }
}

async fn woken(guest: &Guest, action: &str, config: &Value, wake: Wake, state: Vec<u8>) -> Value {
    let resume = Resume { wake, state };
    match reply(guest, action, config, Some(resume)).await.result {
        Ok(Outcome::Completed(output)) => output.value().clone(),
        other => panic!("{action} was to complete: {other:?}"),
    }
}

async fn failure(guest: &Guest, action: &str, config: &Value) -> Failure {
    let result = reply(guest, action, config, None).await.result;
    result.expect_err("it fails")
}

#[tokio::test]
async fn every_frozen_file_is_the_one_that_was_built_then_and_is_loaded() {
    let list = std::fs::read_to_string(folder().join("DIGESTS")).expect("it is there");
    let plugins = Plugins::new(granted("")).expect("the sandbox starts");
    let mut listed = Vec::new();
    for line in list.lines() {
        let (digest, name) = line.split_once("  ").expect("a digest and a name");
        let loaded = plugins.load_bytes(read(name), Origin::Installed).await;
        let loaded = loaded.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(loaded.digest.to_string(), digest, "{name} was built anew");
        let of_1_0_0 = loaded
            .imports
            .iter()
            .filter(|import| import.starts_with("millwork:"))
            .all(|import| import.ends_with("@1.0.0"));
        assert!(of_1_0_0, "{name}: {:?}", loaded.imports);
        listed.push(format!("{name}.wasm"));
    }
    let files = std::fs::read_dir(folder()).expect("it is a folder");
    let names = files.map(|file| file.expect("it can be read").file_name());
    let mut wasm: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".wasm"))
        .collect();
    wasm.sort();
    listed.sort();
    assert_eq!(wasm, listed, "every file is in the list");
}

#[tokio::test]
async fn a_manifest_is_understood() {
    let guest = witness(&nothing_kept()).await;
    let plugin = guest.plugins.get(&guest.digest).expect("it is loaded");
    let manifest = &plugin.manifest;
    assert_eq!(
        (
            manifest.name.as_str(),
            manifest.version.to_string().as_str()
        ),
        ("witness", "1.0.0")
    );
    assert_eq!(
        manifest.description,
        "Does each thing of the contract once."
    );
    let asks: Vec<_> = manifest.asks.iter().map(ToString::to_string).collect();
    assert_eq!(asks, ["http *", "secret token", "kv"]);
    assert_eq!(manifest.actions.len(), 13);
    let action = &manifest.actions[0];
    assert_eq!(action.name, "echo");
    assert_eq!(action.title, "Witness of echo");
    assert!(action.traits.read_only && action.traits.idempotent && !action.traits.destructive);
    assert_eq!(action.timeout, Some(Duration::from_secs(20)));
    assert_eq!(action.attempts_max, Some(2));
    assert_eq!(action.examples.len(), 1);
    assert_eq!(
        action.config_schema()["properties"]["count"]["type"],
        "integer"
    );
    assert!(!plugin.pure);
}

#[tokio::test]
async fn a_configuration_is_checked_by_schema_and_by_the_plugin() {
    for name in ["witness", "witness-js"] {
        let guest = load(name, granted("")).await;
        let connector = millwork_core::connector::Connector {
            digest: guest.digest,
            action: "echo".to_owned(),
            timeout: None,
            attempts_max: None,
        };
        let check = async |config: Value| guest.plugins.validate(&connector, &config).await;
        assert_eq!(check(json!({"a": 1})).await, [], "{name}");
        let errors = check(json!({"wrong": 1})).await;
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
        assert_eq!(errors[0].path, "/wrong");
        assert_eq!(errors[0].message, "is wrong for echo");
    }
}

#[tokio::test]
async fn a_call_is_told_where_it_runs() {
    let guest = witness(&nothing_kept()).await;
    let config = json!({"a": [1, null, "é"]});
    assert_eq!(guest.output("echo", &config).await, config);
    let told = guest.output("context", &json!({})).await;
    for (name, expected) in [
        ("run_id", json!("07070707-0707-0707-0707-070707070707")),
        ("workflow", json!("order-paid")),
        ("step", json!("fetch")),
        ("iteration", json!(null)),
        ("attempt", json!(1)),
        ("idempotency_key", json!("key")),
        ("resumed", json!(false)),
    ] {
        assert_eq!(told[name], expected, "{name}");
    }
    let mut call = guest.call("context", &json!({}));
    call.iteration = Some(3);
    let Ok(Outcome::Completed(told)) = guest.plugins.invoke(call).await.result else {
        panic!("it completes")
    };
    assert_eq!(told.value()["iteration"], 3);
}

#[tokio::test]
async fn every_kind_of_failure_comes_through() {
    let guest = witness(&nothing_kept()).await;
    for (kind, expected) in [
        ("retryable", FailureKind::Retryable),
        (
            "rate-limited",
            FailureKind::RateLimited { after_ms: Some(7) },
        ),
        ("permanent", FailureKind::Permanent),
        ("timeout", FailureKind::Timeout),
        ("other", FailureKind::Permanent),
    ] {
        let config = json!({"kind": kind, "after_ms": 7});
        let failed = failure(&guest, "fail", &config).await;
        assert_eq!(failed.kind, expected, "{kind}");
        assert_eq!(failed.code, "on-purpose");
        assert_eq!(failed.message, "it was asked for");
        assert_eq!(failed.details.expect("there are").value(), &config);
    }
    let js = load("witness-js", granted("")).await;
    let failed = failure(&js, "fail", &json!({})).await;
    assert_eq!(
        (failed.code.as_str(), failed.kind),
        ("on-purpose", FailureKind::Permanent)
    );
    assert_eq!(
        failed.details.expect("there are").value(),
        &json!({"why": "a test"})
    );
}

#[tokio::test]
async fn every_way_to_wait_is_understood_and_goes_on_with_its_state() {
    let guest = witness(&nothing_kept()).await;
    let config = json!({"ms": 60_000});
    let waits = suspension(&guest, "wait-until", &config, None).await;
    let Until::At(at) = waits.until else {
        panic!("{:?}", waits.until)
    };
    let due = NOW.after(Duration::from_secs(60));
    // The guest's clock has gone on by what the call took until then.
    assert!(
        at >= due && at < due.after(Duration::from_secs(30)),
        "{at:?}"
    );
    assert_eq!(waits.then, Then::CallAgain);
    assert_eq!(
        woken(&guest, "wait-until", &config, Wake::Timer, waits.state).await,
        json!({"cause": "timer", "payload": null, "state": "the state of wait-until"})
    );

    let config = json!({"timeout_ms": 5_000});
    for name in ["witness", "witness-js"] {
        let guest = load(name, granted(EVERYTHING)).await;
        let waits = suspension(&guest, "wait-signal", &config, None).await;
        let until = Until::Signal {
            name: "go".to_owned(),
            timeout: Some(Duration::from_secs(5)),
        };
        assert_eq!(waits.until, until, "{name}");
        let state = "the state of wait-signal";
        let signal = Wake::Signal {
            name: "go".to_owned(),
            payload: json!({"by": "Ada"}).into(),
        };
        let output = woken(&guest, "wait-signal", &config, signal, waits.state.clone()).await;
        assert_eq!(output["payload"], json!({"by": "Ada"}), "{name}");
        assert_eq!(output["state"], state, "{name}");
        let late = woken(
            &guest,
            "wait-signal",
            &config,
            Wake::SignalTimeout,
            waits.state,
        )
        .await;
        assert_eq!(late["cause"], "signal-timeout", "{name}");
    }

    let waits = suspension(&guest, "complete-later", &json!({"ms": 9}), None).await;
    assert_eq!(waits.until, Until::After(Duration::from_millis(9)));
    let Then::Complete(output) = waits.then else {
        panic!("{:?}", waits.then)
    };
    assert_eq!(output.value(), &json!({"completed": "later"}));
}

#[tokio::test]
async fn a_step_that_polls_is_called_again_by_other_hosts_with_its_state_and_what_it_kept() {
    let kept = nothing_kept();
    let config = json!({"times": 4, "every_ms": 250});
    let mut resumed = None;
    for calls in 1..4 {
        // Each call on a host of its own: nothing is carried on but the state, and what is kept.
        let guest = witness(&kept).await;
        let waits = suspension(&guest, "poll", &config, resumed).await;
        assert_eq!(waits.until, Until::After(Duration::from_millis(250)));
        assert_eq!(waits.state, calls.to_string().into_bytes());
        resumed = Some(Resume {
            wake: Wake::Timer,
            state: waits.state,
        });
    }
    let guest = witness(&kept).await;
    let last = reply(&guest, "poll", &config, resumed).await.result;
    let Ok(Outcome::Completed(output)) = last else {
        panic!("{last:?}")
    };
    assert_eq!(output.value(), &json!({"calls": 4, "kept": 4}));

    let js = load("witness-js", granted(EVERYTHING)).await;
    let config = json!({"times": 2, "every_ms": 1});
    let waits = suspension(&js, "poll", &config, None).await;
    let output = woken(&js, "poll", &config, Wake::Timer, waits.state).await;
    assert_eq!(output, json!({"calls": 2}));
}

#[tokio::test]
async fn two_hosts_that_count_at_once_miss_nothing() {
    let kept = nothing_kept();
    let (one, other) = (witness(&kept).await, witness(&kept).await);
    let config = json!({"times": 1});
    let counting = (0..40).map(|i| {
        let guest = if i % 2 == 0 { &one } else { &other };
        reply(guest, "poll", &config, None)
    });
    let mut counts = Vec::new();
    for reply in futures::future::join_all(counting).await {
        let Ok(Outcome::Completed(output)) = reply.result else {
            panic!("{:?}", reply.result)
        };
        counts.push(output.value()["kept"].as_u64().expect("it is a number"));
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<_>>(), "each is counted once");
}

#[tokio::test]
async fn values_are_kept_with_compare_and_set() {
    let guest = witness(&nothing_kept()).await;
    assert_eq!(
        guest.output("kv", &json!({})).await,
        json!({"conflict": true, "second": true, "value": "two", "old": true, "deleted": true, "gone": true})
    );
    let js = load("witness-js", granted(EVERYTHING)).await;
    assert_eq!(js.output("kv", &json!({})).await, json!("two"));
}

#[tokio::test]
async fn a_request_goes_out_with_the_secret_in_the_place_of_its_placeholder() {
    let server = Server::start().await;
    let guest = witness(&nothing_kept()).await;
    let url = json!({"url": server.url("/hello")});
    let answer = guest.output("http", &url).await;
    assert_eq!(answer["status"], 200);
    assert_eq!(answer["body"], "{\"you\":\"hello\"}");
    let sent = server.requests().remove(0);
    let head = sent.to_lowercase();
    assert!(
        sent.starts_with("POST /hello ") && head.contains("authorization: bearer xyzzy-xyzzy"),
        "{sent}"
    );
    let js = load("witness-js", granted(EVERYTHING)).await;
    assert_eq!(js.output("http", &url).await, json!({"you": "hello"}));
}

#[tokio::test]
async fn without_a_grant_every_power_is_denied() {
    let guest = load("witness", granted("")).await;
    let url = json!({"url": "http://127.0.0.1:1/"});
    let answer = guest.output("http", &url).await.to_string();
    assert!(
        answer.contains("HttpError::Denied") && answer.contains("[plugins.grants.witness]"),
        "{answer}"
    );
    let answer = guest.output("kv", &json!({})).await.to_string();
    assert!(answer.contains("write kv = true"), "{answer}");
    let answer = guest.output("secrets", &json!({})).await;
    for way in ["placeholder", "reveal"] {
        assert!(
            answer[way]["Err"].to_string().contains("Denied"),
            "{answer}"
        );
    }
    let js = load("witness-js", granted("")).await;
    let denied = failure(&js, "http", &url).await;
    assert_eq!(denied.code, "http-denied");
}

#[tokio::test]
async fn the_log_the_clock_and_chance_are_there() {
    let guest = load("witness", granted("")).await;
    let levels: Vec<_> = reply(&guest, "log", &json!({}), None)
        .await
        .log
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    let expected = ["trace", "debug", "info", "warn", "error"];
    assert_eq!(
        levels,
        expected.map(|level| (level, format!("{level} field=\"value\"")))
    );
    assert_eq!(
        guest.output("random", &json!({})).await,
        json!({"length": 16, "differ": true})
    );
    let time = guest.output("clock", &json!({})).await;
    let now = i64::try_from(time["now"].as_u64().expect("a number")).expect("it is near");
    assert!(
        Timestamp::from_micros(now) >= NOW && time["forward"] == true,
        "{time}"
    );
}

#[tokio::test]
async fn the_connectors_of_that_time_still_work() {
    let delay = load("delay", granted("")).await;
    let waits = suspension(&delay, "wait", &json!({"duration": "1m"}), None).await;
    assert_eq!(waits.until, Until::After(Duration::from_secs(60)));
    let plugin = delay.plugins.get(&delay.digest).expect("it is loaded");
    assert!(plugin.pure);

    let server = Server::start().await;
    let grant = "webhook = { http = [\"*\"], private_networks = [\"loopback\"] }";
    let webhook = load("webhook", granted(grant)).await;
    let output = webhook
        .output(
            "send",
            &json!({"url": server.url("/hello"), "method": "GET"}),
        )
        .await;
    assert_eq!(output["status_code"], 200);
    assert_eq!(output["response_data"], json!({"you": "hello"}));
}
