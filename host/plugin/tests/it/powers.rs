//! Deny by default: every import in turn, without the grant and with it.

use std::sync::Arc;

use async_trait::async_trait;
use millwork_plugin::{Options, Secret, Secrets};
use serde_json::json;

use crate::support::{Guest, granted};

struct OneSecret;

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok((name == "token").then(|| Secret::new("xyzzy")))
    }
}

#[tokio::test]
async fn without_a_grant_every_import_that_acts_is_denied_by_the_line_that_would_grant_it() {
    let guest = Guest::load(Options {
        secrets: Some(Arc::new(OneSecret)),
        ..Options::default()
    })
    .await;
    let url = json!({"url": "http://127.0.0.1:1/"});
    let cases = [
        (
            "http",
            "write http = [\\\"http://127.0.0.1:1\\\"] under [plugins.grants.misbehave]",
        ),
        ("http-wasi", "HttpRequestDenied"),
        ("kv", "write kv = true under [plugins.grants.misbehave]"),
        (
            "reveal",
            "write reveal = [\\\"token\\\"] under [plugins.grants.misbehave]",
        ),
        ("placeholder", "write secrets = { token = "),
    ];
    for (action, expected) in cases {
        let answer = guest.text(action, &url).await;
        assert!(answer.contains(expected), "{action}: {answer}");
    }
}

#[tokio::test]
async fn a_guest_finds_no_environment() {
    let guest = Guest::load(Options::default()).await;
    assert_eq!(guest.text("environment", &json!({})).await, "[]");
}

#[tokio::test]
async fn random_bytes_are_bounded_for_each_call() {
    let guest = Guest::load(Options::default()).await;
    assert_eq!(guest.output("random", &json!({})).await, json!(65_536));
}

#[tokio::test]
async fn granted_values_are_kept_from_call_to_call_for_each_workflow() {
    use millwork_plugin::PluginRuntime as _;
    let guest = Guest::load(granted("misbehave.kv = true")).await;
    assert_eq!(guest.text("kv", &json!({})).await, "1");
    assert_eq!(guest.text("kv", &json!({})).await, "2");
    let mut call = guest.call("kv", &json!({}));
    "another".clone_into(&mut call.workflow);
    let reply = guest
        .plugins
        .invoke(call)
        .await
        .result
        .expect("it is granted");
    assert_eq!(
        reply,
        millwork_core::outcome::Outcome::Completed(millwork_core::json::Json::from(json!("1")))
    );
    let giant = guest.text("kv-giant", &json!({})).await;
    assert_eq!(
        giant,
        "Err(Error::TooLarge(65536)) Err(Error::TooLarge(512))"
    );
}

#[tokio::test]
async fn a_secret_may_be_used_without_being_seen() {
    let mut options = granted("misbehave.secrets = { token = [\"https://slack.com\"] }");
    options.secrets = Some(Arc::new(OneSecret));
    let guest = Guest::load(options).await;
    let placeholder = guest.text("placeholder", &json!({})).await;
    assert!(
        placeholder.starts_with("Ok(") && !placeholder.contains("xyzzy"),
        "{placeholder}"
    );
    assert!(guest.text("reveal", &json!({})).await.contains("Denied"));

    let mut options = granted("misbehave.reveal = [\"token\"]");
    options.secrets = Some(Arc::new(OneSecret));
    assert_eq!(
        Guest::load(options).await.text("reveal", &json!({})).await,
        "Ok(\"xyzzy\")"
    );
}
