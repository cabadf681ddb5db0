#![doc = include_str!("../README.md")]

mod answer;
mod approval;
mod form;
mod wait;

use millwork_sdk::{Context, Draft, Failure, FieldError};

pub use self::approval::Approval;
pub use self::wait::Wait;

/// Characters of a signal's name; the API takes no more.
const NAME_MAX: usize = 128;

/// What is wrong with the name of a signal, as far as it is known.
fn check_name(draft: &Draft) -> Option<FieldError> {
    let name: String = draft.get("/name")?;
    (!is_name(&name)).then(|| FieldError::new("/name", rule()))
}

/// The name of the signal that a step waits for: the one it gives, or else its own.
fn name_of(cx: &Context, given: Option<String>) -> Result<String, Failure> {
    let name = given.unwrap_or_else(|| cx.step().to_owned());
    if is_name(&name) {
        return Ok(name);
    }
    // What the configuration gives was checked before; so it is the step's.
    let message = format!(
        "the signal cannot be called like the step, {name:?}: give it a \"name\", which {}",
        rule()
    );
    Err(Failure::permanent("invalid-config", message))
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

fn rule() -> String {
    format!("must have 1 to {NAME_MAX} characters, none of them a control character")
}

millwork_sdk::export!(connector {
    name: "signal",
    actions: [Wait, Approval],
});
