//! Every rule of the README, held natively against the SDK's fake host.

use std::time::Duration;

use millwork_plugin_email::Connector;
use millwork_sdk::http::Request;
use millwork_sdk::testing::{Host, Reply};
use millwork_sdk::{Ask, Failure, FailureKind};
use serde_json::{Value, json};

const KEY: &str = "k3y";

fn host() -> Host {
    let host = Host::new::<Connector>();
    host.secret("email-key", KEY);
    host
}

/// A mail with everything in it.
fn mail(service: &str) -> Value {
    json!({
        "service": service,
        "from": "The \"Shop\" <orders@shop.example>",
        "to": ["Ada <ada@example.com>", "bob@example.com"],
        "cc": "cara@example.com",
        "bcc": ["dan@example.com"],
        "reply_to": "help@shop.example",
        "subject": "Größe",
        "text": "hello",
        "html": "<p>hello</p>",
    })
}

/// The smallest mail.
fn plain(service: &str) -> Value {
    json!({"service": service, "from": "a@x.example", "to": "b@y.example", "subject": "s", "text": "t"})
}

/// The request and the output of a mail to which the service answers so.
fn sent(config: Value, reply: Reply) -> (Request, Value) {
    let host = host();
    host.reply(reply);
    let output = host.run("send", config).expect("the service takes it");
    assert_eq!(host.revealed(), [] as [&str; 0]);
    (host.requests().remove(0), output)
}

fn failure(config: Value, reply: Reply) -> Failure {
    let host = host();
    host.reply(reply);
    host.run("send", config)
        .expect_err("the service refuses it")
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body_bytes().expect("there is a body")).expect("it is JSON")
}

