//! A configuration that may not be whole yet, and what is wrong with it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// At most this many problems are told at once; a person mends those first.
const PROBLEMS_MAX: usize = 32;

/// A configuration that may not be whole yet.
///
/// When a workflow is created, what an expression (`${…}`) will provide is not known: such values are absent, or still
/// the text of the expression. Judge what is there, and leave the rest: the same check runs again before every call, on
/// the whole configuration.
#[derive(Clone, Debug)]
pub struct Draft {
    value: Value,
    whole: bool,
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901) into the configuration; empty for the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    /// A problem at a JSON Pointer (`/headers/accept`), or with the whole where it is empty.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> FieldError {
        FieldError {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Draft {
    /// A configuration in which expressions may stand for values.
    pub(crate) fn partial(value: Value) -> Draft {
        Draft {
            value,
            whole: false,
        }
    }

    /// A configuration with all its values.
    pub(crate) fn whole(value: Value) -> Draft {
        Draft { value, whole: true }
    }

    /// A configuration to start from, which is whole unless it shows an expression.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn example(value: Value) -> Draft {
        let whole = !holds_expression(&value);
        Draft { value, whole }
    }

    /// The value at a JSON Pointer (`/url`; empty for the whole), where it is there, known and of that type. That the
    /// types fit is checked by the SDK, so `None` is never more to judge.
    pub fn get<T: DeserializeOwned>(&self, pointer: &str) -> Option<T> {
        let value = self
            .value
            .pointer(pointer)
            .filter(|value| self.knows(value))?;
        T::deserialize(value).ok()
    }

    /// Whether there is a value at a JSON Pointer, known or not. Where [`is_whole`](Draft::is_whole) says no, one that is
    /// absent may still come.
    pub fn has(&self, pointer: &str) -> bool {
        self.value
            .pointer(pointer)
            .is_some_and(|value| !value.is_null())
    }

    /// Whether all values are there, as before a call; in a draft what is absent may still come.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The configuration as it stands.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether nothing in a value is still to come.
    fn knows(&self, value: &Value) -> bool {
        self.whole || !(value.is_null() || holds_expression(value))
    }

    /// What does not fit the type `C`, each with its path.
    ///
    /// A parser stops at the first problem; so the offending value is taken out and the rest looked at again.
    pub(crate) fn misfits<C: DeserializeOwned>(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut rest = self.value.clone();
        while problems.len() < PROBLEMS_MAX {
            let Err((path, message)) = parse::<C>(&rest) else {
                break;
            };
            // What is missing may be still to come, or have just been taken out.
            let missing = message.starts_with("missing field");
            let judged = if missing {
                self.whole && rest == self.value
            } else {
                rest.pointer(&pointer(&path))
                    .is_none_or(|value| self.knows(value))
            };
            if judged {
                problems.push(FieldError::new(pointer(&path), message));
            }
            if !take_out(&mut rest, &path) {
                break;
            }
        }
        problems
    }
}

/// Reads a configuration as its type; the error is the path of the value that does not fit, and why.
pub(crate) fn parse<C: DeserializeOwned>(value: &Value) -> Result<C, (Vec<String>, String)> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path = Vec::new();
        for segment in error.path() {
            match segment {
                Segment::Map { key } => path.push(key.clone()),
                Segment::Enum { variant } => path.push(variant.clone()),
                Segment::Seq { index } => path.push(index.to_string()),
                // Further in is only known to be somewhere below.
                Segment::Unknown => break,
            }
        }
        (path, error.inner().to_string())
    })
}

/// The JSON Pointer of a path.
pub(crate) fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// Takes the value at a path out of its object, or the list that it stands in out of the object around; so that the
/// paths of what stays are still right. Says whether anything was taken out.
fn take_out(root: &mut Value, path: &[String]) -> bool {
    for depth in (0..path.len()).rev() {
        if let Some(Value::Object(parent)) = root.pointer_mut(&pointer(&path[..depth]))
            && parent.shift_remove(&path[depth]).is_some()
        {
            return true;
        }
    }
    false
}

/// Whether an expression stands anywhere in a value.
fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(entries) => entries.values().any(holds_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Config {
        url: String,
        count: u8,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Part {
        #[serde(rename = "a/b")]
        size: u8,
    }

    fn whole(config: Value) -> Vec<(String, String)> {
        told(&Draft::whole(config))
    }

    fn partial(config: Value) -> Vec<(String, String)> {
        told(&Draft::partial(config))
    }

    fn told(draft: &Draft) -> Vec<(String, String)> {
        draft
            .misfits::<Config>()
            .into_iter()
            .map(|problem| (problem.path, problem.message))
            .collect()
    }

    fn problem(path: &str, message: &str) -> (String, String) {
        (path.to_owned(), message.to_owned())
    }

    #[test]
    fn every_value_that_does_not_fit_is_told_with_its_path() {
        assert_eq!(
            whole(json!({"url": 7, "count": 300, "parts": [{"a/b": 1}, {"a/b": "x"}]})),
            [
                problem("/url", "invalid type: integer `7`, expected a string"),
                problem("/count", "invalid value: integer `300`, expected u8"),
                problem("/parts/1/a~1b", "invalid type: string \"x\", expected u8"),
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_told_with_its_path_and_the_keys_that_are_known() {
        assert_eq!(
            whole(json!({"uri": "x", "url": "x", "count": 1})),
            [problem(
                "/uri",
                "unknown field `uri`, expected one of `url`, `count`, `parts`"
            )]
        );
    }

    #[test]
    fn a_missing_key_is_told_once_and_only_when_the_configuration_is_whole() {
        assert_eq!(
            whole(json!({"count": 1})),
            [problem("", "missing field `url`")]
        );
        assert_eq!(partial(json!({"count": 1})), []);
        assert_eq!(
            whole(json!({"url": 1, "count": 1})),
            [problem(
                "/url",
                "invalid type: integer `1`, expected a string"
            )]
        );
    }

    #[test]
    fn in_a_draft_an_expression_is_not_judged_and_the_rest_is() {
        assert_eq!(
            partial(json!({"url": null, "count": "${payload.n}", "parts": ["${item}"], "uri": 1})),
            [problem(
                "/uri",
                "unknown field `uri`, expected one of `url`, `count`, `parts`"
            )]
        );
        assert_eq!(
            whole(json!({"url": "", "count": "${payload.n}"})),
            [problem(
                "/count",
                "invalid type: string \"${payload.n}\", expected u8"
            )]
        );
    }

    #[test]
    fn what_is_no_object_is_one_problem() {
        assert_eq!(whole(json!([1])).len(), 1);
        assert_eq!(
            whole(json!("x")),
            [problem(
                "",
                "invalid type: string \"x\", expected struct Config"
            )]
        );
    }

    #[test]
    fn a_draft_gives_what_is_known_and_of_the_right_type() {
        let draft = Draft::partial(json!({"url": "http://x", "count": "${n}"}));
        assert_eq!(draft.get::<String>("/url").as_deref(), Some("http://x"));
        assert_eq!(draft.get::<String>("/count"), None);
        assert_eq!(draft.get::<u8>("/url"), None);
        assert!(draft.has("/count") && !draft.has("/parts"));
    }
}
