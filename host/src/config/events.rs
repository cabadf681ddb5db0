//! What the world is told of runs that end, and how.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, span};

/// What the world is told of runs that end: CloudEvents, to a topic (`kafka.topic_events`) and to webhooks. All processes that share a
/// database have to say the same here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// What stands in every event as its `source`: a URI reference that tells this installation from others.
    pub source: String,
    /// How long a delivery to a webhook is tried before it is given up. What was given up is kept, and can be sent again.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub retry_for: Duration,
    /// How long a webhook may take to answer.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub timeout: Duration,
    /// Requests to one webhook that a process has under way at a time.
    pub in_flight_max: NonZeroUsize,
    /// How long after the end of its run a delivery is kept that did not arrive; longer than `retry_for`.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub kept: Duration,
    /// The webhooks, by names that lists and metrics show.
    pub webhooks: BTreeMap<String, Webhook>,
}

/// A webhook that is told of ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Where the events are sent, by POST. Addresses inside your network are fine here: it is you who says them.
    pub url: String,
    /// What the requests are signed with (Standard Webhooks, `whsec_…`): each `{ env = "NAME" }`, `{ file = "PATH" }`, or `{ secret = "NAME" }`
    /// for a secret of `[secrets]` or of the API. With several each request carries a signature of each, which is how they are changed.
    pub secrets: Vec<SigningSecret>,
    /// Only these types: `millwork.run.succeeded`, `millwork.run.failed`, `millwork.run.cancelled`; all where nothing is said.
    pub types: Vec<String>,
    /// Only runs of these workflows, by their names or identifiers; of all where nothing is said.
    pub workflows: Vec<String>,
    /// Only runs with all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// Where a signing secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a text, { env = \"NAME\" }, { file = \"PATH\" } or { secret = \"NAME\" }"
)]
pub enum SigningSecret {
    /// Among the secrets that plugins use.
    Named {
        /// Its name.
        secret: String,
    },
    /// Where the configuration says.
    Here(Secret),
}

impl Default for Events {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            source: "/millwork".to_owned(),
            retry_for: Duration::from_secs(3 * DAY),
            timeout: Duration::from_secs(20),
            in_flight_max: NonZeroUsize::new(16).expect("a default is not zero"),
            kept: Duration::from_secs(30 * DAY),
            webhooks: BTreeMap::new(),
        }
    }
}
