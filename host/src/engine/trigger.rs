//! A run begins: checked, pinned, written, handed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork_bus::{Begun, Known, WorkItem};
use millwork_core::digest::Digest;
use millwork_core::event::{Event, Origin, Record, RunCreated};
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use millwork_store::limits::{Outcome, Passed};
use millwork_store::{Commit, Committed, Due, Idempotency, Labels, NewRun};
use sha2::{Digest as _, Sha256};

use super::definitions::Compiled;
use super::limits::{Asks, cancel_for_lack_of_room, entering, refusal};
use super::prelude::Prelude;
use super::registry::Reserved;
use super::{Engine, Error};
use crate::{random, telemetry};

/// How long who was turned away should wait: about as long as a full backlog takes to shrink by a tenth.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often the newest version is looked for when each that is found has been overtaken before the run is written.
pub(super) const OVERTAKEN_MAX: usize = 10;

/// A workflow to be run.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Which workflow.
    pub workflow: WorkflowId,
    /// Which version of it; the newest where nothing is said.
    pub version: Option<u32>,
    /// A JSON object.
    pub payload: Json,
    /// The caller's promise that two triggers with this key are one.
    pub idempotency_key: Option<String>,
    /// Texts by their names, by which people find the run.
    pub labels: Labels,
    /// The trace that the run is to belong to.
    pub trace: Option<TraceContext>,
}

/// A run to be begun, of a workflow that was found.
pub(super) struct Begin {
    pub(super) compiled: Arc<Compiled>,
    /// Whether that has to be the newest version.
    pub(super) is_newest: bool,
    pub(super) payload: Json,
    /// What started it, where nobody asked for it.
    pub(super) origin: Option<Origin>,
    /// What makes a second beginning with the same key the same run.
    pub(super) idempotency: Option<Idempotency>,
    pub(super) labels: Labels,
    pub(super) trace: Option<TraceContext>,
}

/// A run that is to be written for the first time.
pub(super) struct Newcomer<'a> {
    pub(super) id: RunId,
    pub(super) at: Timestamp,
    pub(super) created: Arc<RunCreated>,
    pub(super) graph: &'a Graph,
    /// Whether its version has to be the newest.
    pub(super) is_newest: bool,
    pub(super) idempotency: Option<Idempotency>,
}

/// What beginning a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BegunAs {
    /// A new run.
    New(RunId),
    /// The key has made this run before, from a request with this fingerprint.
    Known(RunId, Digest),
    /// None: the version is not the newest any more, or the workflow takes no runs.
    Outdated,
}

impl Engine {
    /// Creates a run, and answers once it is durable. The same idempotency key with the same payload answers with the
    /// first run.
    ///
    /// # Errors
    /// Where there is no such workflow or it takes no runs, too much waits already, a limit of the workflow is full, the key was
    /// used otherwise; or the store.
    pub async fn trigger(&self, trigger: Trigger) -> Result<RunId, Error> {
        let parts = &self.0;
        self.check_backlog()?;
        let fingerprint = fingerprint(&trigger);
        let idempotency = trigger.idempotency_key.as_ref().map(|key| Idempotency {
            key: key.clone(),
            fingerprint,
            expires_at: parts.clock.now().after(parts.options.idempotency_kept),
        });
        for _ in 0..OVERTAKEN_MAX {
            let begin = Begin {
                compiled: self.find_to_run(&trigger).await?,
                is_newest: trigger.version.is_none(),
                payload: trigger.payload.clone(),
                origin: None,
                idempotency: idempotency.clone(),
                labels: trigger.labels.clone(),
                trace: trigger.trace,
            };
            match self.begin(begin).await? {
                BegunAs::New(run) => return Ok(run),
                BegunAs::Known(run, known) if known == fingerprint => return Ok(run),
                BegunAs::Known(..) => {
                    return Err(Error::IdempotencyKeyReused {
                        key: trigger.idempotency_key.unwrap_or_default(),
                    });
                }
                // There is a newer version by now.
                BegunAs::Outdated => parts.definitions.forget_newest(trigger.workflow),
            }
        }
        Err(overtaken())
    }

