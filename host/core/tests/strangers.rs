//! Text from strangers: definitions, expressions, payloads. Whatever they hold, the answer is a value or an error, soon,
//! and never a panic or the end of a stack.

#[path = "support/plugins.rs"]
mod plugins;

use std::borrow::Cow;
use std::sync::Arc;

use millwork_core::definition::Problems;
use millwork_core::expression::{Expression, Found, Scope};
use millwork_core::graph::{Graph, check};
use millwork_core::json::{DEPTH_MAX, Json};
use millwork_core::pointer::Pointer;
use millwork_core::template::{Template, Vocabulary};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use plugins::Plugins;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_may_be_sent_as_a_definition(document in any_json()) {
        judge(&document)?;
    }

    #[test]
    fn any_part_of_a_definition_may_be_anything(changes in prop::collection::vec((any::<Index>(), any_json()), 1..4)) {
        let mut document = good_definition();
        for (place, value) in changes {
            let places = places_of(&document);
            if let Some(part) = document.pointer_mut(&places[place.index(places.len())]) {
                *part = value;
            }
        }
        judge(&document)?;
    }

    #[test]
    fn any_text_may_be_sent_as_an_expression(source in any_expression()) {
        if let Ok(expression) = Expression::compile(&source) {
            let _ = expression.holds(&Anything);
            if let Ok(value) = expression.evaluate(&Anything) {
                prop_assert!(Json::from_text(value.to_string()).is_ok(), "{source} gives what cannot be kept: {value}");
            }
        }
    }

    #[test]
    fn any_json_may_be_sent_as_a_configuration(document in any_json()) {
        let mut problems = Problems::default();
        let template = Template::compile(&document, &Pointer::Root("/config"), &Anything, &mut problems);
        prop_assert_eq!(template.is_some(), problems.is_empty());
        if let Some(Ok(json)) = template.map(|template| template.render(&Anything)) {
            prop_assert_eq!(Json::from_text(json.text()), Ok(json));
        }
    }

    #[test]
    fn any_json_text_can_be_read(text in any_json_text()) {
        if let Ok(json) = Json::from_text(text.clone()) {
            let plain = serde_json::from_str::<Value>(&text);
            prop_assert!(plain.as_ref().is_ok_and(|plain| plain == json.value()) || plain.is_err());
            prop_assert_eq!(json.value().is_null(), text.trim() == "null" || is_huge_number(text.trim()));
        }
    }
}

#[test]
fn nothing_nests_so_deep_that_the_stack_ends() {
    let nested = |depth: usize, open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    for depth in [60, 100, 200, 333, 499, 900, 5_000] {
        for source in [
            nested(depth, "(", "1", ")"),
            nested(depth, "[", "1", "]"),
            nested(depth, "{'a': ", "1", "}"),
            nested(depth, "payload[", "0", "]"),
            nested(depth, "range(", "1", ")"),
            nested(depth, "1 if ", "1", " else 1"),
            nested(depth, "1 if 1 else ", "1", ""),
            nested(depth, "payload | default(", "1", ")"),
            nested(depth, "not ", "1", ""),
            nested(depth, "- ", "1", ""),
            nested(depth, "1 ** ", "1", ""),
            nested(depth, "1 ~ ", "1", ""),
            nested(depth, "", "payload", ".a"),
            nested(depth, "", "payload", "[0]"),
            nested(depth, "", "payload", "()"),
            nested(depth, "", "payload", " | list"),
            nested(depth, "", "payload", " is none"),
            nested(depth, "", "1", " < 1"),
            nested(depth, "", "1", " and 1"),
        ] {
            if let Ok(expression) = Expression::compile(&source) {
                let _ = (expression.evaluate(&Anything), expression.holds(&Anything));
            }
        }
        let mut value = json!(1);
        for _ in 0..depth.min(120) {
            value = json!([value]);
        }
        judge(&json!({"name": "deep", "steps": [{"name": "a", "type": "webhook", "config": {"x": value}}]})).expect("it is judged");
        let text = nested(depth, "[", "1", "]");
        assert_eq!(Json::from_text(text).is_ok(), depth <= DEPTH_MAX);
    }
}

/// A definition is found good or bad, and what was found good can be loaded for ever.
fn judge(document: &Value) -> Result<(), TestCaseError> {
    let env = Arc::new(json!({}));
    let checked = check(document, &Plugins::new(), &env);
    prop_assert_eq!(checked.graph.is_some(), checked.problems.is_empty());
    prop_assert_eq!(
        checked.graph.is_some(),
        Graph::load(document, &env).is_ok() && checked.problems.is_empty()
    );
    for problem in &checked.problems {
        prop_assert!(
            problem.path.is_empty() || problem.path.starts_with('/'),
            "{problem:?}"
        );
        prop_assert!(
            !problem.message.is_empty() && problem.message.len() < 5_000,
            "{problem:?}"
        );
    }
    Ok(())
}

