//! One thing that a connector can do: the trait that an author implements.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Context, Draft, Failure, FieldError, Outcome};

/// One thing that a connector can do.
///
/// The types carry most of it: `Config` says what a step may configure and `Output` what it results in; their JSON
/// Schemas come from the types, and their doc comments become the descriptions that people read.
pub trait Action {
    /// What a step configures. `#[serde(deny_unknown_fields)]` makes a misspelt key an error.
    type Config: DeserializeOwned + JsonSchema;

    /// What a completed step leaves for the steps after it.
    type Output: Serialize + JsonSchema;

    /// The part of a step's `type` after the dot: `post-message` in `slack.post-message`. Lower-case letters,
    /// digits and dashes.
    const NAME: &'static str;

    /// A short heading. Left empty, it is made from the name: `post-message` gives "Post message".
    const TITLE: &'static str = "";

    /// What it does, for the person who writes the workflow. Left empty, it is the doc comment of `Config`.
    const DESCRIPTION: &'static str = "";

    /// What running it means for the world.
    const TRAITS: Traits = Traits::NONE;

    /// How long an attempt may take where the step does not say.
    const TIMEOUT: Option<Duration> = None;

    /// How many attempts a retryable failure gets where the step does not say.
    const ATTEMPTS_MAX: Option<u32> = None;

    /// Configurations to start from.
    fn examples() -> Vec<Example> {
        Vec::new()
    }

    /// Says what is wrong with a configuration beyond what the type `Config` says.
    ///
    /// Called when a workflow is created, on a draft in which the values that only a run will know are absent, and
    /// again before every call of [`invoke`](Action::invoke), on the whole configuration. It has no power: it
    /// cannot reach the network, and values kept or secret are refused.
    fn validate(draft: &Draft) -> Vec<FieldError> {
        let _ = draft;
        Vec::new()
    }

    /// Does it, or says until when to wait, or why it did not work.
    ///
    /// Never wait in here: return [`Outcome::suspend_for`] and its siblings, and the host calls again. Every call
    /// meets a fresh instance, so nothing that a `static` holds survives.
    fn invoke(cx: &Context, config: Self::Config) -> Result<Outcome<Self::Output>, Failure>;
}

/// What running an action means for the world.
///
/// ```
/// use millwork_sdk::Traits;
/// const LOOKUP: Traits = Traits::NONE.read_only().idempotent();
/// # assert!(LOOKUP.is_read_only() && !LOOKUP.is_destructive());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    read_only: bool,
    idempotent: bool,
    destructive: bool,
}

impl Traits {
    /// Nothing is promised.
    pub const NONE: Traits = Traits {
        read_only: false,
        idempotent: false,
        destructive: false,
    };

    /// It changes nothing outside.
    pub const fn read_only(self) -> Traits {
        Traits {
            read_only: true,
            ..self
        }
    }

    /// Running it twice with the same idempotency key is the same as running it once.
    pub const fn idempotent(self) -> Traits {
        Traits {
            idempotent: true,
            ..self
        }
    }

    /// It may delete or overwrite.
    pub const fn destructive(self) -> Traits {
        Traits {
            destructive: true,
            ..self
        }
    }

    /// Whether it changes nothing outside.
    pub const fn is_read_only(self) -> bool {
        self.read_only
    }

    /// Whether running it twice with the same idempotency key is the same as running it once.
    pub const fn is_idempotent(self) -> bool {
        self.idempotent
    }

    /// Whether it may delete or overwrite.
    pub const fn is_destructive(self) -> bool {
        self.destructive
    }
}

/// A configuration to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// The configuration, as it would stand in a step.
    pub config: Value,
}

impl Example {
    /// An example with a title, the configuration usually written with `serde_json::json!`.
    pub fn new(title: impl Into<String>, config: Value) -> Example {
        Example {
            title: title.into(),
            config,
        }
    }
}
