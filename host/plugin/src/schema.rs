//! Checks a configuration against the JSON Schema of an action, and says what is wrong in a person's words.

mod reach;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use self::reach::Reach;
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

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown property {name:?}: did you mean {near:?}?"),
        None if known.is_empty() => format!("unknown property {name:?}"),
        None => format!("unknown property {name:?}: there are {}", known.join(", ")),
    }
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

fn describe(kind: &Kind, error: &ValidationError<'_>) -> String {
    match kind {
        Kind::Type { kind } => format!(
            "this is {}; {} is wanted",
            name_of(error.instance()),
            wanted(kind)
        ),
        Kind::Enum { options } => format!("this is none of {options}"),
        Kind::Minimum { limit } => format!("this is less than {limit}"),
        Kind::Maximum { limit } => format!("this is more than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("this is not more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("this is not less than {limit}"),
        Kind::MinLength { limit } => format!("this is shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("this is longer than {limit} characters"),
        Kind::MinItems { limit } => format!("this has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("this has more than {limit} items"),
        Kind::Pattern { pattern } => format!("this does not match {pattern}"),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context),
        Kind::OneOfMultipleValid { .. } => {
            "this fits several of the alternatives, of which only one may be chosen".to_owned()
        }
        // The value may be long, or somebody's secret: it is not repeated.
        _ => error.masked_with("this").to_string(),
    }
}

/// What each alternative would want, where none fits.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut wants: Vec<String> = Vec::new();
    for errors in context {
        let Some(error) = errors.first() else {
            continue;
        };
        let want = match error.kind() {
            Kind::Type { kind } => wanted(kind),
            Kind::Required { property } => format!("something with {property}"),
            kind => describe(kind, error),
        };
        if !wants.contains(&want) {
            wants.push(want);
        }
    }
    if wants.is_empty() {
        "this fits none of the alternatives".to_owned()
    } else {
        format!("this fits none of the alternatives: {}", wants.join("; "))
    }
}

fn wanted(kind: &TypeKind) -> String {
    let article = |name: String| match name.as_str() {
        "null" => name,
        "array" | "integer" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(one) => article(one.to_string()),
        TypeKind::Multiple(many) => many
            .iter()
            .map(|one| article(one.to_string()))
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Takes out what holds an expression, for a plugin's own `validate`, and remembers where.
///
/// An array that holds one itself goes whole: the others would get new positions.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    pub(crate) config: Value,
    removed: Vec<String>,
}

impl Pruned {
    pub(crate) fn new(config: &Value) -> Self {
        let mut removed = Vec::new();
        let config = prune(config, "", &mut removed).unwrap_or_default();
        Self { config, removed }
    }

    /// Whether an error may be told: not where it complains of what was taken out, or of what holds it.
    pub(crate) fn judged(&self, error: &FieldError) -> bool {
        let within = |outer: &str, inner: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !self
            .removed
            .iter()
            .any(|removed| within(&error.path, removed) || within(removed, &error.path))
    }
}

fn prune(value: &Value, path: &str, removed: &mut Vec<String>) -> Option<Value> {
    let is_expression = |value: &Value| value.is_string() && holds_expression(value);
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                Some((name.clone(), prune(value, &below(path, name), removed)?))
            });
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) if !items.iter().any(is_expression) => {
            let items = items.iter().enumerate();
            // None of them is an expression or holds one directly, so that each stays where it is.
            Some(
                items
                    .map(|(i, item)| {
                        prune(item, &below(path, &i.to_string()), removed).unwrap_or_default()
                    })
                    .collect(),
            )
        }
        value if is_expression(value) || value.is_array() => {
            removed.push(path.to_owned());
            None
        }
        value => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests;
