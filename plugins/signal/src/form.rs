//! The form that comes with a question: a flat JSON Schema, small enough to be shown as a form and to be checked in here.
//!
//! A library for all of JSON Schema would make this component six times as large. What a form cannot say is refused when
//! the workflow is created, with its place; nothing is left unchecked without a word.

mod field;

use std::collections::BTreeMap;

use millwork_sdk::FieldError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::field::Field;

/// Fields that a person can be asked for at once.
const FIELDS_MAX: usize = 100;

/// What an answer has to carry: a JSON Schema of an object whose properties are texts, numbers, choices, or yes and no.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    /// Always `object`; it may be left out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Kind")]
    kind: Option<Kind>,
    /// A heading, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    title: Option<String>,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    description: Option<String>,
    /// The fields by name.
    properties: BTreeMap<String, Field>,
    /// The names of the fields that have to be filled in.
    #[serde(default)]
    required: Vec<String>,
    /// Whether an answer may carry more than these fields.
    #[serde(rename = "additionalProperties", default = "yes")]
    additional: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Object,
}

/// As JSON Schema has it.
fn yes() -> bool {
    true
}

impl Form {
    /// What is wrong with the form itself, beyond what its type says.
    pub(crate) fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        if self.properties.len() > FIELDS_MAX {
            let message = format!(
                "has {} fields, and nobody is asked for more than {FIELDS_MAX} at once",
                self.properties.len()
            );
            problems.push(FieldError::new("/properties", message));
        }
        for (index, name) in self.required.iter().enumerate() {
            if !self.properties.contains_key(name) {
                let message = format!("there is no field {name:?}: the form has {}", self.names());
                problems.push(FieldError::new(format!("/required/{index}"), message));
            }
        }
        for (name, field) in &self.properties {
            if let Err(message) = field.is_sound() {
                problems.push(FieldError::new(below("/properties", name), message));
            }
        }
        problems
    }

    /// What is wrong with what somebody filled in.
    pub(crate) fn check(&self, data: &Map<String, Value>) -> Vec<FieldError> {
        let mut problems = Vec::new();
        for name in &self.required {
            if !data.contains_key(name) {
                problems.push(FieldError::new(below("", name), "is missing"));
            }
        }
        for (name, value) in data {
            match self.properties.get(name) {
                Some(field) => {
                    if let Err(message) = field.check(value) {
                        problems.push(FieldError::new(below("", name), message));
                    }
                }
                None if self.additional => {}
                None => {
                    let message = format!("is no field: the form has {}", self.names());
                    problems.push(FieldError::new(below("", name), message));
                }
            }
        }
        problems
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.properties.keys().map(String::as_str).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// A JSON Pointer one name further down.
fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}
