//! What the README says of `signal`, held natively against the SDK's fake host.

use std::time::Duration;

use millwork_plugin_signal::Connector;
use millwork_sdk::clock::Timestamp;
use millwork_sdk::testing::Host;
use millwork_sdk::{FailureKind, Outcome, Then, Until};
use serde_json::{Value, json};

/// The fake clock's first moment: 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_secs(1_893_456_000);

fn waits_for(config: Value) -> Until {
    match Host::new::<Connector>().invoke("wait", config) {
        Ok(Outcome::Suspended(suspension)) => {
            assert_eq!(suspension.then(), &Then::CallAgain);
            suspension.until().clone()
        }
        other => panic!("it waits: {other:?}"),
    }
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_nothing() {
    let host = Host::new::<Connector>();
    host.check();
    let manifest = host.manifest();
    assert_eq!(manifest.asks, []);
    let actions: Vec<_> = manifest.actions.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(
        actions,
        ["wait", "approval"],
        "the first is what `signal` means"
    );
    for action in &manifest.actions {
        let properties = action.config_schema["properties"].as_object();
        for (name, property) in properties.expect("an object has properties") {
            assert!(property["description"].is_string(), "{name}: {property}");
        }
    }
}

#[test]
fn a_step_waits_for_the_signal_that_it_names_or_that_is_called_like_itself() {
    assert_eq!(
        waits_for(json!({"name": "paid"})),
        Until::Signal("paid".to_owned(), None)
    );
    // The step of the fake host is called so.
    assert_eq!(
        waits_for(json!({"timeout": "1h"})),
        Until::Signal("step".to_owned(), Some(Duration::from_secs(3600)))
    );
}

#[test]
fn what_the_signal_carries_is_the_output() {
    for payload in [json!({"amount": 12}), json!(null), json!([1])] {
        let host = Host::new::<Connector>();
        host.signal("paid", payload.clone());
        assert_eq!(host.run("wait", json!({"name": "paid"})), Ok(payload));
    }
}

#[test]
fn a_signal_that_does_not_come_in_time_fails_the_step() {
    let host = Host::new::<Connector>();
    let failure = host
        .run("wait", json!({"name": "paid", "timeout": "90s"}))
        .expect_err("nobody sends it");
    assert_eq!(failure.code(), "signal-timeout");
    assert_eq!(
        failure.kind(),
        FailureKind::Permanent,
        "the wait would begin anew"
    );
    assert_eq!(
        failure.message(),
        "no signal \"paid\" came within 90 seconds"
    );
    assert_eq!(host.now(), START.saturating_add(Duration::from_secs(90)));
}

#[test]
fn a_default_is_the_output_where_nothing_comes_in_time_even_where_it_is_null() {
    for default in [json!({"colour": "grey"}), json!(null), json!(false)] {
        let host = Host::new::<Connector>();
        let config = json!({"timeout": 1, "default": default});
        assert_eq!(host.run("wait", config), Ok(default));
    }
}

#[test]
fn a_default_that_is_never_used_is_refused() {
    let failure = Host::new::<Connector>()
        .invoke("wait", json!({"default": 1}))
        .expect_err("it is never used");
    assert_eq!(failure.code(), "invalid-config");
    assert!(
        failure.message().contains("/default: is never used"),
        "{failure}"
    );
}

#[test]
fn a_name_that_the_api_would_not_take_is_refused() {
    let host = Host::new::<Connector>();
    for name in [String::new(), "x".repeat(129), "a\nb".to_owned()] {
        let problems = host.validate("wait", json!({"name": name}));
        assert_eq!(problems.len(), 1, "{name:?}");
        assert_eq!(problems[0].path, "/name");
    }
    assert_eq!(host.validate("wait", json!({"name": "é".repeat(128)})), []);
    assert_eq!(host.validate("wait", json!({"name": "${payload.n}"})), []);
}

#[test]
fn a_misspelt_key_is_refused() {
    let host = Host::new::<Connector>();
    let problems = host.validate("wait", json!({"timout": 1}));
    assert_eq!(problems[0].path, "/timout");
}
