//! Inbound webhooks, asked of a server: who may start runs, and how often one delivery does.

use hmac::{Hmac, Mac as _};
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

const SECRET: &str = "a secret of the shop";

struct Shop {
    server: Millwork,
    client: Client,
    _home: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let home = tempfile::tempdir().expect("there is a temporary folder");
        let file = home.path().join("millwork.toml");
        let text = format!("[secrets]\nshop = \"{SECRET}\"\n[limits]\npayload_max_bytes = 10000\n");
        std::fs::write(&file, text).expect("it can be written");
        let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
        options.server_args = vec!["--config".to_owned(), file.display().to_string()];
        Self {
            server: Millwork::launch(&options).await.expect("it starts"),
            client: Client::new(),
            _home: home,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    async fn create(&self, trigger: &Value) -> Response {
        let document = json!({
            "name": "orders", "triggers": [trigger],
            "steps": [{"name": "a", "type": "delay", "config": {"duration": 0}}],
        });
        let request = self.client.post(self.url("/api/v1/workflows"));
        request.json(&document).send().await.expect("it answers")
    }

    async fn created(&self, trigger: &Value) {
        let created = self.create(trigger).await;
        assert_eq!(created.status(), 200, "{:?}", created.text().await);
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = self.client.post(self.url(path)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("it is JSON"))
    }

    async fn run(&self, started: &Value) -> Value {
        let id = started["run_id"].as_str().expect("it is a text");
        let answer = self.client.get(self.url(&format!("/api/v1/runs/{id}")));
        let answer = answer.send().await.expect("it answers");
        answer.json().await.expect("it is JSON")
    }
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_starts_one_run_a_delivery_and_an_unsigned_one_none() {
    let shop = Shop::open().await;
    let verify = json!({"scheme": "github", "secret": "shop"});
    shop.created(&json!({
        "type": "webhook", "path": "shop/orders", "verify": verify, "headers": ["X-GitHub-Event"],
    }))
    .await;
    let body = r#"{"order": 7}"#;
    let signature = format!("sha256={}", sign(body));
    let headers = [
        ("content-type", "application/json"),
        ("x-hub-signature-256", &*signature),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e"),
    ];
    let (status, started) = shop
        .send("/hooks/shop/orders?from=here", &headers, body)
        .await;
    assert_eq!((status, &started["status"]), (200, &json!("triggered")));
    let run = shop.run(&started).await;
    let expected = json!({
        "headers": {"x-github-event": "push"}, "query": {"from": "here"}, "body": {"order": 7},
    });
    assert_eq!(run["payload"], expected);
    let expected = json!({"kind": "webhook", "path": "shop/orders", "delivery": "72d3162e"});
    assert_eq!(run["started_by"], expected);
    // Delivered again, it is the same run.
    let (status, again) = shop.send("/hooks/shop/orders", &headers, body).await;
    assert_eq!((status, &again["run_id"]), (200, &started["run_id"]));

    let (status, refused) = shop.send("/hooks/shop/orders", &headers[..1], body).await;
    assert_eq!(
        (status, &refused["type"]),
        (401, &json!("/docs/errors/bad-signature"))
    );
    let (status, _) = shop
        .send("/hooks/shop/orders", &headers, r#"{"order": 8}"#)
        .await;
    assert_eq!(status, 401, "the body is signed");
    let (status, refused) = shop.send("/hooks/shop", &headers, body).await;
    assert_eq!(
        (status, &refused["type"]),
        (404, &json!("/docs/errors/unknown-webhook"))
    );
    let (status, _) = shop
        .send("/hooks/shop/orders", &headers, &"x".repeat(20_000))
        .await;
    assert_eq!(status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_signature_stands_in_the_header_that_is_named() {
    let shop = Shop::open().await;
    let verify = json!({"scheme": "hmac-sha256", "header": "X-Signature", "secret": "shop"});
    shop.created(
        &json!({"type": "webhook", "path": "plain", "verify": verify, "dedupe": "X-Event-Id"}),
    )
    .await;
    let signature = sign("hello");
    let send = async |id: &str| {
        let headers = [("x-signature", &*signature), ("x-event-id", id)];
        shop.send("/hooks/plain", &headers, "hello").await
    };
    let ((_, one), (_, same), (_, other)) = (send("1").await, send("1").await, send("2").await);
    assert_eq!(one["run_id"], same["run_id"]);
    assert_ne!(one["run_id"], other["run_id"]);
    assert_eq!(shop.run(&one).await["payload"]["body"], "hello");
    let (status, _) = send("").await;
    assert_eq!(status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_belongs_to_one_workflow_and_a_secret_has_to_be_there() {
    let shop = Shop::open().await;
    let open = json!({"type": "webhook", "path": "open", "verify": {"scheme": "none"}});
    shop.created(&open).await;
    let (status, _) = shop.send("/hooks/open", &[], "anybody").await;
    assert_eq!(status, 200);
    let refused = shop.create(&open).await;
    assert_eq!(refused.status(), 422);
    let refused: Value = refused.json().await.expect("it is JSON");
    assert_eq!(refused["errors"][0]["path"], "/triggers/0/path");
    let verify = json!({"scheme": "github", "secret": "nowhere"});
    shop.created(&json!({"type": "webhook", "path": "lost", "verify": verify}))
        .await;
    let (status, told) = shop.send("/hooks/lost", &[], "x").await;
    assert_eq!(status, 503);
    assert!(!told.to_string().contains("nowhere"), "{told}");
    let refused = shop
        .create(&json!({"type": "kafka", "topic": "orders"}))
        .await;
    let refused: Value = refused.json().await.expect("it is JSON");
    assert_eq!(refused["errors"][0]["path"], "/triggers/0/type");
}
