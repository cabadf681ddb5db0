//! Runs that requests from outside start.

use std::sync::Arc;
use std::time::Duration;

use millwork_core::definition::{Trigger as Defined, WebhookTrigger};
use millwork_core::digest::Digest;
use millwork_core::event::Origin;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use millwork_store::Idempotency;
use sha2::{Digest as _, Sha256};

use super::definitions::Compiled;
use super::trigger::{Begin, BegunAs};
use super::{Engine, Error};

/// How long it is remembered that a delivery has started a run: longer than senders repeat themselves.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An inbound webhook of the newest version of a workflow.
#[derive(Clone, Debug)]
pub struct Webhook {
    compiled: Arc<Compiled>,
    trigger: WebhookTrigger,
}

impl Webhook {
    /// What its workflow says of it.
    #[must_use]
    pub const fn trigger(&self) -> &WebhookTrigger {
        &self.trigger
    }
}

impl Engine {
    /// What time it is, for who has to judge how old something is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Finds the inbound webhook at a path.
    ///
    /// # Errors
    /// The store.
    pub async fn find_webhook(&self, path: &str) -> Result<Option<Webhook>, Error> {
        for id in self.0.store.find_webhooks(path).await?.into_iter().rev() {
            let compiled = self.find_of(id).await?;
            let number = usize::try_from(id.number).unwrap_or(usize::MAX);
            if let Some(Defined::Webhook(webhook)) = compiled.graph.triggers.get(number) {
                let trigger = webhook.clone();
                return Ok(Some(Webhook { compiled, trigger }));
            }
        }
        Ok(None)
    }

    /// Begins a run for a request, and answers once it is durable. A second request of the same delivery is answered with the run
    /// of the first. Nothing where the webhook is not one of the newest version any more: then it has to be looked for again.
    ///
    /// # Errors
    /// As those of [`Self::trigger`].
    pub async fn begin_by_webhook(
        &self,
        hook: &Webhook,
        delivery: Option<String>,
        payload: Json,
        trace: Option<TraceContext>,
    ) -> Result<Option<RunId>, Error> {
        self.check_backlog()?;
        let path = hook.trigger().path.clone();
        let idempotency = delivery.as_ref().map(|delivery| {
            // No key that a caller of the API could send.
            let key = format!("\u{1}webhook {path} {delivery}");
            Idempotency {
                fingerprint: Digest::from_bytes(Sha256::digest(&key).into()),
                key,
                expires_at: self.now().after(REMEMBERED),
            }
        });
        let begin = Begin {
            labels: millwork_store::Labels::new(),
            trace,
            compiled: Arc::clone(&hook.compiled),
            is_newest: true,
            payload,
            origin: Some(Origin::Webhook { path, delivery }),
            idempotency,
        };
        match self.begin(begin).await? {
            BegunAs::New(run) | BegunAs::Known(run, _) => Ok(Some(run)),
            BegunAs::Outdated => Ok(None),
        }
    }
}
