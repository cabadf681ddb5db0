//! The engine: the shell around `core`. Loads a run, asks what happens next, commits it, carries it out.
//!
//! The door is [`Engine`]. Behind it: `driver` (one run, from taking it up to its end or its next wait), `committer`
//! (group commit), `schedule` (what is due when), `registry` (what is in hand here), `definitions` (what is compiled), `retention`.

mod committer;
mod definitions;
mod driver;
mod error;
mod registry;
mod retention;
mod schedule;
mod trigger;

pub use error::Error;
pub use trigger::Trigger;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millwork_core::command::Command;
use millwork_core::decide::{Rejection, decide};
use millwork_core::event::Record;
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_bus::{Bus, WorkItem};
use millwork_plugin::PluginRuntime;
use millwork_store::{Commit, Committed, RunQuery, RunRow, Store, Workflow};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::random;
use crate::telemetry;
use committer::Committer;
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

/// A run, with the graph of the workflow version that it is pinned to.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The run.
    pub run: Run,
    /// Its workflow.
    pub graph: Arc<Graph>,
}

/// The parts of the system and what is wrong with each, if anything.
#[derive(Clone, Debug)]
pub struct Health {
    /// By name. What is wrong is said without the words of a database.
    pub parts: Vec<(&'static str, Option<String>)>,
}

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
        tokio::spawn(retention::remove_old_runs(engine.clone()));
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
