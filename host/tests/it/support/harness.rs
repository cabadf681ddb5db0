//! A host in memory.

use std::sync::Arc;
use std::time::Duration;

use millwork::clock::{Clock, ManualClock};
use millwork::engine::{Engine, Error, Options, RunView, Trigger};
use millwork_bus::{Bus, Local};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_store::Memory;
use millwork_store::Store;
use serde_json::{Value, json};

use super::scripted::Scripted;

/// A host whose clock is moved by hand. What it keeps can be taken over by another, as after a crash.
pub(crate) struct Harness {
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<Memory>,
    pub(crate) plugins: Arc<Scripted>,
    bus: Arc<Local>,
    options: Options,
    workers: tokio::task::JoinHandle<()>,
}

/// How a harness differs from the default one.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) queue_max: usize,
    pub(crate) plugins: Scripted,
    pub(crate) clock: ManualClock,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: Options::default(),
            queue_max: 100,
            plugins: Scripted::new(),
            clock: ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000)),
        }
    }
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        Self::start(
            Arc::new(Memory::default()),
            Arc::new(setup.plugins),
            setup.clock,
            setup.options,
            setup.queue_max,
        )
    }

    fn start(
        store: Arc<Memory>,
        plugins: Arc<Scripted>,
        clock: ManualClock,
        options: Options,
        queue_max: usize,
    ) -> Self {
        let bus = Arc::new(Local::new(queue_max));
        let engine = Engine::start(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&bus) as Arc<dyn Bus>,
            Arc::clone(&plugins) as Arc<dyn millwork_plugin::PluginRuntime>,
            Arc::new(clock.clone()),
            options.clone(),
        );
        engine.start_executing();
        let workers = tokio::spawn(millwork::worker::work(
            engine.clone(),
            Arc::clone(&bus) as Arc<dyn Bus>,
            options.in_flight_max,
        ));
        Self {
            engine,
            clock,
            store,
            plugins,
            bus,
            options,
            workers,
        }
    }

    /// Drops the host as a crash would, and starts another on what the store kept.
    pub(crate) async fn crash(self) -> Self {
        self.crash_into(Scripted::new()).await
    }

    /// The same, with other plugins in the new host.
    pub(crate) async fn crash_into(self, plugins: Scripted) -> Self {
        self.engine.shut_down(Duration::ZERO).await;
        self.workers.abort();
        Self::start(self.store, Arc::new(plugins), self.clock, self.options, 100)
    }

    /// The same, a while later.
    pub(crate) async fn crash_after(self, time: Duration) -> Self {
        self.engine.shut_down(Duration::ZERO).await;
        self.workers.abort();
        self.settle().await;
        self.clock.advance(time);
        let plugins = Arc::new(Scripted::new());
        Self::start(self.store, plugins, self.clock, self.options, 100)
    }

    pub(crate) async fn create(&self, definition: Value) -> WorkflowId {
        self.engine
            .create_workflow(definition)
            .await
            .expect("the definition holds")
    }

    pub(crate) async fn trigger(&self, workflow: WorkflowId, payload: Value) -> RunId {
        self.try_trigger(workflow, payload, None)
            .await
            .expect("the trigger is accepted")
    }

    pub(crate) async fn try_trigger(
        &self,
        workflow: WorkflowId,
        payload: Value,
        key: Option<&str>,
    ) -> Result<RunId, Error> {
        let trigger = Trigger {
            workflow,
            version: None,
            payload: Json::from(payload),
            idempotency_key: key.map(str::to_owned),
            labels: millwork_store::Labels::new(),
            trace: None,
        };
        self.engine.trigger(trigger).await
    }

    pub(crate) async fn run(&self, run: RunId) -> RunView {
        self.engine
            .find_run(run)
            .await
            .expect("the store answers")
            .expect("the run is there")
    }

    /// Lets the host work, without moving the clock, until a run looks as expected.
    pub(crate) async fn until(
        &self,
        run: RunId,
        what: &str,
        mut holds: impl FnMut(&RunView) -> bool,
    ) -> RunView {
        for _ in 0..5_000 {
            let view = self.run(run).await;
            if holds(&view) {
                return view;
            }
            breathe().await;
        }
        let view = self.run(run).await;
        panic!("{what} has not come about; the run is {:?}", view.run);
    }

    pub(crate) async fn finished(&self, run: RunId) -> RunView {
        self.until(run, "the end", |view| view.run.status().is_finished())
            .await
    }

    pub(crate) async fn succeeded(&self, run: RunId) -> RunView {
        let view = self.finished(run).await;
        assert_eq!(view.run.status(), RunStatus::Success, "{:?}", view.run);
        view
    }

    /// Lets the host do all it can without moving the clock.
    pub(crate) async fn settle(&self) {
        for _ in 0..200 {
            breathe().await;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn queued(&self) -> usize {
        self.bus.depth()
    }
}

/// Gives every other task a turn, and real time to threads.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may give the machine a moment"
)]
pub(crate) async fn breathe() {
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_micros(200)).await;
}

/// A definition with these steps.
pub(crate) fn workflow(steps: &Value) -> Value {
    json!({"name": "test", "steps": steps})
}

/// The output of a step that succeeded.
pub(crate) fn output(view: &RunView, step: &str) -> Value {
    let found = view.run.step(&millwork_core::step::StepKey::of(step));
    match found.map(|step| &step.phase) {
        Some(millwork_core::run::Phase::Succeeded { output }) => output.value().clone(),
        other => panic!("step {step} has not succeeded: {other:?}"),
    }
}
