//! What people are told of their configurations.

use serde_json::json;

use super::*;

fn checker() -> Checker {
    Checker::new(json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "pattern": "^https?://"},
            "count": {"type": "integer", "minimum": 0},
            "method": {"enum": ["GET", "POST"]},
            "wait": {"anyOf": [{"type": "number"}, {"type": "string", "minLength": 2}]},
            "nested": {"$ref": "#/$defs/nested"}
        },
        "required": ["url"],
        "additionalProperties": false,
        "$defs": {"nested": {"type": "object", "properties": {"inner": {"type": "boolean"}}, "additionalProperties": false}}
    }))
    .expect("it is a schema")
}

fn check(config: &Value) -> Vec<(String, String)> {
    checker()
        .check(config, Values::WithExpressions)
        .into_iter()
        .map(|e| (e.path, e.message))
        .collect()
}

fn one(path: &str, message: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), message.to_owned())]
}

#[test]
fn errors_say_where_and_what_would_be_right() {
    assert_eq!(check(&json!({"url": "http://a"})), []);
    assert_eq!(check(&json!({})), one("/url", "\"url\" is missing"));
    assert_eq!(
        check(&json!({"url": "http://a", "cuont": 1})),
        one(
            "/cuont",
            "unknown property \"cuont\": did you mean \"count\"?"
        )
    );
    assert_eq!(
        check(&json!({"url": "http://a", "nested": {"iner": true}})),
        one(
            "/nested/iner",
            "unknown property \"iner\": did you mean \"inner\"?"
        )
    );
    assert_eq!(
        check(&json!({"url": "http://a", "count": -1})),
        one("/count", "this is less than 0")
    );
    assert_eq!(
        check(&json!({"url": "http://a", "count": "1"})),
        one("/count", "this is a string; an integer is wanted")
    );
    assert_eq!(
        check(&json!({"url": "http://a", "method": "PUT"})),
        one("/method", "this is none of [\"GET\",\"POST\"]")
    );
    assert_eq!(
        check(&json!({"url": "ftp://a"})),
        one("/url", "this does not match ^https?://")
    );
    assert_eq!(
        check(&json!({"url": "http://a", "wait": "x"})),
        one(
            "/wait",
            "this fits none of the alternatives: a number; this is shorter than 2 characters"
        )
    );
    assert_eq!(
        check(&json!("text")),
        one("", "this is a string; an object is wanted")
    );
}

#[test]
fn values_that_hold_an_expression_are_not_judged_but_names_are() {
    assert_eq!(
        check(&json!({"url": "${payload.url}", "count": "${payload.n}", "wait": "${x}"})),
        []
    );
    assert_eq!(
        check(&json!({"count": "${payload.n}"})),
        one("/url", "\"url\" is missing")
    );
    assert_eq!(
        check(&json!({"url": "${u}", "cuont": "${payload.n}"})),
        one(
            "/cuont",
            "unknown property \"cuont\": did you mean \"count\"?"
        )
    );
    assert_eq!(
        checker()
            .check(&json!({"url": "http://a", "count": "${n}"}), Values::Final)
            .len(),
        1
    );
}

#[test]
fn a_schema_that_is_none_is_refused() {
    assert!(Checker::new(json!({"type": "strnig"})).is_err());
    assert!(Checker::new(json!({"$ref": "https://elsewhere.example/schema"})).is_err());
    assert!(Checker::new(json!({"$ref": "#/nowhere"})).is_err());
    for odd in [
        r#"{"multipleOf":0}"#,
        r#"{"minLength":-1}"#,
        r#"{"maxItems":1e400}"#,
        r#"{"properties":5}"#,
        r#"{"required":[1]}"#,
        "5",
    ] {
        // A number beyond the range of a double is read as null.
        let schema = serde_json::from_str(odd).unwrap_or_default();
        assert!(Checker::new(schema).is_err(), "{odd}");
    }
    let tiny = Checker::new(json!({"multipleOf": 1e-308})).expect("it is a schema");
    tiny.check(&json!(1e308), Values::Final);
    assert!(Checker::new(json!({"$ref": "#"})).is_err());
    assert!(Checker::new(json!({"pattern": "(?=lookahead)"})).is_err());
    assert!(Checker::new(json!({"pattern": "((a{1000}){1000}){1000}"})).is_err());
}

#[test]
fn a_schema_cannot_make_the_check_endless() {
    // Every definition leads to the next one twice: 2^40 places.
    let mut definitions = serde_json::Map::new();
    for i in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        definitions.insert(format!("d{i}"), json!({"allOf": [next, next]}));
    }
    definitions.insert("d40".to_owned(), json!({"type": "string"}));
    let refusal = Checker::new(json!({"$ref": "#/$defs/d0", "$defs": definitions}))
        .expect_err("it is too involved");
    assert!(refusal.contains("50000 places"), "{refusal}");

    // Every level of a value is judged in two ways: 2^60 for whoever forgets what it has seen.
    let part = json!({"$ref": "#/$defs/t"});
    for both in ["allOf", "anyOf", "oneOf"] {
        let definition = json!({"type": "object", "properties": {"a": {(both): [part, part]}, "b": {"type": "string"}}});
        let checker = Checker::new(json!({"$ref": "#/$defs/t", "$defs": {"t": definition}}))
            .expect("it is a schema");
        let deep = |innermost: Value| (0..60).fold(innermost, |inner, _| json!({"a": inner}));
        checker.check(&deep(json!({})), Values::Final);
        let errors = checker.check(&deep(json!({"b": 1})), Values::Final);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            checker
                .check(
                    &deep(json!({"b": "${x}", "a": "${y}"})),
                    Values::WithExpressions
                )
                .is_empty()
        );
    }
}

#[test]
fn what_holds_an_expression_is_taken_out_and_errors_about_it_are_not_told() {
    let pruned = Pruned::new(
        &json!({"a": "${x}", "b": {"c": "${y}", "d": 1}, "e": ["${z}", 1], "f": [{"g": "${w}"}, 2], "h": "plain"}),
    );
    assert_eq!(
        pruned.config,
        json!({"b": {"d": 1}, "f": [{}, 2], "h": "plain"})
    );
    let judged = |path: &str| {
        pruned.judged(&FieldError {
            path: path.to_owned(),
            message: String::new(),
        })
    };
    for path in [
        "",
        "/a",
        "/b",
        "/b/c",
        "/e",
        "/e/0",
        "/f/0",
        "/f/0/g/deeper",
    ] {
        assert!(!judged(path), "{path}");
    }
    for path in ["/b/d", "/f/1", "/h", "/ab", "/missing"] {
        assert!(judged(path), "{path}");
    }
}
