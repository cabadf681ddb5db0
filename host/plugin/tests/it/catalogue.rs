//! The further plugins that are written here, in the real sandbox: those that come with the host, and the examples.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millwork_core::outcome::{Failure, Outcome, Resume, Suspension, Until, Wake};
use millwork_plugin::{
    Limits, Options, Origin, PluginRuntime as _, Plugins, Recorded, Secret, Secrets, Tape,
};
use serde_json::{Value, json};

use crate::support::{Guest, compiled, component, granted};

fn options() -> Options {
    Options {
        limits: Limits {
            calls_in_flight_max: 20,
            ..Limits::default()
        },
        ..Options::default()
    }
}

async fn failure(guest: &Guest, action: &str, config: Value) -> Failure {
    let reply = guest.plugins.invoke(guest.call(action, &config)).await;
    reply.result.expect_err("it fails")
}

/// What a step suspends with, at first or on being resumed.
async fn suspension(
    guest: &Guest,
    action: &str,
    config: &Value,
    resumed: Option<Resume>,
) -> Suspension {
    let mut call = guest.call(action, config);
    call.resumed = resumed;
    match guest.plugins.invoke(call).await.result {
        Ok(Outcome::Suspended(suspension)) => suspension,
        other => panic!("it waits: {other:?}"),
    }
}

async fn resumed(guest: &Guest, action: &str, config: &Value, resume: Resume) -> Value {
    let mut call = guest.call(action, config);
    call.resumed = Some(resume);
    match guest.plugins.invoke(call).await.result {
        Ok(Outcome::Completed(output)) => output.value().clone(),
        other => panic!("it completes: {other:?}"),
    }
}

fn signal(name: &str, payload: Value, state: Vec<u8>) -> Resume {
    let (name, payload) = (name.to_owned(), payload.into());
    Resume {
        wake: Wake::Signal { name, payload },
        state,
    }
}

#[tokio::test]
async fn a_signal_is_waited_for_and_what_it_carries_is_the_output() {
    let guest = Guest::load_component("signal", options()).await;
    let config = json!({"timeout": "1h"});
    let waits = suspension(&guest, "wait", &config, None).await;
    let until = Until::Signal {
        name: "fetch".to_owned(),
        timeout: Some(Duration::from_secs(3600)),
    };
    assert_eq!(waits.until, until, "the step's name is the signal's");
    let resume = signal("fetch", json!({"amount": 12}), waits.state);
    let output = resumed(&guest, "wait", &config, resume).await;
    assert_eq!(output, json!({"amount": 12}));
}

#[tokio::test]
async fn an_approval_goes_on_waiting_with_its_state_until_an_answer_holds() {
    let guest = Guest::load_component("signal", options()).await;
    let config = json!({
        "name": "release",
        "timeout": 60,
        "form": {"properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
    });
    let first = suspension(&guest, "approval", &config, None).await;
    let odd = signal("release", json!({"decision": "approved"}), first.state);
    let second = suspension(&guest, "approval", &config, Some(odd)).await;
    let Until::Signal { timeout, .. } = second.until else {
        panic!("{:?}", second.until)
    };
    let left = timeout.expect("it has a time").as_secs();
    assert!(
        (59..=60).contains(&left),
        "the time that is left, not another minute: {left}"
    );
    let answer = json!({"decision": "approved", "by": "Ada", "data": {"amount": 7}});
    let resume = signal("release", answer, second.state);
    let output = resumed(&guest, "approval", &config, resume).await;
    assert_eq!(output["approved"], true);
    assert_eq!(output["data"], json!({"amount": 7}));
}

#[tokio::test]
async fn a_transform_filters_and_tells_what_is_wrong_by_its_place() {
    let guest = Guest::load_component("transform", options()).await;
    let config = json!({
        "input": {"lines": [{"price": 4, "count": 2}, {"price": 1.5, "count": 1}]},
        "vars": {"rate": 2},
        "filter": ".lines | map(.price * .count) | add * $rate",
    });
    assert_eq!(guest.output("apply", &config).await, json!(19));
    // Numbers past the word of the machine that runs it, times past 2038, and no environment.
    let odd = json!({
        "input": 9_007_199_254_740_993_u64,
        "filter": "[., 2147483647 + 1, (4102444800 | todate), (0 | localtime | mktime), env]",
    });
    assert_eq!(
        guest.output("apply", &odd).await,
        json!([
            9_007_199_254_740_993_u64,
            2_147_483_648_u64,
            "2100-01-01T00:00:00Z",
            0,
            {}
        ])
    );
    let wrong = failure(&guest, "apply", json!({"filter": "map(.a) |\n lenght"})).await;
    assert_eq!(wrong.code, "invalid-config");
    assert!(
        wrong
            .message
            .contains("line 2, column 2: there is no function lenght/0: did you mean length/0?"),
        "{}",
        wrong.message
    );
}

#[tokio::test]
async fn a_transform_that_does_not_end_costs_one_attempt() {
    let mut options = options();
    options.limits.cpu_max_ms = 300;
    let guest = Guest::load_component("transform", options).await;
    for filter in [
        "last(repeat(1))",
        "def f: 1 + f; f",
        "[range(100000000)] | length",
        "reduce range(1000000) as $i (null; [.])",
    ] {
        let stopped = failure(&guest, "apply", json!({"filter": filter})).await;
        assert!(stopped.code.starts_with("plugin-"), "{filter}: {stopped:?}");
    }
    let config = json!({"filter": "1 + 1"});
    assert_eq!(guest.output("apply", &config).await, json!(2));
}

#[tokio::test]
async fn a_template_is_written_and_tells_what_is_missing() {
    let guest = Guest::load_component("template", options()).await;
    let config = json!({
        "template": "Dear {{ name }}:\n{% for n in list %}\n- {{ n }}\n{% endfor %}\n",
        "values": {"name": "Ada", "list": [1, 2]},
    });
    assert_eq!(
        guest.output("render", &config).await,
        json!("Dear Ada:\n- 1\n- 2\n")
    );
    let missing = failure(&guest, "render", json!({"template": "\n{{ nmae }}"})).await;
    assert_eq!(missing.code, "template-failed");
    assert!(
        missing.message.contains("line 2, column 4"),
        "{}",
        missing.message
    );
}

struct OneSecret(&'static str, &'static str);

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok((name == self.0).then(|| Secret::new(self.1)))
    }
}

