//! A cluster in memory: processes that share a store and a broker, and a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use millwork::clock::ManualClock;
use millwork::engine::{Engine, Options, RunView, Trigger};
use millwork::events::Audience;
use millwork_bus::Bus;
use millwork_core::event::{Event, Record};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::time::Timestamp;
use millwork_store::{Memory, Store};
use serde_json::{Value, json};

use super::harness::breathe;
use super::hub::{Hub, Member};
use super::scripted::Scripted;
use super::stoppable::Stoppable;

/// How long a claim holds.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// Connectors of which `gate` returns at once.
pub(crate) fn open() -> Scripted {
    Scripted::new().with(
        "gate",
        |call| async move { Ok(Outcome::Completed(call.config)) },
    )
}

/// What the processes share.
pub(crate) struct Cluster {
    pub(crate) store: Arc<Memory>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: ManualClock,
    /// Who wants to know of ends.
    audience: Option<Arc<Audience>>,
    commit_elision: bool,
}

/// One process.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) plugins: Arc<Scripted>,
    pub(crate) way: Arc<Stoppable>,
    bus: Arc<Member>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::default(),
            hub: Arc::default(),
            clock: ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000)),
            audience: None,
            commit_elision: true,
        }
    }

    /// One whose processes write every result by itself.
    pub(crate) fn without_elision() -> Self {
        Self {
            commit_elision: false,
            ..Self::new()
        }
    }

    /// One that tells an audience of ends.
    pub(crate) fn telling(audience: &Arc<Audience>) -> Self {
        Self {
            audience: Some(Arc::clone(audience)),
            ..Self::new()
        }
    }

    fn start(&self, plugins: Scripted, executes: bool) -> Process {
        let bus = self.hub.join(executes);
        let way = Arc::new(Stoppable::new(Arc::clone(&self.store)));
        let plugins = Arc::new(plugins);
        let engine = Engine::start(
            Arc::clone(&way) as Arc<dyn Store>,
            Arc::clone(&bus) as Arc<dyn Bus>,
            Arc::clone(&plugins) as Arc<dyn millwork_plugin::PluginRuntime>,
            Arc::new(self.clock.clone()),
            Options {
                claim_timeout: TIMEOUT,
                commit_elision: self.commit_elision,
                audience: self.audience.clone(),
                ..Options::default()
            },
        );
        if executes {
            engine.start_executing();
            tokio::spawn(millwork::worker::work(
                engine.clone(),
                Arc::clone(&bus) as Arc<dyn Bus>,
                100,
            ));
        }
        Process {
            engine,
            plugins,
            way,
            bus,
        }
    }

    pub(crate) fn api(&self) -> Process {
        self.api_with(open())
    }

    pub(crate) fn api_with(&self, plugins: Scripted) -> Process {
        self.start(plugins, false)
    }

    pub(crate) fn worker(&self, plugins: Scripted) -> Process {
        self.start(plugins, true)
    }

    /// Lets time pass, a second at a time, so that everybody does what is due in between.
    pub(crate) async fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.settle().await;
            self.clock.advance(Duration::from_secs(1));
        }
        self.settle().await;
    }

    /// Lets everybody do all they can without moving the clock.
    pub(crate) async fn settle(&self) {
        for _ in 0..20 {
            breathe().await;
        }
    }

    /// What has happened to a run.
    pub(crate) async fn journal(&self, run: RunId) -> Vec<Event> {
        let texts = self.store.load_journal(run, 0).await.expect("it is there");
        let records = texts.iter().map(|text| Record::decode(text));
        records
            .map(|record| record.expect("it can be read").event)
            .collect()
    }

    /// When the row of a run says that it is due.
    pub(crate) async fn due_at(&self, run: RunId) -> Option<Timestamp> {
        let due = self.store.list_due(None, Timestamp::MAX, 1_000).await;
        let due = due.expect("memory answers");
        due.iter().find(|due| due.run == run).map(|due| due.at)
    }

    /// Waits, without moving the clock, until something holds.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..5_000 {
            if holds().await {
                return;
            }
            breathe().await;
        }
        panic!("{what} has not come about");
    }
}

impl Process {
    pub(crate) async fn create(&self, steps: Value) -> WorkflowId {
        self.engine
            .create_workflow(json!({"name": "test", "steps": steps}))
            .await
            .expect("the definition holds")
    }

    pub(crate) async fn trigger(&self, workflow: WorkflowId) -> RunId {
        let trigger = Trigger {
            workflow,
            version: None,
            payload: Json::from(json!({})),
            idempotency_key: None,
            labels: millwork_store::Labels::new(),
            trace: None,
        };
        self.engine.trigger(trigger).await.expect("it is accepted")
    }

    pub(crate) async fn run(&self, run: RunId) -> RunView {
        let found = self.engine.find_run(run).await;
        found.expect("the store answers").expect("it is there")
    }

    /// How many calls its connectors had.
    pub(crate) fn calls(&self) -> usize {
        self.plugins.calls().len()
    }

    /// Ends it without a word, as `kill -9` does: it reaches nothing any more.
    pub(crate) fn kill(&self) {
        self.way.stop();
        self.bus.close();
    }
}
