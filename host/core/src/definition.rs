//! The definition of a workflow, as people write it: JSON read into types, with everything that is wrong with it.
//!
//! This file says which fields a workflow has; `definition/step.rs` those of a step, `limits.rs` what bounds its runs,
//! `triggers.rs` what starts them. `fields.rs` reads them. Whether the steps make sense together is [`crate::graph`]'s
//! question.

mod fields;
mod limits;
mod problems;
mod step;
mod triggers;
mod words;

pub use limits::{
    Concurrency, KeyDefinition, PRIORITY_DEFAULT, PRIORITY_LAST, RateLimit, WhenFull,
};
pub(crate) use problems::cut;
pub use problems::{PROBLEMS_MAX, Problem, Problems};
pub use step::{
    CompensateDefinition, Delivery, OnError, PARALLEL_DEFAULT, PARALLEL_MAX, StepDefinition,
};
pub use triggers::{
    KafkaTrigger, Missed, ScheduleTrigger, Scheme, TRIGGERS_MAX, Trigger, Verify, WebhookTrigger,
};
pub use words::label_fault;
pub(crate) use words::unknown;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use fields::Fields;

/// Steps in a definition, those of `on_failure` and `finally` included.
pub const STEPS_MAX: usize = 1_000;

/// Characters in the name of a workflow or a step.
pub const NAME_MAX: usize = 128;

/// Attempts that a step may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// The longest wait or time limit that a definition may ask for: ten years.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Labels of a workflow, and characters in a label's name and value.
pub const LABELS_MAX: usize = 32;

/// Labels of a run. Each is an entry of an index, written when the run begins.
pub const RUN_LABELS_MAX: usize = 16;

/// Characters in a label's name.
pub const LABEL_NAME_MAX: usize = 64;
/// Characters in a label's value.
pub const LABEL_VALUE_MAX: usize = 256;

/// Names that mean something in an expression, and so cannot be a step's.
pub const RESERVED_NAMES: [&str; 8] = [
    "payload", "run", "workflow", "steps", "env", "item", "index", "failure",
];

/// A definition whose fields hold, each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name, for people.
    pub name: String,
    /// The author's own label.
    pub id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Words to find it and its runs by.
    pub labels: BTreeMap<String, String>,
    /// The JSON Schema of the payload.
    pub input: Option<Value>,
    /// The steps, as written.
    pub steps: Vec<StepDefinition>,
    /// What is done when the run fails.
    pub on_failure: Vec<StepDefinition>,
    /// What is done at the end, however the run ends.
    pub finally: Vec<StepDefinition>,
    /// The result of a run that succeeds; may hold expressions.
    pub output: Option<Value>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// How many runs may be under way at a time.
    pub concurrency: Option<Concurrency<KeyDefinition>>,
    /// How many runs may begin in a span of time.
    pub rate_limit: Option<RateLimit<KeyDefinition>>,
    /// Which of the runs that wait goes first: 1 before 5.
    pub priority: u8,
    /// What starts a run, besides who asks for one; nothing in the place of one that could not be read.
    pub triggers: Vec<Option<Trigger<String>>>,
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
        let labels = fields.labels("labels");
        let input = fields.schema("input");
        let steps = fields.required_list("steps", STEPS_MAX);
        let on_failure = fields.list("on_failure", STEPS_MAX);
        let finally = fields.list("finally", STEPS_MAX);
        let output = fields.any("output");
        let timeout = fields.time_limit("timeout");
        let concurrency = fields.child("concurrency");
        let rate_limit = fields.child("rate_limit");
        let priority = fields.whole("priority", 1, u32::from(PRIORITY_LAST));
        let triggers = fields.list("triggers", TRIGGERS_MAX);
        fields.finish();
        let in_all = steps.len() + on_failure.len() + finally.len();
        if in_all > STEPS_MAX {
            problems.add(|| {
                let message = format!(
                    "`steps`, `on_failure` and `finally` have {in_all} steps together, the limit is {STEPS_MAX}"
                );
                Problem::new("", message)
            });
        }
        Self {
            name,
            id,
            description,
            labels,
            input,
            steps: step::read_all(steps, "/steps", problems),
            on_failure: step::read_all(on_failure, "/on_failure", problems),
            finally: step::read_all(finally, "/finally", problems),
            output,
            timeout,
            concurrency: concurrency
                .map(|(document, path)| limits::read_concurrency(document, &path, problems)),
            rate_limit: rate_limit
                .map(|(document, path)| limits::read_rate_limit(document, &path, problems)),
            priority: priority
                .and_then(|priority| u8::try_from(priority).ok())
                .unwrap_or(PRIORITY_DEFAULT),
            triggers: triggers::read_all(triggers, problems),
        }
    }
}
