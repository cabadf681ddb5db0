//! Every rule of the README, held natively against the SDK's fake host.

use std::time::Duration;

use millwork_plugin_slack::Connector;
use millwork_sdk::testing::{Host, Reply};
use millwork_sdk::{Ask, Failure, FailureKind};
use serde_json::{Value, json};

const TOKEN: &str = "xoxb-1-s3cret";

fn host() -> Host {
    let host = Host::new::<Connector>();
    host.secret("slack-token", TOKEN);
    host
}

/// The failure of a step to which Slack answers so.
fn failure(reply: Reply) -> Failure {
    let host = host();
    host.reply(reply);
    host.run("post-message", json!({"channel": "#a", "text": "b"}))
        .expect_err("Slack refuses it")
}

/// Slack refuses with status 200.
fn refusal(error: &str) -> Failure {
    failure(Reply::json(200, &json!({"ok": false, "error": error})))
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_slack_and_its_token() {
    let host = host();
    host.check();
    let manifest = host.manifest();
    assert_eq!(
        manifest.asks,
        [Ask::http("https://slack.com"), Ask::secret("slack-token")]
    );
    assert_eq!(manifest.actions[0].title, "Post message");
}

#[test]
fn a_message_is_posted_with_the_token_which_the_connector_never_sees() {
    let host = host();
    let answer = json!({"ok": true, "channel": "C1", "ts": "5.2", "message": {"text": "hi"}});
    host.reply(Reply::json(200, &answer));
    let config = json!({
        "channel": "#a",
        "text": "*hi*",
        "thread_ts": "1.1",
        "blocks": [{"type": "divider"}],
        "unfurl_links": false,
    });

    let output = host.run("post-message", config.clone());

    assert_eq!(output, Ok(json!({"channel": "C1", "ts": "5.2"})));
    let request = &host.requests()[0];
    assert_eq!(request.method(), "POST");
    assert_eq!(request.url(), "https://slack.com/api/chat.postMessage");
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header_value("authorization"), Some(bearer.as_str()));
    let body: Value = serde_json::from_slice(request.body_bytes().expect("there is a body"))
        .expect("the body is JSON");
    assert_eq!(body, config);
    assert_eq!(host.revealed(), [] as [&str; 0]);
    assert!(host.log().iter().all(|line| !line.message.contains(TOKEN)));
}

#[test]
fn what_is_left_out_is_not_sent() {
    let host = host();
    host.reply(Reply::json(
        200,
        &json!({"ok": true, "channel": "C1", "ts": "1"}),
    ));
    let config = json!({"channel": "C1", "text": "hi"});
    host.run("post-message", config).expect("it is posted");
    let request = &host.requests()[0];
    assert_eq!(
        request.body_bytes(),
        Some(&br#"{"channel":"C1","text":"hi"}"#[..])
    );
}

#[test]
fn a_refusal_of_slack_is_told_with_what_to_do_about_it() {
    let failure = refusal("not_in_channel");
    assert_eq!(failure.code(), "slack-refused");
    assert_eq!(failure.kind(), FailureKind::Permanent);
    assert_eq!(
        failure.message(),
        "Slack refused the message: not_in_channel: invite the bot to the channel"
    );
    assert_eq!(
        failure.details().expect("there are")["error"],
        "not_in_channel"
    );

    let answer = json!({"ok": false, "error": "missing_scope", "needed": "chat:write"});
    let failure = self::failure(Reply::json(200, &answer));
    assert!(
        failure
            .message()
            .ends_with("(the token needs the scope chat:write)"),
        "{failure}"
    );
    let failure = self::failure(Reply::json(200, &json!({"ok": false})));
    assert!(failure.message().contains("unknown_error"), "{failure}");
}

#[test]
fn a_slack_that_is_busy_is_tried_again() {
    for error in ["ratelimited", "internal_error", "service_unavailable"] {
        assert_eq!(refusal(error).kind(), FailureKind::Retryable, "{error}");
    }
    let limited = failure(Reply::status(429).header("retry-after", "30"));
    assert_eq!(
        limited.kind(),
        FailureKind::RateLimited(Some(Duration::from_secs(30)))
    );
    assert_eq!(failure(Reply::status(503)).kind(), FailureKind::Retryable);
    assert_eq!(failure(Reply::status(404)).kind(), FailureKind::Permanent);
    let odd = failure(Reply::text(200, "<html>"));
    assert_eq!(odd.code(), "invalid-response");
}

#[test]
fn without_the_secret_nothing_is_sent() {
    let host = Host::new::<Connector>();
    let failure = host
        .run("post-message", json!({"channel": "#a", "text": "b"}))
        .expect_err("there is no token");
    assert_eq!(failure.code(), "secret-denied");
    assert!(host.requests().is_empty());
}

#[test]
fn a_message_says_something() {
    let failure = host()
        .run("post-message", json!({"channel": "#a"}))
        .expect_err("it says nothing");
    assert_eq!(failure.code(), "invalid-config");
    assert!(failure.message().contains("give `text` or `blocks`"));
    let host = host();
    let drafted = json!({"channel": "${payload.channel}"});
    assert_eq!(host.validate("post-message", drafted), []);
    let problems = host.validate("post-message", json!({"chanel": "#a"}));
    assert_eq!(problems[0].path, "/chanel");
}
