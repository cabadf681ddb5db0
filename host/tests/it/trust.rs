//! A server that lets in only what somebody has signed whom it trusts, and that keeps secrets: over the API, by the command line, with a
//! real guest.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::sink::{Sink, Temper};
use minisign::KeyPair;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::plugins::{guest, pause};

/// A server with a configuration of its own.
struct Host {
    server: Millwork,
    client: Client,
    home: TempDir,
}

impl Host {
    async fn start(config: &str) -> Self {
        let home = tempfile::tempdir().expect("there is a temporary folder");
        let file = home.path().join("millwork.toml");
        std::fs::write(&file, config).expect("there is room");
        let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
        options.server_args = vec!["--config".to_owned(), file.display().to_string()];
        Self {
            server: Millwork::launch(&options).await.expect("it starts"),
            client: Client::new(),
            home,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.client.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    /// Installs over the API. What is told of it: the status, and why not.
    async fn install(&self, wasm: &[u8], signature: Option<&str>) -> (u16, Value) {
        let request = self.client.post(self.url("/api/v1/plugins"));
        let mut request = request.header("Content-Type", "application/wasm");
        if let Some(signature) = signature {
            request = request.header("Plugin-Signature", STANDARD.encode(signature));
        }
        let answer = request.body(wasm.to_vec()).send().await;
        let answer = answer.expect("the server answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    async fn millwork(&self, arguments: &[&str], input: &str) -> Output {
        let mut millwork = Command::new(env!("CARGO_BIN_EXE_millwork"))
            .args(arguments)
            .env("MILLWORK_URL", self.url(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = millwork.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).await.expect("it listens");
        drop(stdin);
        millwork.wait_with_output().await.expect("it ends")
    }

    /// What a command says that works.
    async fn said(&self, arguments: &[&str], input: &str) -> String {
        let output = self.millwork(arguments, input).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out
    }

    /// What a command says that does not.
    async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.millwork(arguments, "").await;
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, bytes).expect("there is room");
        path.display().to_string()
    }

    fn drop_in(&self, name: &str, bytes: &[u8]) {
        let path = self.server.plugins_dir().join(name);
        std::fs::write(path, bytes).expect("there is room");
    }

    /// Looks at the list of plugins again and again until it is as expected.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let (_, list) = self.ask(Method::GET, "/api/v1/plugins", None).await;
            if holds(&list) {
                return list;
            }
            pause(50).await;
        }
        panic!("{what} has not come about");
    }

    async fn run(&self, step: Value) -> Value {
        let definition = json!({"name": "uses a plugin", "steps": [step]});
        let (status, workflow) = self
            .ask(Method::POST, "/api/v1/workflows", Some(definition))
            .await;
        assert_eq!(status, 200, "{workflow}");
        let body = json!({"workflow_id": workflow["workflow_id"]});
        let (_, run) = self
            .ask(Method::POST, "/api/v1/trigger?wait=30s", Some(body))
            .await;
        run
    }
}

fn keys() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("keys can be made")
}

fn sign(wasm: &[u8], keys: &KeyPair) -> String {
    let signed = minisign::sign(None, &keys.sk, wasm, None, None);
    signed.expect("it can be signed").to_string()
}

