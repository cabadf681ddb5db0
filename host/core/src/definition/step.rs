//! A step of a definition, as people write it.

use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::{ATTEMPTS_MAX, Problem, Problems, RESERVED_NAMES};
use crate::connector::TypeRef;
use crate::retry::{Jitter, RetryPolicy};

/// Iterations of a loop at a time where the step does not say.
pub const PARALLEL_DEFAULT: u32 = 10;

/// Iterations of a loop at a time that a step may ask for.
pub const PARALLEL_MAX: u32 = 1_000;

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
    /// The list whose items it is done for, one iteration each: a list, or a string that is one expression.
    pub foreach: Option<Value>,
    /// How many iterations are under way at a time.
    pub parallel_max: u32,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take; the connector's limit where absent.
    pub timeout: Option<Duration>,
    /// What a crash in the middle of an attempt means.
    pub delivery: Delivery,
    /// What its failure means for the run.
    pub on_error: OnError,
    /// What undoes it, should the run fail after it has succeeded.
    pub compensate: Option<CompensateDefinition>,
}

/// What undoes a step.
#[derive(Clone, Debug, PartialEq)]
pub struct CompensateDefinition {
    /// What it does.
    pub connector: TypeRef,
    /// For the connector; may hold expressions.
    pub config: Value,
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

/// What the failure of a step means for its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The failure becomes the step's output, and the run goes on.
    Continue,
}

pub(super) fn read_all(
    documents: &[Value],
    path: &str,
    problems: &mut Problems,
) -> Vec<StepDefinition> {
    let steps = documents.iter().enumerate();
    steps
        .map(|(index, step)| StepDefinition::read(step, &format!("{path}/{index}"), problems))
        .collect()
}

impl StepDefinition {
    fn read(document: &Value, path: &str, problems: &mut Problems) -> Self {
        let mut fields = Fields::of(document, path, "a step", problems);
        let name = fields.required_name("name");
        let Work { connector, config } = Work::read(&mut fields);
        let needs = fields.names("needs");
        let condition = fields.condition("if");
        let foreach = fields.items("foreach");
        let parallel_max = fields.whole("max_parallel", 1, PARALLEL_MAX);
        let on_error = fields.choice(
            "on_error",
            &[("fail", OnError::Fail), ("continue", OnError::Continue)],
        );
        let (timeout, delivery) = (fields.time_limit("timeout"), read_delivery(&mut fields));
        let retry = fields.child("retry");
        let compensate = fields.child("compensate");
        let is_loop = fields.has("foreach");
        fields.finish();
        if RESERVED_NAMES.contains(&name.as_str()) {
            let message =
                format!("\"{name}\" has a meaning of its own in expressions; choose another name");
            problems.add(|| Problem::new(format!("{path}/name"), message));
        }
        if parallel_max.is_some() && !is_loop {
            let message = "says how many items are worked on at a time; it needs `foreach`";
            problems.add(|| Problem::new(format!("{path}/max_parallel"), message));
        }
        Self {
            name,
            connector,
            config,
            needs,
            condition,
            foreach,
            parallel_max: parallel_max.unwrap_or(PARALLEL_DEFAULT),
            retry: read_retry(retry, problems),
            timeout,
            delivery,
            on_error: on_error.unwrap_or_default(),
            compensate: compensate
                .map(|(document, path)| CompensateDefinition::read(document, &path, problems)),
        }
    }
}

impl CompensateDefinition {
    fn read(document: &Value, path: &str, problems: &mut Problems) -> Self {
        let mut fields = Fields::of(document, path, "what undoes a step", problems);
        let Work { connector, config } = Work::read(&mut fields);
        let (timeout, delivery) = (fields.time_limit("timeout"), read_delivery(&mut fields));
        let retry = fields.child("retry");
        fields.finish();
        Self {
            connector,
            config,
            retry: read_retry(retry, problems),
            timeout,
            delivery,
        }
    }
}

/// What is done, and with what.
struct Work {
    connector: TypeRef,
    config: Value,
}

impl Work {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        // A type that cannot be read has been complained of; an empty one is asked after nowhere.
        let none = || TypeRef {
            plugin: String::new(),
            action: None,
            version: None,
        };
        Self {
            connector: fields.parsed("type").unwrap_or_else(none),
            config: fields.object("config"),
        }
    }
}

fn read_delivery(fields: &mut Fields<'_, '_>) -> Delivery {
    let words = [
        ("at-least-once", Delivery::AtLeastOnce),
        ("at-most-once", Delivery::AtMostOnce),
    ];
    fields.choice("delivery", &words).unwrap_or_default()
}

fn read_retry(found: Option<(&Value, String)>, problems: &mut Problems) -> RetryPolicy {
    let default = RetryPolicy::default();
    let Some((document, path)) = found else {
        return default;
    };
    let mut fields = Fields::of(document, &path, "a retry policy", problems);
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
