//! What the README says of `signal.approval`, held natively against the SDK's fake host.

use std::time::Duration;

use millwork_plugin_signal::Connector;
use millwork_sdk::clock::Timestamp;
use millwork_sdk::log::Level;
use millwork_sdk::testing::Host;
use millwork_sdk::{Failure, FailureKind, Outcome, Signal, Suspension, Until, Wake};
use serde_json::{Value, json};

/// The fake clock's first moment: 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_secs(1_893_456_000);

/// A step that is answered so, one answer after the other.
fn answered(config: Value, answers: &[Value]) -> (Host, Result<Value, Failure>) {
    let host = Host::new::<Connector>();
    for answer in answers {
        host.signal("step", answer.clone());
    }
    let result = host.run("approval", config);
    (host, result)
}

fn approved(config: Value, answer: Value) -> Value {
    answered(config, &[answer]).1.expect("it is approved")
}

/// What is wrong with an answer; a good one follows it.
fn refused(form: &Value, answer: Value) -> String {
    let good = json!({"decision": "rejected"});
    let config = json!({"form": form, "on_rejected": "continue"});
    let (host, result) = answered(config, &[answer, good]);
    assert_eq!(result.expect("it ends")["decision"], "rejected");
    let lines = host.log();
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line.level == Level::Warn)
        .collect();
    assert_eq!(refused.len(), 1, "{lines:?}");
    let told = refused[0].message.split("waiting: ").nth(1);
    told.expect("the reason is told").to_owned()
}

fn suspension(outcome: Result<Outcome<Value>, Failure>) -> Suspension<Value> {
    match outcome {
        Ok(Outcome::Suspended(suspension)) => suspension,
        other => panic!("it waits: {other:?}"),
    }
}

#[test]
fn an_approval_results_in_who_and_what() {
    let answer =
        json!({"decision": "approved", "by": "Ada", "comment": "at last", "data": {"amount": 12}});
    assert_eq!(
        approved(json!({}), answer),
        json!({"decision": "approved", "approved": true, "by": "Ada", "comment": "at last", "data": {"amount": 12}})
    );
    assert_eq!(
        approved(json!({}), json!({"decision": "approved"})),
        json!({"decision": "approved", "approved": true, "by": null, "comment": null, "data": {}})
    );
}

#[test]
fn a_rejection_fails_the_step_unless_the_workflow_goes_by_it() {
    let answer = json!({"decision": "rejected", "by": "Ada", "comment": "too early"});
    let failure = answered(json!({}), std::slice::from_ref(&answer))
        .1
        .expect_err("it is rejected");
    assert_eq!(failure.code(), "rejected");
    assert_eq!(failure.kind(), FailureKind::Permanent);
    assert_eq!(failure.message(), "it was rejected by Ada: too early");
    assert_eq!(
        failure.details().expect("there are")["decision"],
        "rejected"
    );

    let output = approved(json!({"on_rejected": "continue"}), answer);
    assert_eq!(output["decision"], "rejected");
    assert_eq!(output["approved"], false);
}

#[test]
fn where_nobody_answers_the_step_says_what_it_comes_to() {
    let without = |on_timeout: Value| {
        let config = json!({"timeout": "1m", "on_timeout": on_timeout, "on_rejected": "continue"});
        answered(config, &[]).1
    };
    let failure = without(json!("fail")).expect_err("nobody answered");
    assert_eq!(failure.code(), "approval-timeout");
    assert_eq!(
        failure.message(),
        "nobody answered \"step\" within 60 seconds"
    );
    for (on_timeout, approved) in [("none", false), ("rejected", false), ("approved", true)] {
        let output = without(json!(on_timeout)).expect("it completes");
        assert_eq!(output["decision"], on_timeout);
        assert_eq!(output["approved"], approved);
        assert_eq!(output["by"], json!(null));
    }
    let config = json!({"timeout": 1, "on_timeout": "rejected"});
    let failure = answered(config, &[]).1.expect_err("as though rejected");
    assert_eq!(failure.code(), "rejected");
}

