//! The engine: the shell around `core`. Loads a run, asks what happens next, commits it, carries it out.
//!
//! The door is [`Engine`]. Behind it: `driver` (one run, from taking it up to its end or its next wait), `committer`
//! (group commit), `schedule` (what is due when), `registry` (what is in hand here), `definitions` (what is compiled).

mod committer;
mod definitions;
mod driver;
mod registry;
mod schedule;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millwork_core::command::Command;
use millwork_core::decide::{Rejection, decide};
use millwork_core::definition::Problem;
use millwork_core::digest::Digest;
use millwork_core::event::{Event, Record, RunCreated};
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::{Run, RunStatus};
use millwork_core::time::Timestamp;
use millwork_plugin::PluginRuntime;
use millwork_store::{Commit, Committed, Idempotency, NewRun, RunQuery, RunRow, Store, Workflow};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::bus::{Bus, Fresh, WorkItem};
use crate::clock::Clock;
use crate::random;
use crate::telemetry;
use committer::{CommitError, Committer};
use definitions::Definitions;
use registry::{Registry, Reserved};
use schedule::Schedule;

/// What the engine is told by whoever runs it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs that are executed at the same time. A run that waits is not executed.
    pub in_flight_max: usize,
    /// Runs that may wait to be executed before triggers are turned away.
    pub backlog_max: u64,
    /// How long an attempt is under way before the journal says that it has begun.
    pub record_start_after: Duration,
    /// How long an idempotency key is remembered.
    pub idempotency_kept: Duration,
    /// How long a finished run is kept; for ever where absent.
    pub retention: Option<Duration>,
    /// What `env` means in expressions.
    pub env: Arc<Value>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight_max: 1_000,
            backlog_max: 1_000_000,
            record_start_after: Duration::from_millis(200),
            idempotency_kept: Duration::from_secs(24 * 60 * 60),
            retention: None,
            env: Arc::new(Value::Object(serde_json::Map::new())),
        }
    }
}

/// The engine. Cheap to clone: every clone is the same one.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    plugins: Arc<dyn PluginRuntime>,
    clock: Arc<dyn Clock>,
    options: Options,
    committer: Committer,
    definitions: Definitions,
    registry: Registry,
    schedule: Arc<Schedule>,
    /// Who waits for a run to end.
    waiters: Mutex<HashMap<RunId, Arc<Notify>>>,
    tasks: TaskTracker,
    is_closing: AtomicBool,
}

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

