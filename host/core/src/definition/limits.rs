//! What bounds the runs of a workflow: how many at a time, how many in a span of time, and which goes first.
//!
//! Both limits are kept per key, and a key is what expressions make of the payload: in a definition it is a text
//! ([`KeyDefinition`]), in a graph a compiled template.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::Fields;
use super::{Problem, Problems};

/// The priority of runs where the definition does not say.
pub const PRIORITY_DEFAULT: u8 = 3;

/// The lowest priority; the highest is 1.
pub const PRIORITY_LAST: u8 = 5;

/// Runs that a limit may allow.
const RUNS_MAX: u32 = 1_000_000;

/// The key of a limit, as written: a text with expressions in it. Empty where one limit is for all runs of the workflow.
pub type KeyDefinition = String;

/// How many runs with the same key may be under way at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency<Key> {
    /// Runs with the same key share the limit.
    pub key: Key,
    /// How many.
    pub limit: u32,
    /// What becomes of a run for which there is no room.
    pub when_full: WhenFull,
}

/// What becomes of a run for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is not created, and who asked is told.
    Reject,
    /// The run that has been under way longest is cancelled for it.
    CancelRunning,
    /// It is created and cancelled at once.
    CancelNew,
}

impl WhenFull {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Reject => "reject",
            Self::CancelRunning => "cancel-running",
            Self::CancelNew => "cancel-new",
        }
    }

    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Queue,
        Self::Reject,
        Self::CancelRunning,
        Self::CancelNew,
    ];
}

/// How many runs with the same key may begin in a span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit<Key> {
    /// Runs with the same key share the limit.
    pub key: Key,
    /// How many.
    pub limit: u32,
    /// The span.
    pub per: Duration,
}

pub(super) fn read_concurrency(
    document: &Value,
    path: &str,
    problems: &mut Problems,
) -> Concurrency<KeyDefinition> {
    let mut fields = Fields::of(document, path, "a limit of runs at a time", problems);
    let limit = Concurrency {
        key: fields.text("key").unwrap_or_default(),
        limit: fields.required_whole("limit", 1, RUNS_MAX).unwrap_or(1),
        when_full: fields
            .choice(
                "when_full",
                &WhenFull::ALL.map(|choice| (choice.as_str(), choice)),
            )
            .unwrap_or_default(),
    };
    fields.finish();
    limit
}

pub(super) fn read_rate_limit(
    document: &Value,
    path: &str,
    problems: &mut Problems,
) -> RateLimit<KeyDefinition> {
    let mut fields = Fields::of(
        document,
        path,
        "a limit of runs in a span of time",
        problems,
    );
    let key = fields.text("key").unwrap_or_default();
    let limit = fields.required_whole("limit", 1, RUNS_MAX).unwrap_or(1);
    let per = fields.time_limit("per");
    let is_missing = !fields.has("per");
    fields.finish();
    if is_missing && document.is_object() {
        let message = "is missing: a limit of runs in a span of time needs it, such as \"1m\"";
        problems.add(|| Problem::new(format!("{path}/per"), message));
    }
    RateLimit {
        key,
        limit,
        per: per.unwrap_or(Duration::from_secs(1)),
    }
}