#[test]
fn an_answer_that_does_not_hold_is_told_and_the_step_goes_on_waiting_until_its_time_is_up() {
    let host = Host::new::<Connector>();
    let config = json!({"timeout": "1h", "question": "Well?"});
    let first = suspension(host.invoke("approval", config.clone()));
    let hour = Duration::from_secs(3600);
    assert_eq!(first.until(), &Until::Signal("step".to_owned(), Some(hour)));
    assert_eq!(host.log().len(), 1);
    assert_eq!(host.log()[0].message, "Well?");

    host.advance(hour / 4);
    let odd = Wake::Signal(Signal {
        name: "step".to_owned(),
        payload: json!({"decision": "maybe"}),
    });
    let second = suspension(host.resume("approval", config.clone(), odd, first.kept()));
    assert_eq!(
        second.until(),
        &Until::Signal("step".to_owned(), Some(hour * 3 / 4)),
        "the time that is left"
    );
    let log = host.log();
    assert_eq!(log.len(), 2, "the question is asked once");
    assert!(
        log[1].message.contains("unknown variant `maybe`"),
        "{}",
        log[1].message
    );
    assert_eq!(host.now(), START.saturating_add(hour / 4));

    let yes = Wake::Signal(Signal {
        name: "step".to_owned(),
        payload: json!({"decision": "approved"}),
    });
    let Ok(Outcome::Completed(output)) = host.resume("approval", config, yes, second.kept()) else {
        panic!("it is approved")
    };
    assert_eq!(output["approved"], true);
}

#[test]
fn answers_that_do_not_hold_are_counted_and_the_step_gives_up_in_the_end() {
    let bad = vec![json!("yes"); 100];
    let (_, result) = answered(json!({}), &bad);
    let failure = result.expect_err("it gives up");
    assert_eq!(failure.code(), "too-many-refused-answers");
    assert!(failure.message().starts_with("100 answers were refused"));
    let mut almost = vec![json!("yes"); 99];
    almost.push(json!({"decision": "approved"}));
    assert!(answered(json!({}), &almost).1.is_ok());
}

#[test]
fn a_form_is_checked_field_by_field() {
    let form = json!({
        "type": "object",
        "title": "Refund",
        "properties": {
            "amount": {"type": "number", "minimum": 0, "maximum": 100, "title": "Amount"},
            "count": {"type": "integer", "default": 1},
            "reason": {"type": "string", "enum": ["damaged", "late"]},
            "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}]},
            "note": {"type": "string", "minLength": 2, "maxLength": 5, "format": "text"},
            "urgent": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 2, "uniqueItems": true}
        },
        "required": ["amount"],
        "additionalProperties": false
    });
    let with = |name: &str, value: Value| {
        let mut data = json!({"amount": 1});
        data[name] = value;
        json!({"decision": "approved", "data": data})
    };
    for (name, value) in [
        ("amount", json!(99.5)),
        ("count", json!(2.0)),
        ("reason", json!("late")),
        ("size", json!("s")),
        ("note", json!("größe")),
        ("urgent", json!(false)),
        ("tags", json!(["b", "a"])),
    ] {
        approved(json!({"form": form}), with(name, value));
    }
    for (name, value, expected) in [
        ("amount", json!(-1), "/data/amount: must be at least 0"),
        ("amount", json!(101), "/data/amount: must be at most 100"),
        (
            "amount",
            json!("1"),
            "/data/amount: must be a number, not a text",
        ),
        (
            "count",
            json!(1.5),
            "/data/count: must be a number without a fraction, not 1.5",
        ),
        (
            "count",
            json!([]),
            "/data/count: must be a number without a fraction, not a list",
        ),
        (
            "reason",
            json!("x"),
            "/data/reason: must be one of damaged, late, not \"x\"",
        ),
        (
            "size",
            json!("m"),
            "/data/size: must be one of s, not \"m\"",
        ),
        (
            "note",
            json!("é"),
            "/data/note: must have at least 2 characters",
        ),
        (
            "note",
            json!("größer"),
            "/data/note: must have at most 5 characters",
        ),
        (
            "urgent",
            json!(null),
            "/data/urgent: must be true or false, not nothing",
        ),
        ("tags", json!([]), "/data/tags: must have at least 1 items"),
        (
            "tags",
            json!(["a", "a"]),
            "/data/tags: item 1: \"a\" is there twice",
        ),
        (
            "tags",
            json!(["c"]),
            "/data/tags: item 0: must be one of a, b, not \"c\"",
        ),
        (
            "tags",
            json!([1]),
            "/data/tags: item 0: must be a text, not a number",
        ),
        (
            "a/b",
            json!(1),
            "/data/a~1b: is no field: the form has amount, count, note, reason, size, tags, urgent",
        ),
    ] {
        assert_eq!(refused(&form, with(name, value)), expected);
    }
    let missing = json!({"decision": "approved", "data": {}});
    assert_eq!(refused(&form, missing), "/data/amount: is missing");
}