/// A run, with the graph of the workflow version that it is pinned to.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The run.
    pub run: Run,
    /// Its workflow.
    pub graph: Arc<Graph>,
}

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition does not hold.
    #[error("the definition does not hold")]
    InvalidDefinition(Vec<Problem>),
    /// There is no such workflow.
    #[error("Workflow {0} not found")]
    UnknownWorkflow(WorkflowId),
    /// There is no such run.
    #[error("Workflow run not found")]
    UnknownRun(RunId),
    /// A plugin that the workflow uses is not installed any more.
    #[error("workflow {workflow} cannot start: {message}")]
    PluginMissing {
        /// Which workflow.
        workflow: WorkflowId,
        /// What is missing.
        message: String,
    },
    /// Too much waits already; nothing was accepted.
    #[error("{backlog} runs are waiting to be executed, the limit is {limit} (engine.backlog_max)")]
    Overloaded {
        /// How many wait.
        backlog: u64,
        /// How many may.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// The same key came with another request.
    #[error("the idempotency key \"{key}\" was used with another request")]
    IdempotencyKeyReused {
        /// The key.
        key: String,
    },
    /// Nothing more can happen to the run.
    #[error("run {run} has ended: its status is {status}")]
    Finished {
        /// Which run.
        run: RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// The journal holds what this host cannot read.
    #[error("the journal of run {run} cannot be read: {detail}")]
    Journal {
        /// Which run.
        run: RunId,
        /// Why not.
        detail: String,
    },
    /// The host is about to end.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] millwork_store::Error),
    /// Nobody knows whether it was written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The parts of the system and what is wrong with each, if anything.
#[derive(Clone, Debug)]
pub struct Health {
    /// By name. What is wrong is said without the words of a database.
    pub parts: Vec<(&'static str, Option<String>)>,
}

/// How long who was turned away should wait: about as long as a full backlog takes to shrink by a tenth.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Runs removed at once.
const RETENTION_BATCH: usize = 1_000;

/// How often the store is asked for runs to remove.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// Puts the engine together and starts its own tasks; [`crate::worker`] executes what it brings to the bus.
    pub fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        plugins: Arc<dyn PluginRuntime>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let schedule = Arc::new(Schedule::starting_at(clock.now()));
        let committer = Committer::start(Arc::clone(&store), Arc::clone(&schedule));
        let definitions = Definitions::new(
            Arc::clone(&store),
            Arc::clone(&plugins),
            Arc::clone(&options.env),
        );
        let engine = Self(Arc::new(Parts {
            schedule,
            store,
            bus,
            plugins,
            clock,
            options,
            committer,
            definitions,
            registry: Registry::default(),
            waiters: Mutex::default(),
            tasks: TaskTracker::new(),
            is_closing: AtomicBool::new(false),
        }));
        tokio::spawn(schedule::read_ahead(engine.clone()));
        tokio::spawn(schedule::fire(engine.clone()));
        tokio::spawn(schedule::refill(engine.clone()));
        tokio::spawn(remove_old_runs(engine.clone()));
        engine
    }

    /// Checks a definition whole and keeps it as the first version of a new workflow.
    ///
    /// # Errors
    /// Everything that is wrong with the definition; or the store.
    pub async fn create_workflow(&self, mut document: Value) -> Result<WorkflowId, Error> {
        let parts = &self.0;
        let graph = parts
            .definitions
            .check(&document)
            .await
            .map_err(Error::InvalidDefinition)?;
        let created_at = parts.clock.now();
        let id = random::workflow_id(created_at);
        // Answers carry the host's own `uuid`; what a client sent under that name was never part of the definition.
        if let Some(fields) = document.as_object_mut() {
            fields.shift_remove("uuid");
        }
        let workflow = Workflow {
            id,
            version: 1,
            name: graph.name.clone(),
            definition: document.to_string(),
            created_at,
        };
        parts.store.insert_workflow(workflow).await?;
        parts.definitions.keep(id, 1, graph);
        tracing::debug!(workflow.id = %id, "workflow created");
        Ok(id)
    }

    /// Finds the newest version of a workflow.
    ///
    /// # Errors
    /// The store.
    pub async fn find_workflow(&self, id: WorkflowId) -> Result<Option<Workflow>, Error> {
        Ok(self.0.store.find_workflow(id, None).await?)
    }

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
            due_at: Some(at),
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
                parts.schedule.note_backlog();
                return Err(error.into());
            }
        };
        match committed {
            Committed::Written => {
                metrics::counter!(telemetry::RUNS_TRIGGERED).increment(1);
                self.hand_on_reserved(
                    place,
                    WorkItem {
                        run,
                        fresh: Some(Fresh { created, at }),
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

    /// About how many runs wait to be executed.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let queued = u64::try_from(self.0.bus.depth()).unwrap_or(u64::MAX);
        queued.saturating_add(self.0.schedule.waiting())
    }

    /// How many runs are in hand here: queued or being executed.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.0.registry.len()
    }

    /// How many runs are held in memory because they are due soon.
    #[must_use]
    pub fn due_soon(&self) -> usize {
        self.0.schedule.len()
    }

    /// Finds a run.
    ///
    /// # Errors
    /// The store, or a journal that cannot be read.
    pub async fn find_run(&self, id: RunId) -> Result<Option<RunView>, Error> {
        let Some(run) = self.load(id).await? else {
            return Ok(None);
        };
        let compiled = self
            .0
            .definitions
            .find(run.created().workflow, run.created().version)
            .await?;
        Ok(Some(RunView {
            run,
            graph: Arc::clone(&compiled.graph),
        }))
    }

    /// Waits for a run to end, and gives it back as it is then, or when the time is up.
    ///
    /// # Errors
    /// Where there is no such run; or the store.
    pub async fn wait_for_run(&self, id: RunId, at_most: Duration) -> Result<RunView, Error> {
        let parts = &self.0;
        let until = parts.clock.now().after(at_most);
        loop {
            // Interest is registered before the look, so that an end in between is not slept through.
            let ended = self.waiter(id);
            let notified = ended.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            if view.run.status().is_finished() || parts.clock.now() >= until {
                self.forget_waiter(id, ended.as_ref());
                return Ok(view);
            }
            tokio::select! {
                () = notified => {}
                () = parts.clock.sleep_until(until) => {}
            }
        }
    }

    fn waiter(&self, id: RunId) -> Arc<Notify> {
        let mut waiters = self
            .0
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(waiters.entry(id).or_default())
    }

    fn forget_waiter(&self, id: RunId, notify: &Notify) {
        let mut waiters = self
            .0
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Two hold it now: the map and the caller. Where there are more, somebody else waits too.
        if waiters
            .get(&id)
            .is_some_and(|kept| std::ptr::eq(kept.as_ref(), notify) && Arc::strong_count(kept) <= 2)
        {
            waiters.remove(&id);
        }
    }

    /// Tells everybody who waits that a run has ended.
    fn announce_end(&self, run: &Run) {
        let waiter = self
            .0
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&run.id());
        if let Some(waiter) = waiter {
            waiter.notify_waiters();
        }
        let status = run.status().as_str();
        metrics::counter!(telemetry::RUNS_COMPLETED, "status" => status).increment(1);
        if let Some(ended_at) = run.completed_at() {
            let took = ended_at.since(run.created_at());
            metrics::histogram!(telemetry::RUN_SECONDS, "status" => status)
                .record(took.as_secs_f64());
        }
    }

    /// Lists runs.
    ///
    /// # Errors
    /// The store.
    pub async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error> {
        Ok(self.0.store.list_runs(query).await?)
    }

    /// Ends a run. Attempts that are being made are interrupted.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended; or the store.
    pub async fn cancel_run(&self, id: RunId, reason: Option<String>) -> Result<RunView, Error> {
        let command = Command::Cancel { reason };
        loop {
            let mut view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            let first_seq = view.run.next_seq();
            let decision = match decide(
                &view.graph,
                &mut view.run,
                command.clone(),
                self.0.clock.now(),
            ) {
                Ok(decision) => decision,
                Err(Rejection::Finished { run, status }) => {
                    return Err(Error::Finished { run, status });
                }
                // Only attempts can be stale.
                Err(Rejection::StaleAttempt { .. }) => continue,
            };
            let commit = advance(&view.run, first_seq, &decision.records, None);
            match self.0.committer.commit(commit).await? {
                Committed::Written => {
                    self.announce_end(&view.run);
                    self.0.registry.knock(id);
                    return Ok(view);
                }
                // The run has gone on meanwhile: look again.
                Committed::Conflict | Committed::Replayed { .. } => {}
            }
        }
    }

    /// Asks every part for a sign of life.
    pub async fn health(&self) -> Health {
        let store = self.0.store.ping().await.err().map(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store gives no sign of life"
            );
            "the store cannot be read or written; the log says why".to_owned()
        });
        let closing = self
            .0
            .is_closing
            .load(Ordering::Relaxed)
            .then(|| "shutting down".to_owned());
        Health {
            parts: vec![("store", store), ("engine", closing)],
        }
    }

    /// Stops taking work in, lets what is in hand go on for a while, then lets go of it. What is let go of is in the
    /// store, and goes on when the next process starts.
    pub async fn shut_down(&self, at_most: Duration) {
        let parts = &self.0;
        parts.is_closing.store(true, Ordering::Relaxed);
        parts.bus.close();
        parts.tasks.close();
        tokio::select! {
            () = parts.tasks.wait() => {}
            () = parts.clock.sleep_until(parts.clock.now().after(at_most)) => {
                tracing::warn!(runs = parts.tasks.len(), "let go of runs that were still being executed; they go on at the next start");
            }
        }
    }

    /// Runs a task that [`Self::shut_down`] waits for.
    pub fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Hands a due run on to the bus, or leaves it to the store where there is no room or others wait already.
    fn hand_on(&self, item: WorkItem) {
        if self.0.schedule.has_backlog() || !self.offer(item) {
            self.0.schedule.note_backlog();
        }
    }

    /// The same for a run whose place in the registry has been taken already.
    fn hand_on_reserved(&self, place: Reserved<'_>, item: WorkItem) {
        if !self.0.schedule.has_backlog() && self.0.bus.publish(item).is_ok() {
            place.keep();
        } else {
            drop(place);
            self.0.schedule.note_backlog();
        }
    }

    /// Hands a due run on to the bus, where there is room. A run that is in hand already needs no room.
    fn offer(&self, item: WorkItem) -> bool {
        let Some(place) = self.0.registry.enqueue(item.run) else {
            return true;
        };
        let has_room = self.0.bus.publish(item).is_ok();
        if has_room {
            place.keep();
        }
        has_room
    }

    async fn load(&self, id: RunId) -> Result<Option<Run>, Error> {
        let journal = self.0.store.load_journal(id, 0).await?;
        if journal.is_empty() {
            return Ok(None);
        }
        let unreadable = |detail: String| Error::Journal { run: id, detail };
        let records: Vec<Record> = journal
            .iter()
            .map(|text| Record::decode(text))
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(error.to_string()))?;
        Run::fold(id, &records)
            .map(Some)
            .map_err(|error| unreadable(error.to_string()))
    }
}