#[track_caller]
fn is_refused(answer: &(u16, Value), why: &str) {
    let (status, problem) = answer;
    assert_eq!(
        (*status, &problem["type"]),
        (422, &json!("/docs/errors/plugin-refused")),
        "{problem}"
    );
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(why), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_trusted_key_has_signed_comes_in_by_whatever_way() {
    let (ours, other) = (keys(), keys());
    let (good, twin) = (guest("well"), guest("newer"));
    let host = Host::start(&format!(
        "[plugins.trust]\npublic_keys = [\"{}\"]\nrequire_signature = true\n\
         [plugins.digests]\nmisbehave = [\"{}\"]\n",
        ours.pk.to_base64(),
        millwork_plugin::digest(&good),
    ))
    .await;
    const UNSIGNED: &str = "it is not signed, and plugins.trust.require_signature wants it to be";
    const UNKNOWN: &str = "no key of plugins.trust.public_keys has signed these bytes";
    const PINNED: &str = "plugins.digests lets the name \"misbehave\" mean";

    // Over the API.
    is_refused(&host.install(&good, None).await, UNSIGNED);
    let stranger = sign(&good, &other);
    is_refused(&host.install(&good, Some(&stranger)).await, UNKNOWN);
    let swapped = sign(&twin, &ours);
    is_refused(&host.install(&good, Some(&swapped)).await, UNKNOWN);
    is_refused(&host.install(&good, Some("nonsense")).await, "signature");
    is_refused(&host.install(&twin, Some(&swapped)).await, PINNED);

    // By the command line, with the signature beside the file and without.
    let file = host.file("guest.wasm", &good);
    let refused = host.refused(&["plugin", "install", &file]).await;
    assert!(refused.contains(UNSIGNED), "{refused}");
    host.file("guest.wasm.minisig", stranger.as_bytes());
    let refused = host.refused(&["plugin", "install", &file]).await;
    assert!(refused.contains(UNKNOWN), "{refused}");

    // In the folder; the reason is in the list, of the API as of the command line.
    host.drop_in("guest.wasm", &good);
    let list = host
        .until("the refusal", |list| !list["refused"][0].is_null())
        .await;
    let reason = list["refused"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(UNSIGNED), "{reason}");
    let told = host.said(&["plugin", "list"], "").await;
    assert!(
        told.contains("refused: ") && told.contains(UNSIGNED),
        "{told}"
    );
    let nobody = |list: &Value| {
        let items = list["items"].as_array().expect("a list");
        items.iter().all(|item| item["name"] != "misbehave")
    };
    assert!(nobody(&list), "{list}");

    // Signed, it comes in by each of them.
    let signature = sign(&good, &ours);
    let (status, installed) = host.install(&good, Some(&signature)).await;
    assert_eq!(
        (status, installed["signed_by"].as_str()),
        (201, Some(ours.pk.to_base64().as_str())),
        "{installed}"
    );
    host.file("guest.wasm.minisig", signature.as_bytes());
    let wrong = "ab".repeat(32);
    let refused = host
        .refused(&["plugin", "install", &file, "--digest", &wrong])
        .await;
    assert!(refused.contains("these bytes have the digest"), "{refused}");
    let digest = millwork_plugin::digest(&good).to_string();
    let told = host
        .said(&["plugin", "install", &file, "--digest", &digest], "")
        .await;
    assert!(
        told.starts_with("installed: misbehave 1.0.0 (active)"),
        "{told}"
    );
    host.said(&["plugin", "remove", "misbehave", "1.0.0"], "")
        .await;
    host.until("its removal", nobody).await;
    host.drop_in("guest.wasm.minisig", signature.as_bytes());
    // A file that was refused is looked at again when it changes.
    std::fs::remove_file(host.server.plugins_dir().join("guest.wasm")).expect("it is there");
    host.until("its leaving", |list| list["refused"][0].is_null())
        .await;
    host.drop_in("guest.wasm", &good);
    let list = host.until("its coming", |list| !nobody(list)).await;
    assert!(list["refused"][0].is_null(), "{list}");
}

const SECRET: &str = "xyzzy-of-the-tracker";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_request_that_needs_it_and_nothing_else() {
    let host = Host::start("").await;
    let sink = Sink::open(Temper::default()).await.expect("it listens");
    let at = sink.url("");
    let origin = at.trim_end_matches('/');
    let (status, installed) = host.install(&guest("well"), None).await;
    assert_eq!(status, 201, "{installed}");
    // By the command line, and over the API in its place.
    let told = host
        .said(&["secret", "set", "token"], "the one before\n")
        .await;
    let mut answers = vec![told];
    let body = json!({"value": SECRET});
    let (status, kept) = host
        .ask(Method::PUT, "/api/v1/secrets/token", Some(body))
        .await;
    assert_eq!(status, 200, "{kept}");
    answers.push(kept.to_string());
    let secret = format!("token={origin}");
    let grant = [
        "plugin",
        "grant",
        "misbehave",
        "--http",
        origin,
        "--private-network",
        "loopback",
        "--secret",
        &secret,
        "--reveal",
        "token",
    ];
    answers.push(host.said(&grant, "").await);

    for (n, door) in ["http", "http-wasi"].into_iter().enumerate() {
        let config = json!({
            "url": sink.url("/orders?key=SECRET"),
            "method": "POST",
            "headers": "Authorization: Bearer SECRET",
            "body": "SECRET",
        });
        let step = json!({"name": "send", "type": format!("misbehave.{door}"), "config": config});
        let run = host.run(step).await;
        assert_eq!(run["status"], "success", "{run}");
        let calls = sink.calls();
        let call = calls.get(n).unwrap_or_else(|| panic!("{door}: {run}"));
        assert_eq!(
            call.header("authorization"),
            [format!("Bearer {SECRET}")],
            "{door}"
        );
        assert_eq!(&call.raw_body[..], SECRET.as_bytes(), "{door}");
        assert!(call.path.ends_with(SECRET), "{door}: {}", call.path);
        answers.push(run.to_string());
    }
    // A plugin that was told the secret cannot tell it on; one that fails over it cannot either.
    let told = host
        .run(json!({"name": "tell", "type": "misbehave.reveal", "config": {}}))
        .await;
    assert!(told.to_string().contains("(secret)"), "{told}");
    answers.push(told.to_string());
    // To another host it is refused, and the refusal does not show it.
    let config = json!({"url": "http://127.0.0.1:1/", "headers": "X-A: SECRET"});
    let elsewhere = json!({"name": "send", "type": "misbehave.http-wasi", "config": config});
    let refused = host.run(elsewhere).await;
    assert!(
        refused.to_string().contains("HttpRequestDenied"),
        "{refused}"
    );
    answers.push(refused.to_string());

    for path in [
        "/api/v1/runs",
        "/api/v1/plugins",
        "/api/v1/secrets",
        "/api/v1/audit",
        "/health",
    ] {
        answers.push(host.ask(Method::GET, path, None).await.1.to_string());
    }
    let (_, runs) = host.ask(Method::GET, "/api/v1/runs", None).await;
    let runs = runs["items"].as_array().expect("a list").clone();
    assert_eq!(runs.len(), 4, "{runs:?}");
    for run in runs {
        let path = format!("/api/v1/runs/{}", run["id"].as_str().expect("a text"));
        answers.push(host.ask(Method::GET, &path, None).await.1.to_string());
    }
    let metrics = host.client.get(host.url("/metrics")).send().await;
    answers.push(
        metrics
            .expect("it answers")
            .text()
            .await
            .expect("it is text"),
    );
    answers.push(host.said(&["secret", "list"], "").await);
    answers.push(host.said(&["plugin", "list"], "").await);
    for answer in &answers {
        assert!(!answer.contains("xyzzy"), "{answer}");
    }
    // Not in what the server has written either: the database with its journals, the log, the cache.
    let home = host.server.plugins_dir();
    let home = home.parent().expect("it lies in a folder");
    let holding = files_holding(home, b"xyzzy");
    assert!(holding.is_empty(), "{holding:?}");
    // The look finds what is there: the name of the plugin.
    assert!(!files_holding(home, b"misbehave").is_empty());
}

/// The files below a folder in which bytes stand.
fn files_holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut holding = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            holding.extend(files_holding(&path, bytes));
        } else if let Ok(content) = std::fs::read(&path)
            && content.windows(bytes.len()).any(|window| window == bytes)
        {
            holding.push(path);
        }
    }
    holding
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_and_a_variable_are_granted_by_the_names_that_the_configuration_offers() {
    let shared = tempfile::tempdir().expect("there is a temporary folder");
    std::fs::write(shared.path().join("here"), "hello").expect("there is room");
    let host = Host::start(&format!(
        "[plugins]\ndirectories = {{ reports = {:?} }}\nvariables = {{ region = \"eu-1\" }}\n",
        shared.path().display().to_string()
    ))
    .await;
    let (status, installed) = host.install(&guest("files"), None).await;
    assert_eq!(status, 201, "{installed}");
    assert_eq!(
        installed["missing_grants"],
        json!([
            "http *",
            "kv",
            "secret token",
            "directory data",
            "variable REGION"
        ])
    );
    let read = json!({"name": "a", "type": "misbehave.files", "config": {"op": "read", "path": "/data/here"}});
    let denied = host.run(read.clone()).await;
    assert_ne!(denied["step_results"]["a"]["output"], "hello", "{denied}");

    // What the configuration does not offer, nobody can grant over the API.
    let grants = "/api/v1/plugins/misbehave/grants";
    for (grant, why) in [
        (
            json!({"directories": {"data": "etc"}}),
            "this host has no directory",
        ),
        (json!({"directories": {"data": "/etc"}}), "is no directory"),
        (
            json!({"variables": {"REGION": "PATH"}}),
            "this host has no variable",
        ),
    ] {
        let (status, refused) = host.ask(Method::PUT, grants, Some(grant)).await;
        assert_eq!(status, 422, "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let grant = [
        "plugin",
        "grant",
        "misbehave",
        "--directory",
        "data=reports",
        "--variable",
        "REGION=region",
    ];
    let told = host.said(&grant, "").await;
    assert!(
        !told.contains("directory") && !told.contains("variable"),
        "{told}"
    );
    let allowed = host.run(read).await;
    assert_eq!(allowed["step_results"]["a"]["output"], "hello", "{allowed}");
    let looks = json!({"name": "a", "type": "misbehave.environment", "config": {}});
    let environment = host.run(looks).await;
    assert!(environment.to_string().contains("eu-1"), "{environment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_asks_for_a_directory_waits_until_somebody_agrees() {
    let host = Host::start("").await;
    assert_eq!(host.install(&guest("modest"), None).await.0, 201);
    let (status, greedy) = host.install(&guest("files"), None).await;
    assert_eq!(
        (status, &greedy["status"]),
        (201, &json!("awaiting-consent")),
        "{greedy}"
    );
    assert_eq!(
        greedy["asks_more"],
        json!([
            "http *",
            "secret token",
            "directory data",
            "variable REGION"
        ])
    );
}
