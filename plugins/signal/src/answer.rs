//! What somebody answers to a question, as the signal carries it.

use millwork_sdk::FieldError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::form::Form;

/// Characters of who answered.
const BY_MAX: usize = 256;
/// Characters of a comment.
const COMMENT_MAX: usize = 10_000;

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

/// What somebody answers.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) decision: Verdict,
    #[serde(default)]
    pub(crate) by: Option<String>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
    #[serde(default)]
    pub(crate) data: Map<String, Value>,
}

impl Answer {
    /// Reads an answer; or says everything that is wrong with it. A no need not fill in the form.
    pub(crate) fn read(payload: &Value, form: Option<&Form>) -> Result<Answer, Vec<FieldError>> {
        let answer = Answer::deserialize(payload)
            .map_err(|error| vec![FieldError::new("", error.to_string())])?;
        let mut problems = Vec::new();
        let mut bound = |path: &str, text: Option<&String>, max: usize| {
            if text.is_some_and(|text| text.chars().count() > max) {
                let message = format!("must have at most {max} characters");
                problems.push(FieldError::new(path, message));
            }
        };
        bound("/by", answer.by.as_ref(), BY_MAX);
        bound("/comment", answer.comment.as_ref(), COMMENT_MAX);
        if let (Some(form), Verdict::Approved) = (form, answer.decision) {
            let found = form.check(&answer.data).into_iter();
            problems.extend(found.map(|FieldError { path, message }| {
                FieldError::new(format!("/data{path}"), message)
            }));
        }
        if problems.is_empty() {
            Ok(answer)
        } else {
            Err(problems)
        }
    }
}
