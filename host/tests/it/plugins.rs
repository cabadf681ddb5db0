//! Plugins while a server runs: installed, granted, agreed to, replaced, broken, disabled, removed.

use std::time::Duration;

use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::replace;
use millwork_bench::report::Report as _;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// The guest that the plugin host is tested with, which describes itself in some way.
pub(crate) fn guest(mode: &str) -> Vec<u8> {
    let guests = millwork_bundled::TEST_GUESTS;
    let mut wasm = guests.first().expect("there is one").wasm.to_vec();
    let marker = b"describe:";
    let at = wasm
        .windows(marker.len())
        .position(|window| window == marker)
        .expect("the marker is in its data")
        + marker.len();
    let mut text = mode.as_bytes().to_vec();
    text.resize(20, b'.');
    wasm[at..at + text.len()].copy_from_slice(&text);
    wasm
}

struct Host {
    server: Millwork,
    client: Client,
}

impl Host {
    async fn start() -> Self {
        let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
        Self {
            server: Millwork::launch(&options).await.expect("it starts"),
            client: Client::new(),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.server.address());
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    async fn install(&self, wasm: Vec<u8>, query: &str) -> (StatusCode, Value) {
        let url = format!("http://{}/api/v1/plugins{query}", self.server.address());
        let request = self.client.post(url).body(wasm);
        let request = request.header("Content-Type", "application/wasm");
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    /// The versions of the guest, and whether new runs may use them.
    async fn listed(&self) -> Vec<String> {
        let (_, list) = self.ask(Method::GET, "/api/v1/plugins", None).await;
        let items = list["items"].as_array().expect("a list").clone();
        let guests = items.iter().filter(|item| item["name"] == "misbehave");
        let text = |item: &Value, part: &str| item[part].as_str().unwrap_or_default().to_owned();
        guests
            .map(|item| format!("{} {}", text(item, "version"), text(item, "status")))
            .collect()
    }

    /// Looks again and again until the guest's versions are as expected.
    async fn until(&self, expected: &[&str]) {
        for _ in 0..400 {
            if self.listed().await == expected {
                return;
            }
            pause(50).await;
        }
        panic!("not {expected:?}: {:?}", self.listed().await);
    }

    fn put(&self, name: &str, wasm: &[u8]) {
        std::fs::write(self.server.plugins_dir().join(name), wasm).expect("there is room");
    }

    async fn create(&self, step_type: &str, config: Value) -> (StatusCode, Value) {
        let steps = json!([{"name": "a", "type": step_type, "config": config}]);
        let definition = json!({"name": "uses a plugin", "steps": steps});
        self.ask(Method::POST, "/api/v1/workflows", Some(definition))
            .await
    }

    async fn run(&self, workflow: &Value) -> Value {
        let body = json!({"workflow_id": workflow["workflow_id"]});
        let (_, run) = self
            .ask(Method::POST, "/api/v1/trigger?wait=30s", Some(body))
            .await;
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_installed_granted_disabled_and_removed() {
    let mut host = Host::start().await;
    let (status, refused) = host.install(b"nonsense".to_vec(), "").await;
    assert_eq!(
        (status.as_u16(), &refused["type"]),
        (422, &json!("/docs/errors/plugin-refused"))
    );
    let wrong = format!("?digest={}", "ab".repeat(32));
    let (status, refused) = host.install(guest("well"), &wrong).await;
    assert_eq!(status, 422);
    let detail = refused["detail"].as_str().expect("a text");
    assert!(detail.contains("these bytes have the digest"), "{detail}");
    let (status, installed) = host.install(guest("well"), "").await;
    assert_eq!(status, 201, "{installed}");
    assert_eq!(installed["origin"], "installed");
    assert_eq!(
        installed["missing_grants"],
        json!(["http *", "kv", "secret token"])
    );
    let (status, again) = host.install(guest("well"), "").await;
    assert_eq!(
        (status.as_u16(), &again["digest"]),
        (201, &installed["digest"])
    );
    let (status, taken) = host.install(guest("as-well"), "").await;
    assert_eq!(
        (status.as_u16(), &taken["type"]),
        (409, &json!("/docs/errors/plugin-version-taken"))
    );

    let (_, workflow) = host.create("misbehave.kv", json!({})).await;
    let denied = host.run(&workflow).await;
    let output = denied["step_results"]["a"]["output"].to_string();
    assert!(output.contains("kv = true"), "{denied}");
    let grants = "/api/v1/plugins/misbehave/grants";
    let (status, bad) = host
        .ask(Method::PUT, grants, Some(json!({"kvv": true})))
        .await;
    assert_eq!(status, 422, "{bad}");
    let (status, granted) = host
        .ask(Method::PUT, grants, Some(json!({"kv": true})))
        .await;
    assert_eq!(
        (status.as_u16(), &granted["grants"]["kv"]),
        (200, &json!(true))
    );
    let counted = host.run(&workflow).await;
    assert_eq!(counted["step_results"]["a"]["output"], "1", "{counted}");

    // Another process finds all of it in the store.
    host.server.kill().await.expect("it can be killed");
    host.server.start().await.expect("it starts");
    host.server.ready().await.expect("it gets ready");
    let counted = host.run(&workflow).await;
    assert_eq!(counted["step_results"]["a"]["output"], "2", "{counted}");

    let (status, _) = host
        .ask(Method::POST, "/api/v1/plugins/misbehave/disable", None)
        .await;
    assert_eq!(status, 200);
    let (status, refused) = host.create("misbehave.kv", json!({})).await;
    assert_eq!(status, 422);
    let detail = refused["detail"].as_str().expect("a text");
    assert!(
        detail.contains("millwork plugin enable misbehave"),
        "{detail}"
    );
    let refused = host.run(&workflow).await;
    assert_eq!(refused["type"], "/docs/errors/plugin-missing", "{refused}");
    host.ask(Method::POST, "/api/v1/plugins/misbehave/enable", None)
        .await;

    let (_, slow) = host.create("misbehave.sleep", json!({})).await;
    let body = json!({"workflow_id": slow["workflow_id"]});
    let (_, run) = host.ask(Method::POST, "/api/v1/trigger", Some(body)).await;
    let version = "/api/v1/plugins/misbehave/1.0.0";
    let (status, refused) = host.ask(Method::DELETE, version, None).await;
    assert_eq!(
        (status.as_u16(), &refused["type"]),
        (409, &json!("/docs/errors/plugin-in-use"))
    );
    let cancel = format!(
        "/api/v1/runs/{}/cancel",
        run["run_id"].as_str().expect("a text")
    );
    host.ask(Method::POST, &cancel, None).await;
    let (status, removed) = host.ask(Method::DELETE, version, None).await;
    assert_eq!(status, 200, "{removed}");
    host.until(&[]).await;
    let (status, _) = host.ask(Method::DELETE, version, None).await;
    assert_eq!(status, 404);
    let (status, refused) = host
        .ask(Method::DELETE, "/api/v1/plugins/delay/1.0.0", None)
        .await;
    assert_eq!(
        (status.as_u16(), &refused["type"]),
        (409, &json!("/docs/errors/plugin-in-use"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_asks_for_more_waits_until_somebody_agrees() {
    let host = Host::start().await;
    host.put("modest.wasm", &guest("modest"));
    host.until(&["0.9.0 active"]).await;
    host.put("greedy.wasm", &guest("well"));
    host.until(&["1.0.0 awaiting-consent", "0.9.0 active"])
        .await;
    let (_, list) = host.ask(Method::GET, "/api/v1/plugins", None).await;
    let items = list["items"].as_array().expect("a list");
    let waiting = items
        .iter()
        .find(|item| item["status"] == "awaiting-consent");
    let waiting = waiting.expect("one waits");
    assert_eq!(waiting["asks_more"], json!(["http *", "secret token"]));
    // The one before goes on; the new one can be named, and is refused with the way on.
    let (status, _) = host.create("misbehave.kv", json!({})).await;
    assert_eq!(status, 200);
    let (status, refused) = host.create("misbehave.kv@1", json!({})).await;
    assert_eq!(status, 422);
    let detail = refused["detail"].as_str().expect("a text");
    assert!(
        detail.contains("http *, secret token") && detail.contains("millwork plugin agree"),
        "{detail}"
    );
    let (status, agreed) = host
        .ask(Method::POST, "/api/v1/plugins/misbehave/agree", None)
        .await;
    assert_eq!(
        (status.as_u16(), &agreed["status"]),
        (200, &json!("active"))
    );
    let (status, _) = host.create("misbehave.kv@1", json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_with_its_reason_and_what_was_there_stays() {
    let host = Host::start().await;
    host.put("guest.wasm", &guest("well"));
    host.until(&["1.0.0 active"]).await;
    let whole = guest("newer");
    host.put("guest.wasm", &whole[..whole.len() / 2]);
    let mut refused = Value::Null;
    for _ in 0..200 {
        let (_, list) = host.ask(Method::GET, "/api/v1/plugins", None).await;
        refused = list["refused"][0].clone();
        if !refused.is_null() {
            break;
        }
        pause(50).await;
    }
    assert_eq!(refused["still_loaded"], "misbehave@1.0.0", "{refused}");
    assert_eq!(host.listed().await, ["1.0.0 active"]);
    host.put("guest.wasm", &whole);
    host.until(&["2.0.0 active"]).await;
    std::fs::remove_file(host.server.plugins_dir().join("guest.wasm")).expect("it is there");
    host.until(&[]).await;
}

/// In small what `millwork-bench replace` shows in large. Every run ends in success, and each with one version to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_replaced_while_runs_use_it_fails_none_of_them() {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    let witness = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/plugin/tests/frozen/1.0.0/witness.wasm"
    );
    let options = replace::Options {
        runs: 300,
        rate: 60.0,
        steps: 3,
        wait_ms: 500,
        every_ms: 400,
        ..replace::Options::new(server, witness)
    };
    let report = replace::run(options).await.expect("it comes to its end");
    report.verdict().expect("no run noticed");
    assert_eq!((report.runs, report.succeeded), (300, 300));
    assert!(
        report.replacements >= 10 && report.versions >= 2,
        "{report:?}"
    );
}

/// A real server's files and clocks are real too.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may give the machine a moment"
)]
pub(crate) async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
