//! What expressions may name.

use std::collections::HashMap;

use super::{NodeIndex, Stage, order};
use crate::definition::{RESERVED_NAMES, unknown};
use crate::expression::is_function;
use crate::template::Vocabulary;

/// The names in scope of a step's expressions.
pub(super) const STEP: [&str; 5] = ["payload", "run", "workflow", "steps", "env"];
const ITERATION: [&str; 7] = [
    "payload", "run", "workflow", "steps", "env", "item", "index",
];
const END: [&str; 6] = ["payload", "run", "workflow", "steps", "env", "failure"];
const ITERATION_AT_END: [&str; 8] = [
    "payload", "run", "workflow", "steps", "env", "failure", "item", "index",
];

/// The names in scope before a run begins.
pub(super) const START: [&str; 3] = ["payload", "workflow", "env"];

/// The names in scope where a message is looked at.
pub(super) const MESSAGE: [&str; 3] = ["message", "workflow", "env"];

/// The names in scope of a step, or of one of its iterations.
pub(super) const fn of_step(stage: Stage, is_loop: bool) -> &'static [&'static str] {
    match (stage, is_loop) {
        (Stage::Steps | Stage::Compensation, false) => &STEP,
        (Stage::Steps | Stage::Compensation, true) => &ITERATION,
        (Stage::OnFailure | Stage::Finally, false) => &END,
        (Stage::OnFailure | Stage::Finally, true) => &ITERATION_AT_END,
    }
}

/// What is in scope of an expression.
pub(super) struct Names<'a> {
    /// Every step, in the order of the definition.
    pub(super) steps: &'a [String],
    pub(super) by_name: &'a HashMap<&'a str, NodeIndex>,
    /// The steps of which something is known then, as a set of bits.
    pub(super) before: &'a [u64],
    /// The step whose expression it is, if it is one's.
    pub(super) step: &'a str,
    /// What else has a name.
    pub(super) scope: &'a [&'static str],
}

impl Names<'_> {
    fn before(&self) -> impl Iterator<Item = &str> {
        self.steps
            .iter()
            .enumerate()
            .filter(|(index, _)| order::contains(self.before, *index))
            .map(|(_, name)| name.as_str())
    }
}

impl Vocabulary for Names<'_> {
    fn is_step(&self, text: &str) -> bool {
        self.by_name.contains_key(text)
    }

    fn allows(&self, name: &str) -> bool {
        match self.by_name.get(name) {
            _ if self.scope.contains(&name) => true,
            Some(&index) => order::contains(self.before, index),
            None => is_function(name),
        }
    }

    fn explain(&self, name: &str) -> String {
        if name == self.step {
            return format!("\"{name}\" is this step itself, which has no output yet");
        }
        if self.is_step(name) && self.before().next().is_none() && self.step.is_empty() {
            return format!("\"{name}\" is a step, and none has begun when this is looked at");
        }
        if self.is_step(name) && self.step.is_empty() {
            return format!("step \"{name}\" is not surely done when this is looked at");
        }
        if self.is_step(name) {
            return format!(
                "step \"{name}\" is not surely done when \"{}\" begins; put it above, or in its `needs`",
                self.step
            );
        }
        match name {
            "item" | "index" => {
                return format!("\"{name}\" has a meaning only inside a step with `foreach`");
            }
            "failure" => {
                return format!("\"{name}\" has a meaning only in `on_failure` and `finally`");
            }
            _ if RESERVED_NAMES.contains(&name) => {
                return format!("\"{name}\" has no meaning here");
            }
            _ => {}
        }
        // `${cool-off.duration}` asks for `cool` less the duration of `off`.
        let is_part = |step: &&str| step.split('-').any(|part| part == name) && step.contains('-');
        if let Some(step) = self.before().find(is_part) {
            return format!(
                "the dash of \"{step}\" is a minus in an expression; write steps[\"{step}\"]"
            );
        }
        let known = self.scope.iter().copied();
        unknown("name", name, known.chain(self.before()))
    }
}