fn good_definition() -> Value {
    json!({
        "name": "good", "id": "mine", "description": "text",
        "steps": [
            {"name": "first", "type": "webhook", "config": {"url": "https://shop.example/${payload.id}", "list": [1, "${payload}"]}},
            {"name": "second-one", "type": "delay@1", "needs": ["first"], "if": "${first.x > 1}", "timeout": "20s",
             "delivery": "at-most-once", "config": {"x": "${first}"},
             "retry": {"max_attempts": 3, "initial": "1s", "factor": 2, "max": "1m", "jitter": "none"}},
            {"name": "third", "type": "signal", "needs": ["first", "second-one"], "config": {"x": "${second-one}"}},
        ],
    })
}

/// Every place of a document, as JSON Pointers.
fn places_of(document: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let below: Vec<(String, &Value)> = match document {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.replace('~', "~0").replace('/', "~1"), member))
            .collect(),
        _ => Vec::new(),
    };
    for (part, value) in below {
        places.extend(
            places_of(value)
                .into_iter()
                .map(|place| format!("/{part}{place}")),
        );
    }
    places
}

/// Words that a definition is made of, so that what is drawn comes near to one.
fn any_word() -> impl Strategy<Value = String> {
    let known = vec![
        "name",
        "steps",
        "type",
        "config",
        "needs",
        "if",
        "retry",
        "timeout",
        "delivery",
        "webhook",
        "delay@1",
        "first",
        "second-one",
        "payload",
        "${payload.id}",
        "${",
        "}",
        "$${",
        "${first}",
        "${first.x + 1}",
        "a/b~c",
        "",
        " ",
        "1h",
        "-1s",
        "at-most-once",
        "max_attempts",
        "\u{0}",
        "é",
        "${ {\"a\": '}'} }",
        "${range(3) | list}",
        "${payload | tojson}",
    ];
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (-2..3_i32).prop_map(Value::from),
        4 => any_word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any_word(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// JSON as others write it: spaces, escapes, numbers of any size, halves of surrogate pairs; and what is nearly JSON.
fn any_json_text() -> impl Strategy<Value = String> {
    let text = select(vec![
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\ude00""#,
        r#""\\ud800""#,
        r#""\n\"""#,
        r#""é""#,
        r#""1e999""#,
    ]);
    let number = select(vec![
        "0",
        "-0.0",
        "1e999",
        "-1E+400",
        "12345678901234567890123",
        "1.7976931348623159e308",
        "4e-324",
        "1e-999",
    ]);
    let leaf = prop_oneof![
        4 => text.prop_map(str::to_owned),
        4 => number.prop_map(str::to_owned),
        2 => select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let member = (
            select(vec![r#""a""#, r#""\ud800""#, r#""b""#]),
            inner.clone(),
        )
            .prop_map(|(name, value)| format!("{name} :{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[ {} ]", items.join(","))),
            prop::collection::vec(member, 0..4)
                .prop_map(|members| format!("{{{}\n}}", members.join(", "))),
        ]
    })
}

fn is_huge_number(text: &str) -> bool {
    serde_json::from_str::<Box<serde_json::value::RawValue>>(text).is_ok()
        && serde_json::from_str::<Value>(text).is_err()
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn any_expression() -> impl Strategy<Value = String> {
    let word = select(vec![
        "payload",
        "first",
        "range",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        ".",
        ",",
        ":",
        "|",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "~",
        "==",
        "<",
        " and ",
        " or ",
        " not ",
        " in ",
        " is ",
        " if ",
        " else ",
        "1",
        "0",
        "-1",
        "2.5",
        "99999999999999999999",
        "none",
        "true",
        "'a'",
        "list",
        "map",
        "join",
        "length",
        "default",
        "tojson",
        "batch",
        "slice",
        "sort",
        "attribute=",
        "items",
        "format",
        "x",
        "replace",
        "round",
        "sum",
        "split",
        "'%d'",
        "\\",
        "${",
        "é",
    ]);
    prop_oneof![
        8 => prop::collection::vec(word, 0..20).prop_map(|words| words.concat()),
        1 => any::<String>(),
    ]
}

/// A scope in which every name is an order, and some are steps.
struct Anything;

impl Scope for Anything {
    fn find(&self, _: &str) -> Option<Found<'_>> {
        Some(Found::Value(Cow::Owned(
            json!({"x": 3, "items": [1, 2.5, "a", null, {"sku": "b"}], "text": "some text", "deep": [[[]]]}),
        )))
    }
}

impl Vocabulary for Anything {
    fn is_step(&self, text: &str) -> bool {
        text.starts_with("first")
    }

    fn allows(&self, name: &str) -> bool {
        name != "nobody"
    }

    fn explain(&self, name: &str) -> String {
        format!("there is no {name}")
    }
}
