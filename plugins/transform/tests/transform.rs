//! Every rule of the README, held natively against the SDK's fake host.

use millwork_plugin_transform::Connector;
use millwork_sdk::testing::Host;
use millwork_sdk::{Failure, FailureKind};
use serde_json::{Value, json};

fn apply(config: Value) -> Result<Value, Failure> {
    Host::new::<Connector>().run("apply", config)
}

/// What a filter makes of an input.
fn result(filter: &str, input: Value) -> Value {
    let mut config = json!({ "filter": filter });
    config["input"] = input;
    apply(config).expect("the filter has one result")
}

/// The code and the message of a step that fails.
fn failure(config: Value) -> (String, String) {
    let failure = apply(config).expect_err("it fails");
    (failure.code().to_owned(), failure.message().to_owned())
}

/// What is said of a filter when a workflow is created; before the call the same is said.
fn wrong(filter: &str) -> Vec<String> {
    let host = Host::new::<Connector>();
    let config = json!({"filter": filter});
    let problems = host.validate("apply", config.clone());
    let failure = host.run("apply", config).expect_err("it does not hold");
    assert_eq!(failure.code(), "invalid-config");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_nothing() {
    let host = Host::new::<Connector>();
    host.check();
    let manifest = host.manifest();
    assert_eq!(manifest.asks, []);
    assert!(manifest.actions[0].traits.is_read_only());
    let schema = &manifest.actions[0].config_schema;
    assert_eq!(schema["required"], json!(["filter"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["vars"]["type"], json!("object"));
}

#[test]
fn a_filter_makes_a_value_out_of_its_input() {
    for (filter, input, expected) in [
        (".", json!({"b": 1, "a": 2}), json!({"b": 1, "a": 2})),
        (".a.b[1]", json!({"a": {"b": [1, 2]}}), json!(2)),
        (
            "map(.price * .count) | add",
            json!([{"price": 4, "count": 2}, {"price": 1.5, "count": 1}]),
            json!(9.5),
        ),
        (
            "[.[] | select(.on) | .id]",
            json!([{"id": 1, "on": true}, {"id": 2, "on": false}]),
            json!([1]),
        ),
        (
            "group_by(.k) | map({(.[0].k): length}) | add",
            json!([{"k": "x"}, {"k": "y"}, {"k": "x"}]),
            json!({"x": 2, "y": 1}),
        ),
        (
            "to_entries | map(.key)",
            json!({"z": 1, "a": 2}),
            json!(["z", "a"]),
        ),
        (
            r#""\(.n) of \(.of)""#,
            json!({"n": 1, "of": 2}),
            json!("1 of 2"),
        ),
        (
            r#"capture("(?<y>\\d+)-(?<m>\\d+)")"#,
            json!("2030-01"),
            json!({"y": "2030", "m": "01"}),
        ),
        ("@base64 | @base64d", json!("é"), json!("é")),
        (
            "todate",
            json!(1_893_456_000),
            json!("2030-01-01T00:00:00Z"),
        ),
        (
            "todate",
            json!(4_102_444_800_u64),
            json!("2100-01-01T00:00:00Z"),
        ),
        (
            "fromdate",
            json!("2100-01-01T00:00:00Z"),
            json!(4_102_444_800_u64),
        ),
        (
            ".",
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_993_u64),
        ),
        (
            ". * 1000",
            json!(1_893_456_000),
            json!(1_893_456_000_000_u64),
        ),
        (
            "2147483647 * 2147483647 + 1",
            json!(null),
            json!(4_611_686_014_132_420_610_u64),
        ),
        ("4 / 2", json!(null), json!(2)),
        ("env", json!(null), json!({})),
        ("now", json!(null), json!(1_893_456_000)),
        ("nan", json!(null), json!(null)),
        ("try error({code: 7}) catch .code", json!(null), json!(7)),
        (".missing // \"nobody\"", json!({}), json!("nobody")),
    ] {
        assert_eq!(result(filter, input), expected, "{filter}");
    }
}

#[test]
fn without_an_input_the_filter_is_applied_to_null() {
    assert_eq!(apply(json!({"filter": "."})), Ok(json!(null)));
}

#[test]
fn variables_come_by_name_and_in_any_order() {
    let config = json!({
        "filter": "{sum: ($a + $b_2), input: ., a: $a}",
        "vars": {"b_2": 2, "a": 40},
        "input": "x",
    });
    assert_eq!(apply(config), Ok(json!({"sum": 42, "input": "x", "a": 40})));
}

#[test]
fn one_result_is_wanted_unless_the_step_says_otherwise() {
    let with = |filter: &str, results: &str| {
        apply(json!({"filter": filter, "results": results, "input": [1, 2]}))
    };
    assert_eq!(with(".[]", "all"), Ok(json!([1, 2])));
    assert_eq!(with("empty", "all"), Ok(json!([])));
    assert_eq!(with(".[]", "first"), Ok(json!(1)));
    assert_eq!(with("empty", "first"), Ok(json!(null)));
    assert_eq!(with(".[0]", "one"), Ok(json!(1)));
    // What comes after the first is not even asked for.
    assert_eq!(with("1, error(\"never\")", "first"), Ok(json!(1)));

    let (code, message) = failure(json!({"filter": ".[]", "input": [1, 2]}));
    assert_eq!(code, "many-results");
    assert!(message.contains("put it into [ … ]"), "{message}");
    let (code, message) = failure(json!({"filter": "empty"}));
    assert_eq!(code, "no-result");
    assert!(message.contains("// null"), "{message}");
}

#[test]
fn results_are_counted_and_one_filter_too_many_is_stopped() {
    let all = |filter: &str| apply(json!({"filter": filter, "results": "all"}));
    let most = all("range(100000)").expect("as many as there may be");
    assert_eq!(most.as_array().map(Vec::len), Some(100_000));
    let failure = all("repeat(1)").expect_err("it does not end");
    assert_eq!(failure.code(), "too-many-results");
    assert_eq!(
        failure.message(),
        "the filter gives more than 100000 results"
    );
}

#[test]
fn what_is_wrong_with_a_filter_is_told_by_line_and_column() {
    for (filter, expected) in [
        (
            "map(.a",
            "/filter: line 1, column 7: closing parenthesis is wanted, not the end of the filter",
        ),
        (
            ".a |",
            "/filter: line 1, column 5: a value or a function is wanted, not the end of the filter",
        ),
        (
            ".a\n| .b ]",
            "/filter: line 2, column 6: token is wanted, not \"]\"",
        ),
        (
            "mapp(.a)",
            "/filter: line 1, column 1: there is no function mapp/1: did you mean map/1?",
        ),
        (
            ".[] |\n  lenght",
            "/filter: line 2, column 3: there is no function lenght/0: did you mean length/0?",
        ),
        (
            ". * $rate",
            "/filter: line 1, column 5: there is no variable $rate: add it to \"vars\"",
        ),
        (
            "include \"a\"; .",
            "/filter: line 1, column 10: a filter cannot use modules: write what it needs into it",
        ),
        (
            "break $x",
            "/filter: line 1, column 7: there is no `label $x` around it",
        ),
        (
            "",
            "/filter: line 1, column 1: a value or a function is wanted, not the end of the filter",
        ),
    ] {
        let problems = if filter.contains("$rate") {
            // In a draft an expression may still bring it.
            let host = Host::new::<Connector>();
            assert_eq!(host.validate("apply", json!({"filter": filter})), []);
            let failure = host.run("apply", json!({"filter": filter}));
            vec![
                failure
                    .expect_err("it is not there")
                    .message()
                    .replace("the configuration does not hold: ", ""),
            ]
        } else {
            wrong(filter)
        };
        assert_eq!(problems, [expected], "{filter}");
    }
}

#[test]
fn a_variable_that_is_misspelt_is_told_with_those_that_are_there() {
    let (code, message) = failure(json!({"filter": "$a + $c", "vars": {"a": 1, "b": 2}}));
    assert_eq!(code, "invalid-config");
    assert!(
        message.ends_with("there is no variable $c: \"vars\" has $a, $b"),
        "{message}"
    );
}

#[test]
fn a_variable_has_a_name_that_a_filter_can_say() {
    let host = Host::new::<Connector>();
    let problems = host.validate("apply", json!({"filter": ".", "vars": {"a-b": 1}}));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "/vars");
    assert!(problems[0].message.starts_with("\"a-b\" is no name"));
}

#[test]
fn an_expression_is_not_judged_before_it_has_a_value() {
    let host = Host::new::<Connector>();
    for config in [
        json!({"filter": "${payload.filter}"}),
        json!({"filter": ".a", "input": "${fetch}"}),
        json!({"filter": "$rate", "vars": {"rate": "${payload.rate}"}}),
        json!({"filter": "$rate", "vars": "${payload}"}),
        json!({"filter": "$rate"}),
    ] {
        assert_eq!(host.validate("apply", config.clone()), [], "{config}");
    }
}

#[test]
fn an_error_of_a_filter_fails_the_step_for_good() {
    let (code, message) = failure(json!({"filter": ".a.b", "input": {"a": 1}}));
    assert_eq!(code, "filter-failed");
    assert_eq!(message, "the filter failed: cannot index 1 with \"b\"");

    let raised =
        apply(json!({"filter": "error({sku: .id})", "input": {"id": "x"}})).expect_err("it raises");
    assert_eq!(raised.kind(), FailureKind::Permanent);
    assert_eq!(raised.message(), "the filter failed: {\"sku\":\"x\"}");
    assert_eq!(raised.details(), Some(&json!({"error": {"sku": "x"}})));

    let (code, message) = failure(json!({"filter": "halt"}));
    assert_eq!(code, "filter-failed");
    assert!(message.contains("`halt` ends jq as a program"), "{message}");
    let (_, message) = failure(json!({"filter": "error(\"x\" * 100000)"}));
    assert!(message.len() < 1_100, "{} bytes", message.len());
}

#[test]
fn a_result_that_is_no_json_is_told() {
    let (code, message) = failure(json!({"filter": "{(1): 2}"}));
    assert_eq!(code, "no-json");
    assert!(message.contains("write (1 | tostring)"), "{message}");
    let deep = "reduce range(200) as $i (null; [.])";
    let (code, message) = failure(json!({"filter": deep}));
    assert_eq!(code, "no-json");
    assert!(message.contains("more than 128 deep"), "{message}");
}

#[test]
fn debug_writes_into_the_log_of_the_run() {
    let host = Host::new::<Connector>();
    let config = json!({"filter": "debug | .a | debug(\"now \\(.)\") | stderr", "input": {"a": 1}});
    assert_eq!(host.run("apply", config), Ok(json!(1)));
    let said: Vec<_> = host.log().into_iter().map(|line| line.message).collect();
    assert_eq!(said, ["{\"a\":1}", "\"now 1\"", "1"]);
}

#[test]
fn a_misspelt_key_is_refused() {
    let host = Host::new::<Connector>();
    let problems = host.validate("apply", json!({"fliter": ".", "filter": "."}));
    assert_eq!(problems[0].path, "/fliter");
    let problems = host.validate("apply", json!({"filter": ".", "results": "some"}));
    assert_eq!(problems[0].path, "/results");
}
