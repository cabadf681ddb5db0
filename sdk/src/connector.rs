//! What a connector is as a whole: its name, its actions and the powers it asks for.

use std::time::Duration;

use serde_json::Value;

use crate::dispatch::Entry;
use crate::{Example, Traits};

/// A connector as a whole. [`export!`](crate::export) implements it on a type named `Connector`; nobody else needs to.
pub trait Connector {
    /// The name that the `type` of a step uses.
    const NAME: &'static str;
    /// The version, by semantic versioning.
    const VERSION: &'static str;
    /// One sentence for the person who chooses a connector.
    const DESCRIPTION: &'static str;
    /// Its actions; the first is what a `type` without an action means.
    #[doc(hidden)]
    const ACTIONS: &'static [Entry];

    /// The powers it needs.
    fn asks() -> Vec<Ask>;

    /// What the host is told when it asks what this connector is.
    fn manifest() -> Manifest {
        Manifest {
            name: Self::NAME.to_owned(),
            version: Self::VERSION.to_owned(),
            description: Self::DESCRIPTION.to_owned(),
            actions: Self::ACTIONS
                .iter()
                .map(|entry| (entry.describe)())
                .collect(),
            asks: Self::asks(),
        }
    }
}

/// A power that a connector needs. What is not asked for and granted by the operator is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// HTTP to hosts that match a pattern: `https://slack.com`, `https://*.example.com:8443`, `*`.
    Http(String),
    /// The secret of this name.
    Secret(String),
    /// Small values kept between calls.
    Kv,
    /// A directory, which the connector finds at `/` and this name.
    Directory(String),
    /// A variable of the environment.
    Variable(String),
}

impl Ask {
    /// HTTP to hosts that match a pattern.
    pub fn http(pattern: impl Into<String>) -> Ask {
        Ask::Http(pattern.into())
    }

    /// The secret of this name.
    pub fn secret(name: impl Into<String>) -> Ask {
        Ask::Secret(name.into())
    }

    /// Small values kept between calls.
    pub fn kv() -> Ask {
        Ask::Kv
    }

    /// A directory, which the connector finds at `/` and this name.
    pub fn directory(name: impl Into<String>) -> Ask {
        Ask::Directory(name.into())
    }

    /// A variable of the environment.
    pub fn variable(name: impl Into<String>) -> Ask {
        Ask::Variable(name.into())
    }
}

/// What a connector is and what it can do, as the host is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The name that the `type` of a step uses.
    pub name: String,
    /// The version, by semantic versioning.
    pub version: String,
    /// One sentence for the person who chooses a connector.
    pub description: String,
    /// Its actions, in the order of [`export!`](crate::export).
    pub actions: Vec<ActionManifest>,
    /// The powers it needs.
    pub asks: Vec<Ask>,
}

/// One action, as the host is told.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionManifest {
    /// The part of a step's `type` after the dot.
    pub name: String,
    /// A short heading.
    pub title: String,
    /// What it does.
    pub description: String,
    /// JSON Schema (2020-12) of the configuration.
    pub config_schema: Value,
    /// JSON Schema (2020-12) of the output.
    pub output_schema: Value,
    /// Configurations to start from.
    pub examples: Vec<Example>,
    /// What running it means for the world.
    pub traits: Traits,
    /// How long an attempt may take where the step does not say.
    pub timeout: Option<Duration>,
    /// How many attempts a retryable failure gets where the step does not say.
    pub attempts_max: Option<u32>,
}