    /// Finds the version that a trigger asks for.
    async fn find_to_run(&self, trigger: &Trigger) -> Result<Arc<Compiled>, Error> {
        let definitions = &self.0.definitions;
        match trigger.version {
            None => definitions.find_newest(trigger.workflow).await,
            Some(version) => {
                definitions.look_for_newest(trigger.workflow).await?;
                definitions.find(trigger.workflow, version).await
            }
        }
    }

    /// Creates a run, and hands it on once it is durable.
    pub(super) async fn begin(&self, begin: Begin) -> Result<BegunAs, Error> {
        let Begin {
            compiled,
            is_newest,
            payload,
            origin,
            idempotency,
            labels,
            trace,
        } = begin;
        let at = self.0.clock.now();
        let id = random::run_id(at);
        let created = RunCreated {
            origin,
            labels,
            trace: trace.or_else(|| self.0.options.traces.beginning(id)),
            ..self.describe(&compiled, payload, at)?
        };
        let newcomer = Newcomer {
            id,
            at,
            created: Arc::new(created),
            graph: &compiled.graph,
            is_newest,
            idempotency,
        };
        let begun = match self.play(id, &newcomer.created, &compiled.graph, at) {
            Some(prelude) => self.create_with(newcomer, prelude).await?,
            None => {
                // In hand before it is written, so that nobody who reads the store takes it up beside us.
                let place = self.0.registry.reserve(id);
                self.create(newcomer, Some(place)).await?
            }
        };
        match begun {
            Some(begun) => Ok(begun),
            // The random part of the identifier has come up twice. It has not happened yet.
            None => Err(Error::Store(millwork_store::Error::Damaged {
                what: "a new run",
                detail: format!("the identifier {id} exists already"),
            })),
        }
    }

    /// What a run of a workflow begins with.
    pub(super) fn describe(
        &self,
        compiled: &Compiled,
        payload: Json,
        at: Timestamp,
    ) -> Result<RunCreated, Error> {
        compiled.check_payload(&payload)?;
        let (workflow, version) = (compiled.workflow, compiled.version);
        Ok(RunCreated {
            workflow,
            version,
            bounds: compiled.graph.bounds(workflow, version, &payload)?,
            payload,
            plugins: self.0.definitions.pins(compiled)?,
            origin: None,
            deadline: compiled.graph.deadline(at),
            parent: None,
            labels: Labels::new(),
            trace: None,
        })
    }

    /// Writes a new run, and hands it on where there is a place for it. Nothing where its identifier exists.
    pub(super) async fn create(
        &self,
        newcomer: Newcomer<'_>,
        place: Option<Reserved<'_>>,
    ) -> Result<Option<BegunAs>, Error> {
        let parts = &self.0;
        let Newcomer {
            id,
            at,
            created,
            graph,
            is_newest,
            idempotency,
        } = newcomer;
        let record = |event| Record { at, event }.encode();
        let mut run = Run::new(id, Arc::clone(&created), at);
        let mut records = vec![record(Event::RunCreated(Arc::clone(&created)))];
        let passage = created.bounds.as_ref().and_then(|bounds| {
            let waiting = (records.clone(), at);
            let asked = self.ask_to_enter(&run, bounds, graph, Asks::First, waiting);
            records.push(record(Event::RunAdmitted {}));
            entering(asked)
        });
        let commit = Commit {
            run: id,
            first_seq: 0,
            records,
            summary: run.summary(),
            due_at: Some(parts.claims.in_hand(at, at)),
            keeps_due: false,
            passage,
            new: Some(new_run(&created, at, is_newest, idempotency)),
        };
        let committed = match parts.committer.commit(commit).await {
            Ok(committed) => committed,
            Err(error) => {
                // It may have been written after all: then it is due, and the store knows it.
                drop(place);
                parts.backlog.note();
                return Err(error.into());
            }
        };
        match &committed {
            Committed::Written => {
                if let Some(place) = place {
                    let known = Known::Begun(Begun { created, at });
                    self.hand_on_new(place, WorkItem { run: id, known });
                }
            }
            Committed::Passed(passed) => self.hand_on_bound(place, &mut run, graph, passed, at),
            Committed::Outdated
            | Committed::Replayed { .. }
            | Committed::Full(_)
            | Committed::Conflict => {}
        }
        self.begun_as(id, committed)
    }

