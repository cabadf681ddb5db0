//! From JSON text to a typed action and back: what is the same for every action, and the same natively as in a component.

use serde_json::{Value, json};

use crate::{
    Action, ActionManifest, Connector, Context, Draft, Failure, FieldError, Outcome, draft, schema,
};

/// An action without its types: JSON text in and out.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Entry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> ActionManifest,
    validate: fn(&Draft) -> Vec<FieldError>,
    invoke: fn(&Context, Value) -> Result<Outcome<String>, Failure>,
}

impl Entry {
    /// The entry of an action.
    pub const fn of<A: Action>() -> Entry {
        Entry {
            name: A::NAME,
            describe: describe::<A>,
            validate: validate_action::<A>,
            invoke: invoke_action::<A>,
        }
    }
}

/// What is wrong with a configuration that may not be whole yet.
pub(crate) fn validate<C: Connector + ?Sized>(action: &str, config: &str) -> Vec<FieldError> {
    let entry = match find::<C>(action) {
        Ok(entry) => entry,
        Err(message) => return vec![FieldError::new("", message)],
    };
    match serde_json::from_str(config) {
        Ok(config) => (entry.validate)(&Draft::partial(config)),
        Err(error) => vec![FieldError::new(
            "",
            format!("the configuration is not JSON: {error}"),
        )],
    }
}

/// What is wrong with an example, which is whole unless it shows an expression.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn validate_example<C: Connector + ?Sized>(
    action: &str,
    config: Value,
) -> Vec<FieldError> {
    match find::<C>(action) {
        Ok(entry) => (entry.validate)(&Draft::example(config)),
        Err(message) => vec![FieldError::new("", message)],
    }
}

/// Does it.
pub(crate) fn invoke<C: Connector + ?Sized>(
    cx: &Context,
    action: &str,
    config: &str,
) -> Result<Outcome<String>, Failure> {
    let entry =
        find::<C>(action).map_err(|message| Failure::permanent("unknown-action", message))?;
    let config = serde_json::from_str(config).map_err(|error| {
        Failure::permanent(
            "invalid-config",
            format!("the configuration is not JSON: {error}"),
        )
    })?;
    (entry.invoke)(cx, config)
}

fn find<C: Connector + ?Sized>(action: &str) -> Result<&'static Entry, String> {
    C::ACTIONS
        .iter()
        .find(|entry| entry.name == action)
        .ok_or_else(|| {
            let known: Vec<_> = C::ACTIONS.iter().map(|entry| entry.name).collect();
            format!(
                "unknown action \"{action}\" in connector \"{}\", which has: {}",
                C::NAME,
                known.join(", ")
            )
        })
}

fn describe<A: Action>() -> ActionManifest {
    let config_schema = schema::of_config::<A::Config>();
    let mut title = A::TITLE.to_owned();
    if title.is_empty() {
        title = heading(A::NAME);
    }
    let mut description = A::DESCRIPTION.to_owned();
    if let (true, Some(text)) = (
        description.is_empty(),
        config_schema["description"].as_str(),
    ) {
        description = text.to_owned();
    }
    ActionManifest {
        name: A::NAME.to_owned(),
        title,
        description,
        config_schema,
        output_schema: schema::of_output::<A::Output>(),
        examples: A::examples(),
        traits: A::TRAITS,
        timeout: A::TIMEOUT,
        attempts_max: A::ATTEMPTS_MAX,
    }
}

/// `post-message` as people write a heading: "Post message".
fn heading(name: &str) -> String {
    let mut heading = name.replace('-', " ");
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    heading
}

fn validate_action<A: Action>(draft: &Draft) -> Vec<FieldError> {
    let mut problems = draft.misfits::<A::Config>();
    problems.extend(A::validate(draft));
    problems
}

fn invoke_action<A: Action>(cx: &Context, config: Value) -> Result<Outcome<String>, Failure> {
    let draft = Draft::whole(config);
    let Ok(config) = draft::parse::<A::Config>(draft.value()) else {
        return Err(invalid_config(&draft.misfits::<A::Config>()));
    };
    let problems = A::validate(&draft);
    if !problems.is_empty() {
        return Err(invalid_config(&problems));
    }
    A::invoke(cx, config)?.try_map(|output| {
        serde_json::to_string(&output).map_err(|error| {
            Failure::permanent(
                "invalid-output",
                format!("the output does not serialize: {error}"),
            )
        })
    })
}

/// Nothing ran: the configuration does not hold, and would not at another attempt.
fn invalid_config(problems: &[FieldError]) -> Failure {
    let sentences: Vec<_> = problems.iter().map(FieldError::to_string).collect();
    let errors: Vec<_> = problems
        .iter()
        .map(|problem| json!({"path": problem.path, "message": problem.message}))
        .collect();
    Failure::permanent(
        "invalid-config",
        format!("the configuration does not hold: {}", sentences.join("; ")),
    )
    .with_details(json!({ "errors": errors }))
}
