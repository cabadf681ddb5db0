//! A run begins: checked, pinned, written, handed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork_bus::{Begun, Known, WorkItem};
use millwork_core::digest::Digest;
use millwork_core::event::{Event, Record, RunCreated};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::Run;
use millwork_store::{Commit, Committed, Idempotency, NewRun};
use sha2::{Digest as _, Sha256};

use super::{Engine, Error};
use crate::{random, telemetry};

/// How long who was turned away should wait: about as long as a full backlog takes to shrink by a tenth.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A workflow to be run.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Which workflow.
    pub workflow: WorkflowId,
    /// A JSON object.
    pub payload: Json,
    /// The caller's promise that two triggers with this key are one.
    pub idempotency_key: Option<String>,
}

impl Engine {
    /// Creates a run, and answers once it is durable. The same idempotency key with the same payload answers with the
    /// first run.
    ///
    /// # Errors
    /// Where there is no such workflow, too much waits already, the key was used otherwise; or the store.
    pub async fn trigger(&self, trigger: Trigger) -> Result<RunId, Error> {
        let parts = &self.0;
        self.check_backlog()?;
        let compiled = parts.definitions.find_newest(trigger.workflow).await?;
        let at = parts.clock.now();
        let run = random::run_id(at);
        let idempotency = trigger.idempotency_key.as_ref().map(|key| Idempotency {
            key: key.clone(),
            fingerprint: fingerprint(&trigger.payload),
            expires_at: at.after(parts.options.idempotency_kept),
        });
        let created = Arc::new(RunCreated {
            workflow: compiled.workflow,
            version: compiled.version,
            payload: trigger.payload,
            plugins: parts.definitions.pins(&compiled)?,
        });
        let record = Record {
            at,
            event: Event::RunCreated(Arc::clone(&created)),
        };
        let commit = Commit {
            run,
            first_seq: 0,
            records: vec![record.encode()],
            summary: Run::new(run, Arc::clone(&created), at).summary(),
            due_at: Some(parts.claims.in_hand(at, at)),
            keeps_due: false,
            new: Some(NewRun {
                workflow: created.workflow,
                version: created.version,
                created_at: at,
                idempotency: idempotency.clone(),
            }),
        };
        // In hand before it is written, so that nobody who reads the store takes it up beside us.
        let place = parts.registry.reserve(run);
        let committed = match parts.committer.commit(commit).await {
            Ok(committed) => committed,
            Err(error) => {
                // It may have been written after all: then it is due, and the store knows it.
                drop(place);
                parts.backlog.note();
                return Err(error.into());
            }
        };
        match committed {
            Committed::Written => {
                metrics::counter!(telemetry::RUNS_TRIGGERED).increment(1);
                self.hand_on_new(
                    place,
                    WorkItem {
                        run,
                        known: Known::Begun(Begun { created, at }),
                    },
                );
                Ok(run)
            }
            Committed::Replayed { run, fingerprint }
                if idempotency
                    .as_ref()
                    .is_some_and(|i| i.fingerprint == fingerprint) =>
            {
                Ok(run)
            }
            Committed::Replayed { .. } => Err(Error::IdempotencyKeyReused {
                key: trigger.idempotency_key.unwrap_or_default(),
            }),
            // The random part of the identifier has come up twice. It has not happened yet.
            Committed::Conflict => Err(Error::Store(millwork_store::Error::Damaged {
                what: "a new run",
                detail: format!("the identifier {run} exists already"),
            })),
        }
    }

    fn check_backlog(&self) -> Result<(), Error> {
        let parts = &self.0;
        if parts.is_closing.load(Ordering::Relaxed) {
            return Err(Error::ShuttingDown);
        }
        let (backlog, limit) = (self.backlog(), parts.options.backlog_max);
        if backlog >= limit {
            return Err(Error::Overloaded {
                backlog,
                limit,
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }
}

/// What tells one request from another under the same idempotency key.
fn fingerprint(payload: &Json) -> Digest {
    // Read and written again, so that spaces do not count.
    Digest::from_bytes(Sha256::digest(payload.value().to_string()).into())
}
