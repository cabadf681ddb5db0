//! Who may do what: a server that asks for tokens, and the command that makes them.

use std::collections::BTreeSet;
use std::path::Path;

use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const ADMIN: &str = "0123456789-of-the-administrator";

const SCOPES: [&str; 4] = ["read", "trigger", "write", "admin"];

/// A server that asks for tokens.
struct Guarded {
    server: Millwork,
    client: Client,
    _home: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let home = tempfile::tempdir().expect("there is a temporary folder");
        let file = home.path().join("millwork.toml");
        let text = format!("[auth]\nadmin_token = \"{ADMIN}\"\n");
        std::fs::write(&file, text).expect("it can be written");
        let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
        options.server_args = vec!["--config".to_owned(), file.display().to_string()];
        Self {
            server: Millwork::launch(&options).await.expect("it starts"),
            client: Client::new(),
            _home: home,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("the server answers")
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, path, Some(ADMIN), body).await;
        answer.json().await.expect("the answer is JSON")
    }

    async fn make_token(&self, scopes: &[&str]) -> Value {
        let body = json!({"name": scopes.join("+"), "scopes": scopes});
        self.json(Method::POST, "/api/v1/tokens", Some(body)).await
    }

    async fn millwork(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_millwork"))
            .args(arguments)
            .env("MILLWORK_URL", self.url())
            .env("MILLWORK_TOKEN", ADMIN)
            .output()
            .await
            .expect("it runs")
    }
}

