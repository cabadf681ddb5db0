//! What a run is bound by before it begins: the keys under which it counts, as its workflow's expressions made them when
//! it was created. They are written down with the run, so that what the expressions would say later does not matter.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::WhenFull;
use crate::expression::{ExpressionError, Found, Scope};
use crate::graph::Graph;
use crate::id::WorkflowId;
use crate::json::Json;
use crate::template::Template;

/// Bytes that a key may have.
pub const KEY_MAX_BYTES: usize = 256;

/// What a run is bound by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// How many runs with its key may be under way at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyBound>,
    /// How many runs with its key may begin in a span of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateBound>,
    /// Which of the runs that wait goes first: 1 before 5.
    pub priority: u8,
}

/// How many runs with a key may be under way at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcurrencyBound {
    /// The key.
    pub key: String,
    /// How many.
    pub limit: u32,
    /// What becomes of a run for which there is no room.
    pub when_full: WhenFull,
}

/// How many runs with a key may begin in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateBound {
    /// The key.
    pub key: String,
    /// How many.
    pub limit: u32,
    /// The span, in milliseconds.
    pub per_ms: u64,
}

impl RateBound {
    /// The span.
    #[must_use]
    pub const fn per(&self) -> Duration {
        Duration::from_millis(self.per_ms)
    }
}

/// A key that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("{place} {reason}")]
pub struct KeyError {
    /// Which key, as a path into the definition.
    pub place: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Graph {
    /// What a run is bound by that begins with a payload. Nothing where its workflow bounds nothing.
    ///
    /// # Errors
    /// Where an expression gives no value for this payload, or none that a key can be.
    pub fn bounds(
        &self,
        workflow: WorkflowId,
        version: u32,
        payload: &Json,
    ) -> Result<Option<Bounds>, KeyError> {
        if self.concurrency.is_none() && self.rate_limit.is_none() {
            return Ok(None);
        }
        let scope = StartScope {
            graph: self,
            workflow,
            version,
            payload,
        };
        let concurrency = self.concurrency.as_ref().map(|bound| {
            Ok(ConcurrencyBound {
                key: key("concurrency.key", &bound.key, &scope)?,
                limit: bound.limit,
                when_full: bound.when_full,
            })
        });
        let rate = self.rate_limit.as_ref().map(|bound| {
            Ok(RateBound {
                key: key("rate_limit.key", &bound.key, &scope)?,
                limit: bound.limit,
                per_ms: u64::try_from(bound.per.as_millis()).unwrap_or(u64::MAX),
            })
        });
        Ok(Some(Bounds {
            concurrency: concurrency.transpose()?,
            rate: rate.transpose()?,
            priority: self.priority,
        }))
    }
}

fn key(place: &'static str, key: &Template, scope: &dyn Scope) -> Result<String, KeyError> {
    let refuse = |reason: String| KeyError { place, reason };
    let value = key.render(scope).map_err(|error: ExpressionError| {
        refuse(format!("gives no key for this payload: {error}"))
    })?;
    let text = match value.value() {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.value().to_string(),
        Value::Null => {
            return Err(refuse(
                "gives null for this payload, which is no key".to_owned(),
            ));
        }
        Value::Array(_) | Value::Object(_) => {
            let reason = "gives a list or an object for this payload: a key is a text or a number";
            return Err(refuse(reason.to_owned()));
        }
    };
    if text.len() > KEY_MAX_BYTES {
        let found = text.len();
        return Err(refuse(format!(
            "gives a key of {found} bytes for this payload, the limit is {KEY_MAX_BYTES}"
        )));
    }
    Ok(text)
}

/// What is known of a workflow.
pub(crate) fn told_of(graph: &Graph, workflow: WorkflowId, version: u32) -> Found<'static> {
    Found::Value(Cow::Owned(json!({
        "id": workflow.to_string(),
        "version": version,
        "name": graph.name,
    })))
}

/// What is known before a run begins.
struct StartScope<'a> {
    graph: &'a Graph,
    workflow: WorkflowId,
    version: u32,
    payload: &'a Json,
}

impl Scope for StartScope<'_> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        match name {
            "payload" => Some(Found::Document(self.payload)),
            "workflow" => Some(told_of(self.graph, self.workflow, self.version)),
            "env" => Some(Found::Value(Cow::Borrowed(&*self.graph.env))),
            _ => None,
        }
    }
}