    /// Writes a new run with what has been played of it, and leaves it where that ends. Nothing where its identifier exists.
    async fn create_with(
        &self,
        newcomer: Newcomer<'_>,
        prelude: Prelude,
    ) -> Result<Option<BegunAs>, Error> {
        let parts = &self.0;
        let Newcomer {
            id,
            at,
            created,
            is_newest,
            idempotency,
            ..
        } = newcomer;
        let Some(held) = parts.registry.enter(id) else {
            return Ok(None);
        };
        let stands = self.due_after_prelude(&prelude, at);
        let event = Event::RunCreated(Arc::clone(&created));
        let mut records = vec![Record { at, event }.encode()];
        records.extend(prelude.records.iter().map(Record::encode));
        let commit = Commit {
            run: id,
            first_seq: 0,
            records,
            summary: prelude.run.summary(),
            due_at: stands.0,
            keeps_due: false,
            passage: None,
            new: Some(new_run(&created, at, is_newest, idempotency)),
        };
        let committed = match parts.committer.commit(commit).await {
            Ok(committed) => committed,
            Err(error) => {
                drop(held);
                parts.backlog.note();
                return Err(error.into());
            }
        };
        if committed == Committed::Written {
            self.leave_prelude(held, &prelude, stands);
        }
        self.begun_as(id, committed)
    }

    /// What a new run came to in the store.
    fn begun_as(&self, id: RunId, committed: Committed) -> Result<Option<BegunAs>, Error> {
        if self.take_in(&committed) {
            metrics::counter!(telemetry::RUNS_TRIGGERED).increment(1);
        }
        match committed {
            Committed::Written | Committed::Passed(_) => Ok(Some(BegunAs::New(id))),
            Committed::Outdated => Ok(Some(BegunAs::Outdated)),
            Committed::Replayed { run, fingerprint } => Ok(Some(BegunAs::Known(run, fingerprint))),
            Committed::Full(full) => {
                metrics::counter!(telemetry::RUNS_REFUSED).increment(1);
                Err(refusal(&full, self.0.options.limit_queue_max))
            }
            Committed::Conflict => Ok(None),
        }
    }

    /// Hands on a new run that asked to be let in, where there is something to do.
    fn hand_on_bound(
        &self,
        place: Option<Reserved<'_>>,
        run: &mut Run,
        graph: &Graph,
        passed: &Passed,
        at: Timestamp,
    ) {
        // There is something to read: its first event is not its only one, or it has to ask again.
        let known = Known::Offered { began: at };
        let item = WorkItem {
            run: run.id(),
            known,
        };
        match passed.outcome {
            // Its rate says when to ask again; only who takes the place of others is taken up at once.
            Outcome::Waits { due_at: Some(due) } if due != self.0.claims.in_hand(at, at) => {
                drop(place);
                self.wake(&[Due {
                    at: due,
                    run: run.id(),
                }]);
            }
            Outcome::In | Outcome::Waits { due_at: Some(_) } => {
                if let Some(place) = place {
                    self.hand_on_new(place, item);
                }
            }
            Outcome::Waits { due_at: None } | Outcome::Out => drop(place),
            Outcome::Instead => {
                drop(place);
                cancel_for_lack_of_room(run, graph, at);
                self.announce_end(run);
            }
        }
    }

    pub(super) fn check_backlog(&self) -> Result<(), Error> {
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

/// What the row of a new run says for good.
fn new_run(
    created: &RunCreated,
    at: Timestamp,
    is_newest: bool,
    idempotency: Option<Idempotency>,
) -> NewRun {
    NewRun {
        workflow: created.workflow,
        version: created.version,
        is_newest,
        created_at: at,
        idempotency,
        labels: created.labels.clone(),
    }
}

/// A workflow is being changed all the time: every version that was found was overtaken.
pub(super) fn overtaken() -> Error {
    Error::Store(millwork_store::Error::Unavailable {
        action: "create a run: its workflow is being changed all the time",
        source: "every version was overtaken".into(),
    })
}

/// What tells one request from another under the same idempotency key.
fn fingerprint(trigger: &Trigger) -> Digest {
    // Read and written again, so that spaces do not count.
    let mut text = trigger.payload.value().to_string();
    if let Some(version) = trigger.version {
        text += &format!("@{version}");
    }
    if !trigger.labels.is_empty() {
        text += &format!("#{:?}", trigger.labels);
    }
    Digest::from_bytes(Sha256::digest(text).into())
}