fn wrong(mut config: Value, field: &str, value: Value) -> Vec<String> {
    config[field] = value;
    let problems = host().validate("send", config);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_its_services_and_their_key() {
    let host = host();
    host.check();
    assert_eq!(
        host.manifest().asks,
        [
            Ask::http("https://api.postmarkapp.com"),
            Ask::http("https://api.sendgrid.com"),
            Ask::secret("email-key")
        ]
    );
}

#[test]
fn postmark_is_asked_in_its_own_words() {
    let answer = json!({"ErrorCode": 0, "Message": "OK", "MessageID": "m-1"});
    let (request, output) = sent(mail("postmark"), Reply::json(200, &answer));
    assert_eq!(output, json!({"service": "postmark", "message_id": "m-1"}));
    assert_eq!(request.url(), "https://api.postmarkapp.com/email");
    assert_eq!(request.header_value("x-postmark-server-token"), Some(KEY));
    assert_eq!(
        body(&request),
        json!({
            "From": "\"The Shop\" <orders@shop.example>",
            "To": "\"Ada\" <ada@example.com>, bob@example.com",
            "Cc": "cara@example.com",
            "Bcc": "dan@example.com",
            "ReplyTo": "help@shop.example",
            "Subject": "Größe",
            "TextBody": "hello",
            "HtmlBody": "<p>hello</p>",
        })
    );
    let (request, _) = sent(plain("postmark"), Reply::json(200, &answer));
    assert_eq!(
        body(&request),
        json!({"From": "a@x.example", "To": "b@y.example", "Subject": "s", "TextBody": "t"})
    );
}

#[test]
fn sendgrid_is_asked_in_its_own_words() {
    let reply = Reply::status(202).header("X-Message-Id", "m-2");
    let (request, output) = sent(mail("sendgrid"), reply);
    assert_eq!(output, json!({"service": "sendgrid", "message_id": "m-2"}));
    assert_eq!(request.url(), "https://api.sendgrid.com/v3/mail/send");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(request.header_value("authorization"), Some(bearer.as_str()));
    assert_eq!(
        body(&request),
        json!({
            "personalizations": [{
                "to": [{"email": "ada@example.com", "name": "Ada"}, {"email": "bob@example.com"}],
                "cc": [{"email": "cara@example.com"}],
                "bcc": [{"email": "dan@example.com"}],
            }],
            "from": {"email": "orders@shop.example", "name": "The \"Shop\""},
            "subject": "Größe",
            "content": [
                {"type": "text/plain", "value": "hello"},
                {"type": "text/html", "value": "<p>hello</p>"},
            ],
            "reply_to": {"email": "help@shop.example"},
        })
    );
    let (request, output) = sent(plain("sendgrid"), Reply::status(202));
    assert_eq!(output["message_id"], json!(null));
    assert_eq!(
        body(&request)["personalizations"],
        json!([{"to": [{"email": "b@y.example"}]}])
    );
}

#[test]
fn a_refusal_says_the_reason_of_the_service() {
    let answer = json!({"ErrorCode": 300, "Message": "Invalid 'From' address."});
    let refused = failure(plain("postmark"), Reply::json(422, &answer));
    assert_eq!(refused.code(), "mail-refused");
    assert_eq!(refused.kind(), FailureKind::Permanent);
    assert_eq!(
        refused.message(),
        "Postmark did not take the mail: Invalid 'From' address. (error 300)"
    );
    assert_eq!(refused.details().expect("there are")["status"], 422);

    let answer = json!({"errors": [{"message": "no from", "field": "from"}, {"message": "no to"}]});
    let refused = failure(plain("sendgrid"), Reply::json(400, &answer));
    assert_eq!(
        refused.message(),
        "SendGrid did not take the mail: no from; no to"
    );
    for service in ["postmark", "sendgrid"] {
        let busy = failure(plain(service), Reply::status(503));
        assert_eq!(busy.kind(), FailureKind::Retryable);
        assert!(busy.message().ends_with("it answered with status 503"));
        let limited = failure(
            plain(service),
            Reply::status(429).header("retry-after", "9"),
        );
        let after = Some(Duration::from_secs(9));
        assert_eq!(limited.kind(), FailureKind::RateLimited(after));
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for odd in [
        "",
        "ada",
        "@x",
        "ada@",
        "a b@x",
        "a@x, b@y",
        "Ada <a@x",
        "Ada a@x>",
        "a@x\nBcc: b@y",
        "A\r\nB: c <a@x>",
    ] {
        let problems = wrong(plain("postmark"), "from", json!(odd));
        assert_eq!(problems.len(), 1, "{odd:?}: {problems:?}");
        assert!(
            problems[0].starts_with("/from: must be an address"),
            "{problems:?}"
        );
        let problems = wrong(plain("postmark"), "to", json!(["a@x.example", odd]));
        assert!(
            problems[0].starts_with("/to: item 1: must be an address"),
            "{problems:?}"
        );
    }
    for good in [
        "a@x",
        "Ada Lovelace <a.b+c@x.example>",
        "\"A, B\" <a@x>",
        " a@x ",
    ] {
        let problems = wrong(plain("postmark"), "from", json!(good));
        assert_eq!(problems, [] as [&str; 0], "{good}");
    }
}

#[test]
fn a_mail_has_recipients_but_not_too_many() {
    let problems = wrong(plain("postmark"), "to", json!([]));
    assert_eq!(problems, ["/to: must be at least one address"]);
    let many: Vec<_> = (0..50).map(|i| format!("a{i}@x.example")).collect();
    let mut config = plain("postmark");
    config["cc"] = json!("c@x.example");
    let problems = wrong(config, "to", json!(many));
    assert_eq!(
        problems,
        ["/to: has 51 recipients with those of `cc` and `bcc`: the limit is 50"]
    );
}

#[test]
fn a_subject_is_one_line_and_a_mail_says_something() {
    let problems = wrong(plain("postmark"), "subject", json!("a\nBcc: b@y"));
    assert_eq!(
        problems,
        ["/subject: must be one line, without control characters"]
    );
    let problems = wrong(plain("postmark"), "service", json!("pigeon"));
    assert!(
        problems[0].contains("expected `postmark` or `sendgrid`"),
        "{problems:?}"
    );
    let mut empty = plain("postmark");
    empty.as_object_mut().expect("it is one").remove("text");
    let failure = host().run("send", empty).expect_err("it says nothing");
    assert!(failure.message().contains("give `text` or `html`"));
}

#[test]
fn an_expression_is_not_judged_before_it_has_a_value() {
    let drafted = json!({"service": "postmark", "from": "${env.from}", "to": ["${payload.to}"], "subject": "${payload.s}"});
    assert_eq!(host().validate("send", drafted), []);
}

#[test]
fn without_the_secret_nothing_is_sent() {
    let host = Host::new::<Connector>();
    let failure = host
        .run("send", plain("postmark"))
        .expect_err("there is no key");
    assert_eq!(failure.code(), "secret-denied");
    assert!(host.requests().is_empty());
}
