//! Checks a configuration against the JSON Schema of an action, and says what is wrong in a person's words.

mod pruned;
mod reach;
mod words;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

pub(crate) use self::pruned::Pruned;
use self::reach::Reach;
use self::words::{describe, unknown};
use crate::FieldError;

/// Nobody can fix more at once.
const ERRORS_MAX: usize = 50;
/// How much a pattern may take when it is compiled.
const PATTERN_MAX_BYTES: usize = 1 << 20;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Checker {
    schema: Value,
    validator: Validator,
    reach: Reach,
}

/// A JSON Schema that values are judged by. It may not refer to anything outside itself.
#[derive(Debug)]
pub struct Schema(Checker);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(schema: Value) -> Result<Self, String> {
        Checker::new(schema).map(Self)
    }

    /// What is wrong with a value; nothing where it holds.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<FieldError> {
        self.0.check(value, Values::Final)
    }
}

/// Which values are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// All of them: the expressions have been evaluated.
    Final,
    /// Those that hold no expression; what the others will be, nobody knows yet.
    WithExpressions,
}

impl Checker {
    /// Compiles a schema. It may not refer to anything outside itself.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        let reach = Reach::of(&schema).map_err(|error| error.to_string())?;
        let validator = jsonschema::options()
            // Only patterns that are matched in linear time: a plugin chooses the pattern, a user the text.
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(PATTERN_MAX_BYTES)
                    .dfa_size_limit(PATTERN_MAX_BYTES),
            )
            .offline()
            .build(&schema)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            reach,
            schema,
            validator,
        })
    }

    pub(crate) fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is wrong with a configuration; nothing where it holds.
    pub(crate) fn check(&self, config: &Value, values: Values) -> Vec<FieldError> {
        // The quick answer first: nearly every configuration holds.
        if self.validator.is_valid(config) {
            return Vec::new();
        }
        if !self.reach.covers(config) {
            // Without a place no value can be told from an expression: what is evaluated later is judged later.
            let told = values == Values::Final || !holds_expression(config);
            let message =
                "this does not fit the schema, which is too involved to say where".to_owned();
            return if told {
                vec![FieldError {
                    path: String::new(),
                    message,
                }]
            } else {
                Vec::new()
            };
        }
        let judged = |error: &ValidationError<'_>| match values {
            Values::Final => true,
            Values::WithExpressions => {
                names_are_at_fault(error.kind()) || !holds_expression(error.instance())
            }
        };
        self.validator
            .iter_errors(config)
            .filter(judged)
            .take(ERRORS_MAX)
            .flat_map(|error| self.explain(&error))
            .collect()
    }

    fn explain(&self, error: &ValidationError<'_>) -> Vec<FieldError> {
        let path = error.instance_path().as_str();
        match error.kind() {
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                vec![FieldError {
                    path: below(path, name),
                    message: format!("{name:?} is missing"),
                }]
            }
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => {
                let known = self.known_names(error);
                unexpected
                    .iter()
                    .map(|name| FieldError {
                        path: below(path, name),
                        message: unknown(name, &known),
                    })
                    .collect()
            }
            kind => vec![FieldError {
                path: path.to_owned(),
                message: describe(kind, error),
            }],
        }
    }

    /// The properties that the schema knows where an error of `additionalProperties` stands.
    fn known_names(&self, error: &ValidationError<'_>) -> Vec<&str> {
        let location = error.schema_path().as_str();
        let parent = location.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self
            .schema
            .pointer(parent)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object);
        properties
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

/// Whether a value, or a value inside it, holds an expression.
pub(crate) fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(fields) => fields.values().any(holds_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether an error is about which names an object has: those stand before anything is evaluated.
fn names_are_at_fault(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
    )
}

/// A JSON Pointer one name further down.
pub(crate) fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close_enough = 0.75;
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > close_enough)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
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
}