/// A plugin from a file, with a grant and one secret, and with answers that were recorded.
async fn example(grant: &str, name: &str, secret: OneSecret, answers: Vec<Recorded>) -> Guest {
    let options = Options {
        cache_folder: Some(compiled()),
        secrets: Some(Arc::new(secret)),
        tape: Some(Arc::new(Tape::play(answers))),
        ..granted(grant)
    };
    let plugins = Plugins::new(options).expect("the sandbox starts");
    let loaded = plugins
        .load_bytes(component(name), Origin::Installed)
        .await
        .expect("it loads");
    Guest {
        digest: loaded.digest,
        plugins,
    }
}

fn recorded(status: u16, body: &Value) -> Recorded {
    Recorded {
        request: String::new(),
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    }
}

#[tokio::test]
async fn slack_uses_a_token_that_it_never_sees_and_only_where_it_is_granted() {
    let token = || OneSecret("slack-token", "xoxb-very-secret");
    let config = json!({"channel": "#a", "text": "hi"});
    // Whoever answers with the token does not give it away either.
    let answer = json!({"ok": true, "channel": "C1", "ts": "xoxb-very-secret"});
    let grant = "slack = { http = [\"https://slack.com\"], secrets = { slack-token = [\"https://slack.com\"] } }";
    let guest = example(grant, "slack", token(), vec![recorded(200, &answer)]).await;
    let reply = guest
        .plugins
        .invoke(guest.call("post-message", &config))
        .await;
    assert!(!format!("{reply:?}").contains("very-secret"), "{reply:?}");
    let Ok(Outcome::Completed(output)) = reply.result else {
        panic!("{:?}", reply.result)
    };
    assert_eq!(output.value()["channel"], "C1");

    let guest = example("", "slack", token(), Vec::new()).await;
    let denied = failure(&guest, "post-message", config.clone()).await;
    assert_eq!(denied.code, "secret-denied");
    assert!(
        denied.message.contains("[plugins.grants.slack]"),
        "{}",
        denied.message
    );

    let elsewhere = "slack = { http = [\"https://slack.com\"], secrets = { slack-token = [\"https://other.example\"] } }";
    let guest = example(elsewhere, "slack", token(), Vec::new()).await;
    let denied = failure(&guest, "post-message", config).await;
    assert_eq!(denied.code, "http-denied");
    assert!(denied.message.contains("slack-token"), "{}", denied.message);
}

#[tokio::test]
async fn email_is_sent_by_the_service_that_is_granted() {
    let key = OneSecret("email-key", "k3y-very-secret");
    let grant = "email = { http = [\"POST https://api.postmarkapp.com\"], secrets = { email-key = [\"https://api.postmarkapp.com\"] } }";
    let answer = json!({"ErrorCode": 0, "Message": "OK", "MessageID": "m-1"});
    let guest = example(grant, "email", key, vec![recorded(200, &answer)]).await;
    let mail = |service: &str| json!({"service": service, "from": "a@x.example", "to": "b@y.example", "subject": "s", "text": "t"});
    let output = guest.output("send", &mail("postmark")).await;
    assert_eq!(output, json!({"service": "postmark", "message_id": "m-1"}));
    let denied = failure(&guest, "send", mail("sendgrid")).await;
    assert_eq!(denied.code, "http-denied");
}
