//! The engine: the shell around `core`. Loads a run, asks what happens next, commits it, carries it out.
//!
//! The door is [`Engine`]. Behind it: `execution` (a work item, from taking its run on), `driver` (one run, to its end or its
//! next wait), `committer` (group commit), `schedule` (what is due soon), `alone` and `shared` (how due runs come from the
//! store to a process that has it for itself, and to one of many), `claims` (who sees to a run, and until when), `limits` (who
//! has to wait before it begins), `triggers` and `ticks` (what starts runs when nobody asks), `registry`
//! (what is in hand here), `announcer` and `waiters` (who is told of what happens), `follow` (a run's journal, as it grows),
//! `deliveries` (ends that have not arrived where they were to be told),
//! `written` (what is said of events once they are durable), `workflows` and `definitions` (versions, and what is compiled of them), `jobs` (what is done to many runs), `retention`.

mod alone;
mod announcer;
mod attempt;
mod claims;
mod committer;
mod control;
mod definitions;
mod deliveries;
mod driver;
mod error;
mod execution;
mod family;
mod follow;
mod hooks;
mod jobs;
mod journal;
mod limits;
mod outside;
mod over_time;
mod prelude;
mod recent;
mod registry;
mod retention;
mod schedule;
mod shared;
mod ticks;
mod topics;
mod trigger;
mod triggers;
mod waiters;
mod workflows;
mod written;

pub use control::{RetryFrom, RetryWith};
pub use definitions::check_definition;
pub use error::Error;
pub use follow::{Follower, Happened};
pub use hooks::Webhook;
pub use jobs::{Filter, JobView, Operation, Progress, Task};
pub use trigger::Trigger;
pub use workflows::{Updated, WorkflowView};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millwork_bus::{Bus, WorkItem};
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::limits::Limits;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_plugin::PluginRuntime;
use millwork_store::limits::Turn;
use millwork_store::{RunCounts, RunQuery, RunRow, Store};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::events::Audience;
use crate::telemetry;
use crate::traces::Traces;
use alone::Backlog;
use announcer::Announcer;
use claims::Claims;
use committer::Committer;
use definitions::Definitions;
use journal::Loaded;
use recent::Recent;
use registry::{Registry, Reserved};
use schedule::Schedule;
use waiters::Waiters;

/// How often one who waits for a run looks himself, where other processes execute runs too.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the engine is told by whoever runs it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs that are executed at the same time. A run that waits is not executed.
    pub in_flight_max: usize,
    /// Runs that may wait to be executed before triggers are turned away.
    pub backlog_max: u64,
    /// Runs that may wait for one key of a workflow's limits.
    pub limit_queue_max: u32,
    /// How long an attempt is under way before the journal says that it has begun.
    pub record_start_after: Duration,
    /// How long a run belongs to the process that took it on without a sign of life, where others share the store. On a bus
    /// that is not shared there is nobody else.
    pub claim_timeout: Duration,
    /// Whether the result of a step that acts on nothing may be written together with that of the next step.
    pub commit_elision: bool,
    /// How long an idempotency key is remembered.
    pub idempotency_kept: Duration,
    /// Bytes that a message on a topic may have which starts a run.
    pub payload_max_bytes: usize,
    /// How long a finished run is kept; for ever where absent.
    pub retention: Option<Duration>,
    /// Who wants to know of ends, besides those who are told over the bus.
    pub audience: Option<Arc<Audience>>,
    /// How long after the end of its run a delivery is kept that has not arrived.
    pub deliveries_kept: Duration,
    /// Where spans go.
    pub traces: Traces,
    /// What `env` means in expressions.
    pub env: Arc<Value>,
    /// What a run may grow to.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight_max: 1_000,
            backlog_max: 1_000_000,
            limit_queue_max: 10_000,
            record_start_after: Duration::from_millis(200),
            claim_timeout: Duration::from_secs(15),
            commit_elision: true,
            idempotency_kept: Duration::from_secs(24 * 60 * 60),
            payload_max_bytes: 2 << 20,
            retention: None,
            audience: None,
            deliveries_kept: Duration::from_secs(30 * 24 * 60 * 60),
            traces: Traces::default(),
            env: Arc::new(Value::Object(serde_json::Map::new())),
            limits: Limits::default(),
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
    claims: Claims,
    registry: Registry,
    recent: Recent,
    schedule: Schedule,
    /// Somebody here has changed what the clock starts.
    schedules_changed: Notify,
    /// Somebody here has started a job.
    jobs_changed: Notify,
    backlog: Arc<Backlog>,
    announcer: Announcer,
    waiters: Waiters,
    /// Who wants to know of everything that happens to a run.
    watchers: Arc<Waiters>,
    tasks: TaskTracker,
    /// Whether this process executes runs.
    is_executing: AtomicBool,
    is_closing: AtomicBool,
}

