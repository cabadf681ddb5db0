//! What the world is told of runs that end: who wants to know, in which form, and how it gets there.
//!
//! The engine asks an [`Audience`] what is to be told of an end, hands it to the bus, and keeps a delivery for each webhook that
//! wants it; from there on a [`Courier`] sees to it. See `docs/decisions/0022-events-out.md`.

mod courier;
mod post;
mod signature;
mod webhook;

pub use courier::Courier;
pub use post::{Answer, HttpPost, Post, Request};
pub use signature::{KeyError, SigningKey, sign};
pub use webhook::{Webhook, WebhookError, Wish, read_webhooks};

use std::sync::Arc;

use millwork_bus::CloudEvent;
use millwork_core::id::DeliveryId;
use millwork_core::run::{Run, RunStatus};
use millwork_core::trace::TraceContext;
use millwork_store::Delivery;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

/// A run has done all that it was to do.
pub const RUN_SUCCEEDED: &str = "millwork.run.succeeded";
/// A run has failed.
pub const RUN_FAILED: &str = "millwork.run.failed";
/// A run was ended by somebody.
pub const RUN_CANCELLED: &str = "millwork.run.cancelled";

/// Every type there is.
pub const TYPES: [&str; 3] = [RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED];

/// Bytes of a failure's text that an event carries.
const ERROR_MAX_BYTES: usize = 8 << 10;

/// Who wants to know of ends.
#[derive(Clone, Debug)]
pub struct Audience {
    /// Is told when a delivery was kept, or is to be sent again.
    pub kept: Arc<Notify>,
    /// What every event says of where it comes from.
    pub source: Arc<str>,
    /// The webhooks, and what each wants to know.
    pub webhooks: Vec<Wish>,
}

/// What is told of the end of a run.
#[derive(Serialize)]
struct Told<'a> {
    run_id: String,
    workflow_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<&'a str>,
    workflow_version: u32,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ToldError<'a>>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    labels: &'a std::collections::BTreeMap<String, String>,
    /// How often it was done again before.
    retries: u32,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    completed_at: String,
}

#[derive(Serialize)]
struct ToldError<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

impl Audience {
    /// What is told of the end of a run, whose workflow has a name and which has a place in a trace; nothing where it has not ended.
    #[must_use]
    pub fn event(
        &self,
        run: &Run,
        workflow: Option<&str>,
        trace: Option<TraceContext>,
    ) -> Option<CloudEvent> {
        let completed_at = run.completed_at()?;
        let error = run.error().map(|error| ToldError {
            code: &error.code,
            message: shorten(&error.message),
            step: error.step.as_ref().map(ToString::to_string),
        });
        let told = Told {
            run_id: run.id().to_string(),
            workflow_id: run.created().workflow.to_string(),
            workflow,
            workflow_version: run.version(),
            status: run.status().as_str(),
            error,
            labels: &run.created().labels,
            retries: run.round(),
            created_at: run.created_at().to_string(),
            started_at: run.started_at().map(|at| at.to_string()),
            completed_at: completed_at.to_string(),
        };
        Some(CloudEvent {
            // A run that is done again ends again. No dot: it stands before one in what is signed.
            id: format!("{}-{}", run.id(), run.round()),
            source: self.source.to_string(),
            kind: kind(run.status())?,
            subject: run.id().to_string(),
            time: completed_at,
            traceparent: trace.map(|trace| trace.to_string()),
            data: to_raw(&told),
        })
    }

    /// The deliveries of an event: one for each webhook that wants it.
    #[must_use]
    pub fn deliveries(
        &self,
        run: &Run,
        workflow: Option<&str>,
        event: &CloudEvent,
    ) -> Vec<Delivery> {
        let created = run.created();
        let mut body = None;
        let wanting = self
            .webhooks
            .iter()
            .filter(|wish| wish.wants(event.kind, created.workflow, workflow, &created.labels));
        let delivery = |wish: &Wish| Delivery {
            id: delivery_id(event, &wish.name),
            webhook: wish.name.clone(),
            run: run.id(),
            event: event.id.clone(),
            body: body.get_or_insert_with(|| event.structured()).clone(),
            created_at: event.time,
            since: event.time,
            attempts: 0,
            due_at: Some(event.time),
            failure: None,
        };
        wanting.map(delivery).collect()
    }
}

/// The type of the event that tells of an end.
const fn kind(status: RunStatus) -> Option<&'static str> {
    match status {
        RunStatus::Success => Some(RUN_SUCCEEDED),
        RunStatus::Failed => Some(RUN_FAILED),
        RunStatus::Cancelled => Some(RUN_CANCELLED),
        RunStatus::Pending | RunStatus::Running | RunStatus::Paused => None,
    }
}

/// The same for the same end and webhook, however often it is told.
fn delivery_id(event: &CloudEvent, webhook: &str) -> DeliveryId {
    let digest: [u8; 32] = Sha256::digest(format!("{}\n{webhook}", event.id)).into();
    let mut chance = [0; 10];
    chance.copy_from_slice(&digest[..10]);
    DeliveryId::from_parts(event.time, chance)
}

fn to_raw(told: &Told<'_>) -> Box<RawValue> {
    serde_json::value::to_raw_value(told).expect("texts and numbers can be written as JSON")
}

fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(ERROR_MAX_BYTES)]
}