/// Every operation there is: its method, its path with something in place of its parameters, and the scope it takes.
fn operations(document: &Value) -> Vec<(Method, String, Option<String>)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in item.as_object().expect("there are operations") {
            let method = method.to_uppercase().parse().expect("it is a method");
            let scope = operation["security"][0]["token"][0].as_str();
            // Nothing has this identifier.
            let path = match path.split_once('{') {
                Some((before, after)) => {
                    let (_, after) = after.split_once('}').expect("it ends");
                    format!("{before}019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55{after}")
                }
                None => path.clone(),
            };
            found.push((method, path, scope.map(str::to_owned)));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_its_scope() {
    let guarded = Guarded::start().await;
    let document = guarded.json(Method::GET, "/openapi.json", None).await;
    let operations = operations(&document);
    let mut bearers = Vec::new();
    for scope in SCOPES {
        let made = guarded.make_token(&[scope]).await;
        bearers.push((scope, made["bearer"].as_str().expect("a text").to_owned()));
    }
    let mut seen = BTreeSet::new();
    for (method, path, takes) in &operations {
        let name = format!("{method} {path}");
        let status = async |token: Option<&str>| {
            let body = (method == Method::POST).then(|| json!({}));
            let answer = guarded.ask(method.clone(), path, token, body).await;
            let challenge = answer.headers().get("www-authenticate");
            let challenge = challenge.map(|text| text.to_str().expect("a text").to_owned());
            (answer.status().as_u16(), challenge.unwrap_or_default())
        };
        let Some(takes) = takes else {
            assert!(!matches!(status(None).await.0, 401 | 403), "{name}");
            continue;
        };
        seen.insert(takes.clone());
        let missing = (401, "Bearer realm=\"millwork\"".to_owned());
        assert_eq!(status(None).await, missing, "{name}");
        let unknown = "Bearer realm=\"millwork\", error=\"invalid_token\"".to_owned();
        let made_up = format!("mw_{}_{}", "a".repeat(32), "a".repeat(43));
        assert_eq!(status(Some(&made_up)).await, (401, unknown), "{name}");
        for (scope, bearer) in &bearers {
            let (status, challenge) = status(Some(bearer)).await;
            if scope == takes || *scope == "admin" {
                assert!(
                    !matches!(status, 401 | 403),
                    "{name} with {scope}: {status}"
                );
            } else {
                assert_eq!(status, 403, "{name} with {scope}");
                let told = format!("error=\"insufficient_scope\", scope=\"{takes}\"");
                assert!(challenge.ends_with(&told), "{challenge}");
            }
        }
    }
    assert_eq!(
        seen,
        SCOPES.map(str::to_owned).into(),
        "all scopes are used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_log_with_who_made_it() {
    let guarded = Guarded::start().await;
    let made = guarded.make_token(&["write"]).await;
    let bearer = made["bearer"].as_str().expect("a text");
    let definition =
        json!({"name": "n", "steps": [{"name": "a", "type": "delay", "config": {"duration": 0}}]});
    let workflows = "/api/v1/workflows";
    let created = guarded
        .ask(Method::POST, workflows, Some(bearer), Some(definition))
        .await;
    let created: Value = created.json().await.expect("the answer is JSON");
    guarded
        .ask(Method::POST, workflows, Some(bearer), Some(json!({})))
        .await;
    // Who is not let in changes nothing, and who only looks neither.
    guarded
        .ask(Method::POST, workflows, None, Some(json!({})))
        .await;
    guarded
        .ask(Method::GET, "/api/v1/tokens", Some(bearer), None)
        .await;
    let cancel = "/api/v1/runs/019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55/cancel";
    let cancelled = guarded.ask(Method::POST, cancel, Some(bearer), None).await;
    let request_id = cancelled.headers()["x-request-id"]
        .to_str()
        .expect("a text")
        .to_owned();
    let id = made["id"].as_str().expect("a text");
    guarded
        .json(Method::DELETE, &format!("/api/v1/tokens/{id}"), None)
        .await;
    let log = guarded
        .json(Method::GET, "/api/v1/audit?limit=10", None)
        .await;
    let items = log["items"].as_array().expect("a list");
    let told = items.iter().map(|entry| {
        json!([
            entry["actor"],
            entry["actor_name"],
            entry["action"],
            entry["status"],
            entry["target"]
        ])
    });
    assert_eq!(
        Value::from_iter(told),
        json!([
            ["admin-token", null, "revoke_token", 200, null],
            ["token", "write", "cancel_run", 404, null],
            ["token", "write", "create_workflow", 422, null],
            [
                "token",
                "write",
                "create_workflow",
                200,
                created["workflow_id"]
            ],
            ["admin-token", null, "create_token", 201, made["id"]],
        ])
    );
    assert_eq!(items[1]["path"], cancel);
    assert_eq!(items[1]["request_id"], request_id);
    assert_eq!(items[1]["token_id"], made["id"]);
    let refused = guarded.ask(Method::POST, cancel, Some(bearer), None).await;
    assert_eq!(refused.status(), 401, "it is revoked");
    let page = guarded
        .json(Method::GET, "/api/v1/audit?limit=2", None)
        .await;
    let next = page["next_cursor"].as_str().expect("there is more");
    let path = format!("/api/v1/audit?limit=2&cursor={next}");
    let page = guarded.json(Method::GET, &path, None).await;
    assert_eq!(page["items"][0]["action"], "create_workflow");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_makes_tokens_through_a_server() {
    let guarded = Guarded::start().await;
    let made = guarded
        .millwork(&[
            "token",
            "create",
            "shop",
            "--scope",
            "trigger,read",
            "--expires",
            "1h",
        ])
        .await;
    assert!(made.status.success(), "{made:?}");
    let bearer = String::from_utf8(made.stdout).expect("a text");
    let listed = guarded
        .ask(Method::GET, "/api/v1/runs", Some(bearer.trim()), None)
        .await;
    assert_eq!(listed.status(), 200);
    let (_, rest) = bearer.split_once('_').expect("a mark");
    let (id, _) = rest.split_once('_').expect("an identifier");
    let listed = guarded.millwork(&["token", "list"]).await;
    let listed = String::from_utf8(listed.stdout).expect("a text");
    assert!(
        listed.contains("shop") && listed.contains("read,trigger"),
        "{listed}"
    );
    assert!(!listed.contains(bearer.trim()), "the secret is not kept");
    let revoked = guarded.millwork(&["token", "revoke", id]).await;
    assert!(revoked.status.success(), "{revoked:?}");
    let refused = guarded
        .ask(Method::GET, "/api/v1/runs", Some(bearer.trim()), None)
        .await;
    assert_eq!(refused.status(), 401);
    let again = guarded
        .millwork(&["token", "revoke", "019ab2f05d3c7e118c3a6f2f0a9d1e55"])
        .await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        said.contains("the server answered 404: there is no token"),
        "{said}"
    );
}

async fn on_the_spot(home: &Path, arguments: &[&str]) -> std::process::Output {
    let data = home.join("data").display().to_string();
    Command::new(env!("CARGO_BIN_EXE_millwork"))
        .arg("token")
        .args(arguments)
        .args(["--data-dir", &data])
        .output()
        .await
        .expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_makes_tokens_without_a_server_and_says_how_where_there_is_one() {
    let home = tempfile::tempdir().expect("there is a temporary folder");
    let made = on_the_spot(home.path(), &["create", "first", "--scope", "admin"]).await;
    assert!(made.status.success(), "{made:?}");
    let bearer = String::from_utf8(made.stdout).expect("a text");
    assert!(bearer.starts_with("mw_"), "{bearer}");
    let bad = on_the_spot(home.path(), &["create", "second", "--scope", "root"]).await;
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        said.contains("it is one of read, trigger, write and admin"),
        "{said}"
    );
    let mut server = Command::new(env!("CARGO_BIN_EXE_millwork"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(home.path().join("data"))
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = tokio::io::BufReader::new(server.stdout.take().expect("it is piped"));
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)
        .await
        .expect("it says that it listens");
    let refused = on_the_spot(home.path(), &["list"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--url http://127.0.0.1:8002"), "{said}");
    server.kill().await.expect("it can be killed");
    let listed = on_the_spot(home.path(), &["list"]).await;
    let listed = String::from_utf8(listed.stdout).expect("a text");
    assert!(listed.contains("first"), "{listed}");
}