/// The commit that advances a run by some records.
fn advance(run: &Run, first_seq: u32, records: &[Record], due_at: Option<Timestamp>) -> Commit {
    Commit {
        run: run.id(),
        first_seq,
        records: records.iter().map(Record::encode).collect(),
        summary: run.summary(),
        due_at,
        new: None,
    }
}

/// What tells one request from another under the same idempotency key.
fn fingerprint(payload: &Json) -> Digest {
    // Read and written again, so that spaces do not count.
    Digest::from_bytes(Sha256::digest(payload.value().to_string()).into())
}

async fn remove_old_runs(engine: Engine) {
    let parts = &engine.0;
    loop {
        let now = parts.clock.now();
        let kept = parts.options.retention.map_or(now.as_micros(), |age| {
            i64::try_from(age.as_micros()).unwrap_or(i64::MAX)
        });
        let before = Timestamp::from_micros(now.as_micros().saturating_sub(kept));
        match parts
            .store
            .remove_finished(before, now, RETENTION_BATCH)
            .await
        {
            // There may be more: go on at once, batch by batch, so that nobody waits behind a long deletion.
            Ok(removed) if removed == RETENTION_BATCH => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not remove old runs; trying again"
                );
            }
        }
        parts.clock.sleep_until(now.after(RETENTION_EVERY)).await;
    }
}
