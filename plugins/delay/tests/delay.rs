//! Every rule of the README, held natively against the SDK's fake host.

use std::time::Duration;

use millwork_plugin_delay::Connector;
use millwork_sdk::clock::Timestamp;
use millwork_sdk::testing::Host;
use millwork_sdk::{Outcome, Suspension, Then, Until};
use serde_json::{Value, json};

/// The fake clock's first moment: 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_secs(1_893_456_000);

fn suspension(config: Value) -> Suspension<Value> {
    match Host::new::<Connector>().invoke("wait", config) {
        Ok(Outcome::Suspended(suspension)) => suspension,
        other => panic!("a delay suspends: {other:?}"),
    }
}

/// What is wrong with a configuration; when a workflow is created, and before the call.
fn wrong(config: Value) -> Vec<String> {
    let host = Host::new::<Connector>();
    let problems: Vec<_> = host
        .validate("wait", config.clone())
        .iter()
        .map(ToString::to_string)
        .collect();
    let failure = host.invoke("wait", config).expect_err("it does not hold");
    assert_eq!(failure.code(), "invalid-config");
    problems
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_nothing() {
    let host = Host::new::<Connector>();
    host.check();
    assert_eq!(host.manifest().asks, []);
    assert_eq!(host.manifest().actions[0].title, "Delay");
}

#[test]
fn a_duration_is_waited_for_and_shown_as_it_is_written() {
    for (written, millis, shown) in [
        (json!(0), 0, json!(0)),
        (json!(1), 1_000, json!(1)),
        (json!(1.5), 1_500, json!(1.5)),
        (json!("90s"), 90_000, json!(90)),
        (json!("1h30m"), 5_400_000, json!(5400)),
        (json!("1.5h"), 5_400_000, json!(5400)),
        (json!("250ms"), 250, json!(0.25)),
    ] {
        let suspension = suspension(json!({"duration": written}));
        assert_eq!(
            suspension.until(),
            &Until::After(Duration::from_millis(millis))
        );
        let message = format!("Delayed for {shown} seconds");
        assert_eq!(
            suspension.then(),
            &Then::Complete(json!({"type": "delay", "duration": shown, "message": message}))
        );
        assert!(suspension.kept().is_empty());
    }
}

#[test]
fn a_point_in_time_is_waited_for_and_shown_as_the_seconds_until_then() {
    let suspension = suspension(json!({"until": "2030-01-01T03:00:00.5+01:00"}));
    let span = Duration::from_millis(2 * 60 * 60 * 1000 + 500);
    assert_eq!(suspension.until(), &Until::At(START.saturating_add(span)));
    assert_eq!(
        suspension.then(),
        &Then::Complete(
            json!({"type": "delay", "duration": 7200.5, "message": "Delayed for 7200.5 seconds"})
        )
    );
}

#[test]
fn a_point_in_time_that_has_passed_is_due_at_once() {
    for past in ["2029-12-31T23:59:59Z", "1969-07-20T20:17:40Z"] {
        let host = Host::new::<Connector>();
        let output = host.run("wait", json!({"until": past}));
        assert_eq!(
            output,
            Ok(json!({"type": "delay", "duration": 0, "message": "Delayed for 0 seconds"}))
        );
        assert_eq!(host.now(), START);
    }
}

#[test]
fn a_step_takes_as_long_as_it_says() {
    let host = Host::new::<Connector>();
    host.run("wait", json!({"duration": "2h"}))
        .expect("it waits");
    assert_eq!(host.now(), START.saturating_add(Duration::from_secs(7200)));
}

#[test]
fn one_of_duration_and_until_is_needed_and_no_more() {
    let both = json!({"duration": 1, "until": "2030-01-01T00:00:00Z"});
    assert_eq!(
        wrong(both),
        ["give `duration` or `until`, one of the two and not both"]
    );
    // When a workflow is created, an expression may still bring one of them.
    assert_eq!(wrong(json!({})), [] as [&str; 0]);
    let failure = Host::new::<Connector>()
        .invoke("wait", json!({}))
        .expect_err("there is neither");
    assert_eq!(
        failure.message(),
        "the configuration does not hold: give `duration` or `until`, one of the two and there is neither"
    );
}

#[test]
fn what_is_no_span_of_time_is_refused_with_the_rule() {
    assert_eq!(
        wrong(json!({"duration": -1})),
        ["/duration: must not be negative"]
    );
    assert_eq!(
        wrong(json!({"duration": "soon"})),
        ["/duration: must be seconds as a number, or text such as \"500ms\", \"20s\" or \"1h30m\""]
    );
    assert_eq!(
        wrong(json!({"duration": 1e12})),
        ["/duration: must not be longer than ten years (316224000 seconds)"]
    );
    assert_eq!(
        wrong(json!({"until": "tomorrow"})),
        [
            "/until: \"tomorrow\" is not an RFC 3339 time with an offset, such as \"2030-01-31T09:00:00Z\""
        ]
    );
    assert_eq!(wrong(json!({"until": "2030-01-31T09:00:00"})).len(), 1);
    assert_eq!(
        wrong(json!({"durations": 1, "duration": 1})),
        ["/durations: unknown field `durations`, expected `duration` or `until`"]
    );
}

#[test]
fn a_point_in_time_past_ten_years_is_refused_like_a_duration() {
    let config = json!({"until": "2100-01-01T00:00:00Z"});
    let failure = Host::new::<Connector>()
        .invoke("wait", config)
        .expect_err("it is too far");
    assert_eq!(failure.code(), "too-long");
    assert_eq!(
        failure.message(),
        "the wait until 2100-01-01T00:00:00Z is longer than ten years (316224000 seconds)"
    );
}

#[test]
fn an_expression_is_not_judged_before_it_has_a_value() {
    let host = Host::new::<Connector>();
    assert_eq!(
        host.validate("wait", json!({"duration": "${payload.seconds}"})),
        []
    );
    assert_eq!(
        host.validate("wait", json!({"until": "${payload.time}"})),
        []
    );
}

#[test]
fn the_schema_says_that_it_is_one_of_the_two() {
    let manifest = Host::new::<Connector>().manifest();
    let schema = &manifest.actions[0].config_schema;
    assert_eq!(
        schema["oneOf"],
        json!([{"required": ["duration"]}, {"required": ["until"]}])
    );
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["duration"]["minimum"], json!(0));
    assert_eq!(schema["properties"]["until"]["format"], json!("date-time"));
}
