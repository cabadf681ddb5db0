//! What the fake finds wrong with a definition: as much as the contract's walk asks for.

use serde_json::{Value, json};

use super::template::names;

const STEP_FIELDS: [&str; 8] = [
    "name", "type", "config", "needs", "if", "retry", "timeout", "delivery",
];

pub(super) fn problems(definition: &Value) -> Vec<Value> {
    let mut problems = Vec::new();
    let mut add =
        |path: String, message: String| problems.push(json!({"path": path, "message": message}));
    if !definition["name"].is_string() {
        add("/name".to_owned(), "is missing".to_owned());
    }
    let steps = definition["steps"].as_array().cloned().unwrap_or_default();
    let known: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["name"].as_str())
        .collect();
    for (index, step) in steps.iter().enumerate() {
        let at = |field: &str| format!("/steps/{index}/{field}");
        let name = step["name"].as_str().unwrap_or_default();
        if known[..index].contains(&name) {
            add(at("name"), format!("there are two steps \"{name}\""));
        }
        for field in step
            .as_object()
            .into_iter()
            .flatten()
            .map(|(field, _)| field)
        {
            if !STEP_FIELDS.contains(&field.as_str()) {
                let nearest = STEP_FIELDS
                    .iter()
                    .find(|known| known.starts_with(field.as_str()))
                    .unwrap_or(&"");
                add(
                    at(field),
                    format!("unknown field \"{field}\"; did you mean \"{nearest}\"?"),
                );
            }
        }
        for need in step["needs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !known.contains(&need) {
                add(at("needs"), format!("unknown step \"{need}\""));
            }
        }
        for name in names(&step["config"]) {
            let first = name.split(['.', ' ']).next().unwrap_or_default();
            if !["payload", "run", "workflow"].contains(&first) && !known.contains(&first) {
                add(at("config"), format!("nothing provides \"{first}\""));
            }
        }
        match step["type"].as_str() {
            Some("delay")
                if step["config"]["duration"]
                    .as_f64()
                    .is_some_and(|seconds| seconds < 0.0) =>
            {
                add(
                    at("config/duration"),
                    "must not be less than nothing".to_owned(),
                );
            }
            Some("webhook") if !step["config"]["url"].is_string() => {
                add(at("config"), "\"url\" is missing".to_owned());
            }
            Some("delay" | "webhook") => {}
            other => add(at("type"), format!("unknown type {other:?}")),
        }
    }
    problems
}
