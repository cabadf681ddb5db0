//! Secrets: in the request that needs them, and nowhere else, whichever door it goes through.

use std::sync::Arc;

use async_trait::async_trait;
use millwork_plugin::{Options, PluginRuntime as _, Secret, Secrets};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Guest, granted};

struct Token(String);

#[async_trait]
impl Secrets for Token {
    async fn get(&self, _: &str) -> Result<Option<Secret>, String> {
        Ok(Some(Secret::new(self.0.clone())))
    }
}

const DOORS: [&str; 2] = ["http", "http-wasi"];

/// Everything on this machine, and the secret to one server alone.
fn options(server: &Server, secret: &str) -> Options {
    let mut options = granted(&format!(
        "[misbehave]\nhttp = [\"*\"]\nprivate_networks = [\"loopback\"]\nsecrets = {{ token = [\"http://{}\"] }}",
        server.address
    ));
    options.secrets = Some(Arc::new(Token(secret.to_owned())));
    options
}

/// All that leaves a call: what it came to, and its log.
async fn told(guest: &Guest, door: &str, config: &Value) -> String {
    let reply = guest.plugins.invoke(guest.call(door, config)).await;
    format!("{:?} {:?}", reply.result, reply.log)
}

#[tokio::test]
async fn a_secret_travels_in_url_headers_and_body_to_its_host_and_does_not_come_back() {
    for door in DOORS {
        let here = Server::start().await;
        let guest = Guest::load(options(&here, "xyzzy-1")).await;
        let config = json!({
            "url": here.url("/path/SECRET?key=SECRET"),
            "method": "POST",
            "headers": "Authorization: Bearer SECRET|X-Other: plain",
            "body": "before SECRET, after SECRET.",
        });
        let answer = told(&guest, door, &config).await;
        let requests = here.requests();
        let sent = requests
            .first()
            .unwrap_or_else(|| panic!("{door}: {answer}"));
        assert!(
            sent.starts_with("POST /path/xyzzy-1?key=xyzzy-1 "),
            "{door}: {sent}"
        );
        let head = sent.to_lowercase();
        assert!(
            head.contains("authorization: bearer xyzzy-1\r\n"),
            "{door}: {sent}"
        );
        assert!(head.contains("x-other: plain\r\n"), "{door}: {sent}");
        assert!(
            sent.ends_with("\r\n\r\nbefore xyzzy-1, after xyzzy-1."),
            "{door}: {sent}"
        );
        assert!(!sent.contains("millworksecret"), "{door}: {sent}");
        assert!(
            answer.contains("Ok(") && !answer.contains("xyzzy"),
            "{door}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_server_that_sends_a_secret_back_shows_it_to_nobody() {
    for door in DOORS {
        let here = Server::start().await;
        let guest = Guest::load(options(&here, "xyzzy-1")).await;
        let config = json!({
            "url": here.url("/echo"),
            "method": "POST",
            "headers": "X-Token: SECRET",
            "body": "SECRET and more",
        });
        let answer = told(&guest, door, &config).await;
        assert!(here.requests()[0].contains("xyzzy-1 and more"), "{door}");
        assert!(!answer.contains("xyzzy"), "{door}: {answer}");
        // All of the answer is there: what stands for the secret is longer than the secret.
        assert_eq!(
            answer.matches("millworksecret").count(),
            2,
            "{door}: {answer}"
        );
        assert!(answer.contains(" and more"), "{door}: {answer}");
    }
}

#[tokio::test]
async fn a_secret_goes_to_no_other_host_by_any_door() {
    for door in DOORS {
        let (here, there) = (Server::start().await, Server::start().await);
        let guest = Guest::load(options(&here, "xyzzy-1")).await;
        for config in [
            json!({"url": there.url("/"), "headers": "Authorization: SECRET"}),
            json!({"url": there.url("/SECRET")}),
            json!({"url": there.url("/?a=SECRET")}),
            json!({"url": there.url("/"), "method": "POST", "body": "SECRET"}),
        ] {
            let answer = told(&guest, door, &config).await;
            assert!(
                answer.contains("may not send the secret"),
                "{door}: {answer}"
            );
            assert!(!answer.contains("xyzzy"), "{door}: {answer}");
        }
        assert_eq!(there.connections(), 0, "{door}");
    }
}

#[tokio::test]
async fn what_a_guest_counted_before_the_secret_was_in_it_is_counted_anew() {
    let here = Server::start().await;
    let guest = Guest::load(options(&here, "xyzzy-1")).await;
    // A placeholder has 46 bytes.
    let config = json!({
        "url": here.url("/hello"),
        "method": "POST",
        "headers": "Content-Length: 47",
        "body": "SECRET!",
    });
    let answer = told(&guest, "http-wasi", &config).await;
    assert!(answer.contains("200 "), "{answer}");
    let sent = here.requests()[0].to_lowercase();
    assert!(
        sent.contains("content-length: 8\r\n") && sent.ends_with("\r\n\r\nxyzzy-1!"),
        "{sent}"
    );
}

#[tokio::test]
async fn a_request_that_its_secrets_would_make_too_large_is_not_sent() {
    for door in DOORS {
        let here = Server::start().await;
        let mut options = options(&here, &"x".repeat(60_000));
        options.limits.http_request_max_bytes = 100_000;
        let guest = Guest::load(options).await;
        let once = json!({"url": here.url("/hello"), "method": "POST", "body": "SECRET"});
        let answer = told(&guest, door, &once).await;
        assert!(answer.contains("200 "), "{door}: {answer}");
        let twice = json!({"url": here.url("/hello"), "method": "POST", "body": "SECRET SECRET"});
        let answer = told(&guest, door, &twice).await;
        assert!(
            answer.contains("with its secrets the request is larger than")
                && answer.contains("plugins.limits.http_request_max_bytes"),
            "{door}: {answer}"
        );
        assert_eq!(here.requests().len(), 1, "{door}");
    }
}
