//! A step that is a run of another workflow: `type: workflow`, `config: {workflow, payload, wait}`.

use serde_json::Value;

use super::Work;
use crate::connector::TypeRef;
use crate::definition::{Problem, Problems, unknown};
use crate::template::has_expression;

/// The `type` of such a step. No plugin is asked after under this name.
const TYPE: &str = "workflow";

const FIELDS: [&str; 3] = ["workflow", "payload", "wait"];

/// Whether a `type` means a run of another workflow.
pub(super) fn is_workflow(connector: &TypeRef) -> bool {
    connector.plugin == TYPE
}

/// What does a step, with what is wrong with its configuration where no plugin will say.
pub(super) fn work(
    connector: &TypeRef,
    config: &Value,
    path: &str,
    problems: &mut Problems,
) -> Work {
    if !is_workflow(connector) {
        return Work::Plugin;
    }
    if connector.action.is_some() || connector.version.is_some() {
        let message = "the type \"workflow\" has neither actions nor versions: write \"workflow\"";
        problems.add(|| Problem::new(format!("{path}/type"), message));
    }
    let Some(members) = config.as_object() else {
        return Work::Workflow;
    };
    for name in members
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
    {
        problems.add(|| {
            let name_in_path = name.replace('~', "~0").replace('/', "~1");
            let message = unknown("field", name, FIELDS);
            Problem::new(format!("{path}/config/{name_in_path}"), message)
        });
    }
    let fault = match members.get("workflow") {
        None | Some(Value::Null) => Some("is missing: name the workflow, or give its uuid"),
        Some(Value::String(text)) if text.trim().is_empty() => Some("must not be empty"),
        Some(Value::String(_)) => None,
        Some(_) => Some("must be a string: the name of a workflow, or its uuid"),
    };
    if let Some(fault) = fault {
        problems.add(|| Problem::new(format!("{path}/config/workflow"), fault));
    }
    let is_wait = |wait: &Value| match wait {
        Value::Null | Value::Bool(_) => true,
        Value::String(text) => has_expression(text),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    if members.get("wait").is_some_and(|wait| !is_wait(wait)) {
        let message = "must be true or false";
        problems.add(|| Problem::new(format!("{path}/config/wait"), message));
    }
    Work::Workflow
}