#[test]
fn what_is_no_answer_is_refused() {
    let form = json!({"properties": {}});
    for (answer, expected) in [
        (json!(null), "invalid type: null"),
        (json!({}), "missing field `decision`"),
        (json!({"decision": true}), "decision"),
        (
            json!({"decision": "approved", "who": "Ada"}),
            "unknown field `who`",
        ),
        (
            json!({"decision": "approved", "by": "x".repeat(257)}),
            "/by: must have at most 256 characters",
        ),
        (
            json!({"decision": "approved", "comment": "x".repeat(10_001)}),
            "/comment: must have at most",
        ),
    ] {
        let told = refused(&form, answer.clone());
        assert!(
            told.contains(expected) || expected == "decision",
            "{answer}: {told}"
        );
    }
}

#[test]
fn a_form_that_says_more_than_is_checked_is_refused_when_the_workflow_is_created() {
    let host = Host::new::<Connector>();
    for (form, path, message) in [
        (
            json!({"properties": {"a": {"type": "string", "pattern": "x"}}}),
            "/form/properties/a",
            "unknown field `pattern`",
        ),
        (
            json!({"properties": {"a": {"type": "number", "minLength": 1}}}),
            "/form/properties/a",
            "unknown field `minLength`",
        ),
        (
            json!({"properties": {"a": {"type": "object"}}}),
            "/form/properties/a",
            "unknown variant `object`",
        ),
        (
            json!({"properties": {}, "allOf": []}),
            "/form/allOf",
            "unknown field `allOf`",
        ),
        (
            json!({"type": "array", "properties": {}}),
            "/form/type",
            "unknown variant `array`",
        ),
        (
            json!({"properties": {"a": {"type": "boolean"}}, "required": ["b"]}),
            "/form/required/0",
            "there is no field \"b\": the form has a",
        ),
        (
            json!({"properties": {"a": {"type": "string", "enum": []}}}),
            "/form/properties/a",
            "nothing to choose from",
        ),
        (
            json!({"properties": {"a": {"type": "number", "minimum": 2, "maximum": 1}}}),
            "/form/properties/a",
            "its minimum is larger",
        ),
        (
            json!({"properties": {"a": {"type": "string", "minLength": 2, "maxLength": 1}}}),
            "/form/properties/a",
            "its minLength is larger",
        ),
    ] {
        let problems = host.validate("approval", json!({"form": form}));
        let told = problems
            .iter()
            .any(|problem| problem.path.starts_with(path) && problem.message.contains(message));
        assert!(told, "{form}: {problems:?}");
    }
    let many: serde_json::Map<_, _> = (0..101)
        .map(|i| (format!("f{i}"), json!({"type": "boolean"})))
        .collect();
    let problems = host.validate("approval", json!({"form": {"properties": many}}));
    assert_eq!(problems[0].path, "/form/properties");
    // What is missing may still come with an expression, until the call; the schema tells it before.
    let failure = host
        .invoke("approval", json!({"form": {"properties": {"a": {}}}}))
        .expect_err("it has no type");
    assert_eq!(failure.code(), "invalid-config");
    assert!(
        failure.message().contains("missing field `type`"),
        "{failure}"
    );
    let drafted =
        json!({"form": {"properties": {"a": "${payload.field}"}}, "timeout": "${payload.t}"});
    assert_eq!(host.validate("approval", drafted), []);
}

#[test]
fn a_choice_that_is_misspelt_is_refused() {
    let host = Host::new::<Connector>();
    for key in ["on_timeout", "on_rejected"] {
        let problems = host.validate("approval", json!({key: "perhaps"}));
        assert_eq!(problems[0].path, format!("/{key}"));
    }
}