/// A run, with the graph of the workflow version that it is pinned to.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The run.
    pub run: Run,
    /// Its workflow.
    pub graph: Arc<Graph>,
    /// What keeps it from beginning, where a limit does.
    pub turn: Option<Turn>,
}

/// The parts of the system and what is wrong with each, if anything.
#[derive(Clone, Debug)]
pub struct Health {
    /// By name. What is wrong is said without the words of a database.
    pub parts: Vec<(&'static str, Option<String>)>,
}

impl Engine {
    /// Puts the engine together. It executes nothing yet: see [`Self::start_executing`].
    pub fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        plugins: Arc<dyn PluginRuntime>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let claims = Claims::new(bus.is_shared().then_some(options.claim_timeout));
        // Alone, what is due is read from the store up to a horizon; shared, what is claimed is remembered however far away.
        let horizon = claims
            .timeout()
            .map_or_else(|| clock.now(), |_| Timestamp::MAX);
        let backlog = Arc::new(Backlog::from_before());
        let watchers = Arc::<Waiters>::default();
        let committer = Committer::start(&store, &backlog, &watchers);
        let definitions = Definitions::new(
            Arc::clone(&store),
            Arc::clone(&plugins),
            Arc::clone(&options.env),
            options.limits,
        );
        let (announcer, ends) = Announcer::start(
            Arc::clone(&bus),
            Arc::clone(&store),
            options.audience.clone(),
        );
        let engine = Self(Arc::new(Parts {
            claims,
            schedule: Schedule::up_to(horizon),
            schedules_changed: Notify::new(),
            jobs_changed: Notify::new(),
            backlog,
            announcer,
            store,
            bus,
            plugins,
            clock,
            options,
            committer,
            definitions,
            registry: Registry::default(),
            recent: Recent::default(),
            waiters: Waiters::default(),
            watchers,
            tasks: TaskTracker::new(),
            is_executing: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        }));
        if claims.timeout().is_some() {
            tokio::spawn(shared::listen(engine.clone()));
        }
        if engine.0.options.audience.is_some() {
            tokio::spawn(announcer::tell_events(engine.clone(), ends));
        }
        engine
    }

    /// Starts to bring due runs to the bus, for this process's own workers: [`crate::worker`] executes them. Without it, the
    /// engine creates runs and answers questions, and others execute.
    pub fn start_executing(&self) {
        self.0.is_executing.store(true, Ordering::Relaxed);
        match self.0.claims.timeout() {
            Some(timeout) => {
                tokio::spawn(shared::claim_ahead(self.clone(), timeout));
                tokio::spawn(shared::renew(self.clone(), timeout));
            }
            None => {
                tokio::spawn(alone::read_ahead(self.clone()));
                tokio::spawn(alone::refill(self.clone()));
            }
        }
        tokio::spawn(schedule::fire(self.clone()));
        tokio::spawn(ticks::fire(self.clone()));
        tokio::spawn(jobs::carry_on(self.clone()));
        tokio::spawn(retention::remove_old_runs(self.clone()));
    }

