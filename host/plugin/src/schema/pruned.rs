//! A configuration without what only a run will know.

use serde_json::Value;

use super::{below, holds_expression};
use crate::FieldError;

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
mod tests {
    use serde_json::json;

    use super::*;

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
}
