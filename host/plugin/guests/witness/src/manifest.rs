//! A manifest in which nothing is left out.

use serde_json::json;

use crate::bindings::millwork::connector::types::{Action, ActionTraits, Ask, Example, Manifest};

const ACTIONS: [&str; 13] = [
    "echo",
    "context",
    "fail",
    "wait-until",
    "wait-signal",
    "complete-later",
    "poll",
    "http",
    "kv",
    "secrets",
    "log",
    "random",
    "clock",
];

pub(crate) fn manifest() -> Manifest {
    let annotation = |name: &str| vec![(name.to_owned(), json!({"any": "thing"}).to_string())];
    let action = |name: &str| Action {
        name: name.to_owned(),
        title: format!("Witness of {name}"),
        description: format!("Does what {name} says, and tells what came of it."),
        config_schema: json!({"type": "object", "properties": {"count": {"type": "integer"}}})
            .to_string(),
        output_schema: json!(true).to_string(),
        examples: vec![Example {
            title: "Nothing".to_owned(),
            config: json!({}).to_string(),
        }],
        traits: ActionTraits::READ_ONLY | ActionTraits::IDEMPOTENT,
        timeout: Some(20_000),
        max_attempts: Some(2),
        annotations: annotation("from-a-later-sdk"),
    };
    Manifest {
        name: "witness".to_owned(),
        version: "1.0.0".to_owned(),
        description: "Does each thing of the contract once.".to_owned(),
        actions: ACTIONS.into_iter().map(action).collect(),
        asks: vec![
            Ask::Http("*".to_owned()),
            Ask::Secret("token".to_owned()),
            Ask::Kv,
        ],
        annotations: annotation("from-a-later-sdk"),
    }
}
