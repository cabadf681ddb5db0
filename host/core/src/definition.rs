//! The definition of a workflow, as people write it: JSON read into types, with everything that is wrong with it.
//!
//! This file says which fields exist; `definition/fields.rs` reads them. Whether the steps make sense together is
//! [`crate::graph`]'s question.

mod fields;
mod problems;

pub(crate) use fields::unknown;
pub(crate) use problems::cut;
pub use problems::{PROBLEMS_MAX, Problem, Problems};

use std::time::Duration;

use serde_json::Value;

use crate::connector::TypeRef;
use crate::retry::{Jitter, RetryPolicy};
use fields::Fields;

/// Steps in a definition.
pub const STEPS_MAX: usize = 1_000;

/// Characters in the name of a workflow or a step.
pub const NAME_MAX: usize = 128;

/// Attempts that a step may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// The longest wait or time limit that a definition may ask for: ten years.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Names that mean something in an expression, and so cannot be a step's.
pub const RESERVED_NAMES: [&str; 8] = [
    "payload", "run", "workflow", "steps", "env", "item", "index", "failure",
];

/// A definition whose fields hold, each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name, for people.
    pub name: String,
    /// The author's own label; Millwork only shows it.
    pub id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The steps, as written.
    pub steps: Vec<StepDefinition>,
}

/// One step of a definition.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDefinition {
    /// Its name, unique in the definition.
    pub name: String,
    /// What it does.
    pub connector: TypeRef,
    /// For the connector; may hold expressions.
    pub config: Value,
    /// The steps it waits for; the one written above it where absent.
    pub needs: Option<Vec<String>>,
    /// An expression that has to hold, or the step is skipped.
    pub condition: Option<String>,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take; the connector's limit where absent.
    pub timeout: Option<Duration>,
    /// What a crash in the middle of an attempt means.
    pub delivery: Delivery,
}

/// What a crash in the middle of an attempt means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// The attempt is made again.
    #[default]
    AtLeastOnce,
    /// The step fails: nobody knows whether it acted.
    AtMostOnce,
}

impl Definition {
    /// Reads a definition, leaving out what cannot be read.
    ///
    /// Every problem is added to `problems`; what is returned is whole only where none was.
    pub fn read(document: &Value, problems: &mut Problems) -> Self {
        let mut fields = Fields::of(document, "", "a workflow", problems);
        // `uuid` was part of the first service's answers, and clients send back what they read.
        fields.ignore("uuid");
        let id = fields.text("id");
        let name = fields.required_name("name");
        let description = fields.text("description");
        let steps = fields.required_list("steps", STEPS_MAX);
        fields.finish();
        let steps = steps
            .iter()
            .enumerate()
            .map(|(index, step)| StepDefinition::read(step, &format!("/steps/{index}"), problems))
            .collect();
        Self {
            name,
            id,
            description,
            steps,
        }
    }
}

impl StepDefinition {
    fn read(document: &Value, path: &str, problems: &mut Problems) -> Self {
        let mut fields = Fields::of(document, path, "a step", problems);
        let name = fields.required_name("name");
        let connector = fields.parsed("type").unwrap_or_else(|| TypeRef {
            plugin: String::new(),
            action: None,
            version: None,
        });
        let config = fields.object("config");
        let needs = fields.names("needs");
        let condition = fields.condition("if");
        let timeout = fields.duration("timeout");
        let delivery = fields.choice(
            "delivery",
            &[
                ("at-least-once", Delivery::AtLeastOnce),
                ("at-most-once", Delivery::AtMostOnce),
            ],
        );
        let retry = fields.child("retry");
        fields.finish();
        if RESERVED_NAMES.contains(&name.as_str()) {
            let message =
                format!("\"{name}\" has a meaning of its own in expressions; choose another name");
            problems.add(|| Problem::new(format!("{path}/name"), message));
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            problems.add(|| Problem::new(format!("{path}/timeout"), "must be longer than nothing"));
        }
        let retry = retry
            .map(|(retry, path)| read_retry(retry, &path, problems))
            .unwrap_or_default();
        Self {
            name,
            connector,
            config,
            needs,
            condition,
            retry,
            timeout,
            delivery: delivery.unwrap_or_default(),
        }
    }
}

fn read_retry(document: &Value, path: &str, problems: &mut Problems) -> RetryPolicy {
    let default = RetryPolicy::default();
    let mut fields = Fields::of(document, path, "a retry policy", problems);
    let policy = RetryPolicy {
        attempts_max: fields.whole("max_attempts", 1, ATTEMPTS_MAX),
        initial: fields.duration("initial").unwrap_or(default.initial),
        factor: fields
            .number("factor", 1.0, 100.0)
            .unwrap_or(default.factor),
        longest: fields.duration("max").unwrap_or(default.longest),
        jitter: fields
            .choice("jitter", &[("full", Jitter::Full), ("none", Jitter::None)])
            .unwrap_or(default.jitter),
    };
    fields.finish();
    policy
}
