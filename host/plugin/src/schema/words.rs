//! Says what is wrong with a value in a person's words.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::nearest;

/// A property that the schema does not know, and the one that was probably meant.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown property {name:?}: did you mean {near:?}?"),
        None if known.is_empty() => format!("unknown property {name:?}"),
        None => format!("unknown property {name:?}: there are {}", known.join(", ")),
    }
}

/// What is wrong, where the path says which value is meant.
pub(super) fn describe(kind: &Kind, error: &ValidationError<'_>) -> String {
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