    /// About how many runs wait to be executed.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let queued = u64::try_from(self.0.bus.depth()).unwrap_or(u64::MAX);
        queued.saturating_add(self.0.backlog.waiting())
    }

    /// How many runs are in hand here: queued or being executed.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.0.registry.len()
    }

    /// How many runs may wait to be executed before triggers are turned away.
    #[must_use]
    pub fn backlog_max(&self) -> u64 {
        self.0.options.backlog_max
    }

    /// How many runs may be executed at the same time.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        self.0.options.in_flight_max
    }

    /// How large the database is, where it can be said.
    ///
    /// # Errors
    /// The store.
    pub async fn store_size_bytes(&self) -> Result<Option<u64>, Error> {
        Ok(self.0.store.size_bytes().await?)
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
        let Some(Loaded { run, .. }) = self.load(id).await? else {
            return Ok(None);
        };
        let compiled = self
            .0
            .definitions
            .find(run.created().workflow, run.version())
            .await?;
        let turn = match run.awaits_admission() && !run.status().is_finished() {
            true => self.0.store.find_turn(id).await?,
            false => None,
        };
        Ok(Some(RunView {
            run,
            graph: Arc::clone(&compiled.graph),
            turn,
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
            let waiter = parts.waiters.join(id);
            let notified = waiter.happened().notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            let now = parts.clock.now();
            if view.run.status().is_finished() || now >= until {
                return Ok(view);
            }
            // Another process's word may be lost.
            let look_at = match parts.claims.timeout() {
                Some(_) => until.min(now.after(LOOK_EVERY)),
                None => until,
            };
            tokio::select! {
                () = notified => {}
                () = parts.clock.sleep_until(look_at) => {}
            }
        }
    }

    /// Tells everybody who wants to know that a run has ended.
    fn announce_end(&self, run: &Run) {
        self.0.waiters.tell(run.id());
        self.tell_end(run);
        self.0.options.traces.tell_run(run);
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

    /// How many runs of a workflow, or of all of them, are in each state.
    ///
    /// # Errors
    /// Where there is no such workflow; or the store.
    pub async fn count_runs(&self, of: Option<WorkflowId>) -> Result<RunCounts, Error> {
        if let Some(id) = of
            && self.0.store.find_head(id).await?.is_none()
        {
            return Err(Error::UnknownWorkflow(id));
        }
        let counts = self.0.store.count_runs(vec![of]).await?;
        Ok(counts.into_iter().next().unwrap_or_default())
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
            parts: vec![
                ("store", store),
                ("bus", self.0.bus.health().err()),
                ("engine", closing),
            ],
        }
    }

    /// Stops taking work in, lets what is in hand go on for a while, then lets go of it. What is let go of is in the
    /// store, and goes on when the next process starts.
    pub async fn shut_down(&self, at_most: Duration) {
        let parts = &self.0;
        parts.is_closing.store(true, Ordering::Relaxed);
        parts.schedules_changed.notify_waiters();
        parts.jobs_changed.notify_waiters();
        parts.bus.close();
        parts.tasks.close();
        tokio::select! {
            () = parts.tasks.wait() => {}
            () = parts.clock.sleep_until(parts.clock.now().after(at_most)) => {
                tracing::warn!(runs = parts.tasks.len(), "let go of runs that were still being executed; they go on at the next start");
            }
        }
        if parts.claims.timeout().is_some() {
            shared::release(self).await;
        }
        parts.bus.leave().await;
    }

    /// Runs a task that [`Self::shut_down`] waits for.
    pub fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Hands a due run on to this process's workers, or leaves it to the store where there is no room or others wait already.
    /// Returns whether somebody will see to it; where the store is shared, that may be nobody before its claim has run out.
    fn hand_on(&self, item: WorkItem) -> bool {
        let is_alone = self.0.claims.timeout().is_none();
        if (is_alone && self.0.backlog.is_there()) || !self.offer(item) {
            if is_alone {
                self.0.backlog.note();
            }
            return is_alone;
        }
        true
    }

    /// Hands a new run on, whose place in the registry has been taken already.
    fn hand_on_new(&self, place: Reserved<'_>, item: WorkItem) {
        if self.0.claims.timeout().is_some() {
            // Whoever gets it takes a place for it. Where there is no room, its claim runs out, and somebody finds it.
            drop(place);
            if self.0.bus.publish(item).is_err() {
                metrics::counter!(telemetry::HINTS_UNPUBLISHED).increment(1);
            }
        } else if !self.0.backlog.is_there() && self.0.bus.publish(item).is_ok() {
            place.keep();
        } else {
            drop(place);
            self.0.backlog.note();
        }
    }

    /// Hands a due run on to the bus, where there is room. A run that is in hand already needs no room.
    fn offer(&self, item: WorkItem) -> bool {
        let Some(place) = self.0.registry.enqueue(item.run) else {
            return true;
        };
        let has_room = self.0.bus.keep(item).is_ok();
        if has_room {
            place.keep();
        }
        has_room
    }
}
