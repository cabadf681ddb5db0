//! What a step's expressions may name.

use std::collections::HashMap;

use super::NodeIndex;
use crate::definition::{RESERVED_NAMES, unknown};
use crate::expression::is_function;
use crate::template::Vocabulary;

/// The names in scope of every expression.
const SCOPE: [&str; 5] = ["payload", "run", "workflow", "steps", "env"];

/// What is in scope for one step.
pub(super) struct Names<'a> {
    /// Every step, in the order of the definition.
    pub(super) steps: &'a [String],
    pub(super) by_name: &'a HashMap<&'a str, NodeIndex>,
    /// The steps that are surely done when this one begins, as a set of bits.
    pub(super) ancestors: &'a [u64],
    /// This step.
    pub(super) step: &'a str,
}

impl Names<'_> {
    fn is_before(&self, index: NodeIndex) -> bool {
        self.ancestors[index / 64] >> (index % 64) & 1 == 1
    }

    fn before(&self) -> impl Iterator<Item = &str> {
        self.steps
            .iter()
            .enumerate()
            .filter(|(index, _)| self.is_before(*index))
            .map(|(_, name)| name.as_str())
    }
}

impl Vocabulary for Names<'_> {
    fn is_step(&self, text: &str) -> bool {
        self.by_name.contains_key(text)
    }

    fn allows(&self, name: &str) -> bool {
        match self.by_name.get(name) {
            _ if SCOPE.contains(&name) => true,
            Some(&index) => self.is_before(index),
            None => is_function(name),
        }
    }

    fn explain(&self, name: &str) -> String {
        if name == self.step {
            return format!("\"{name}\" is this step itself, which has no output yet");
        }
        if self.is_step(name) {
            return format!(
                "step \"{name}\" is not surely done when \"{}\" begins; put it above, or in its `needs`",
                self.step
            );
        }
        if RESERVED_NAMES.contains(&name) {
            return format!("\"{name}\" has no meaning here");
        }
        // `${cool-off.duration}` asks for `cool` less the duration of `off`.
        let is_part = |step: &&str| step.split('-').any(|part| part == name) && step.contains('-');
        if let Some(step) = self.before().find(is_part) {
            return format!(
                "the dash of \"{step}\" is a minus in an expression; write steps[\"{step}\"]"
            );
        }
        unknown("name", name, SCOPE.into_iter().chain(self.before()))
    }
}
