//! Where spans go.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// Spans for OpenTelemetry: of requests, runs, steps, calls of plugins, and the requests that these send. All processes that share a
/// database have to say the same here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// The collector, which takes OTLP over HTTP: `http://127.0.0.1:4318`. Where nothing is said, there are no spans. Also the variable
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What is sent along with each request, such as `authorization`: each a text, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub headers: BTreeMap<String, Secret>,
    /// What the process calls itself. Also the variable `OTEL_SERVICE_NAME`.
    pub service_name: String,
    /// Of so many traces that begin here one is recorded. Of those that a caller has begun (`traceparent`), it is he who says.
    pub one_in: NonZeroU32,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: BTreeMap::new(),
            service_name: "millwork".to_owned(),
            one_in: NonZeroU32::MIN,
        }
    }
}
