//! The smallest host there can be: a definition, a journal in memory, and the live run beside it.

use std::sync::Arc;

use millwork_core::command::Command;
use millwork_core::connector::Connector;
use millwork_core::decide::{Decision, Rejection, decide};
use millwork_core::definition::Problem;
use millwork_core::event::{Event, Parent, Pin, Record, RunCreated};
use millwork_core::graph::{Graph, check};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::limits::Limits;
use millwork_core::run::Run;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde_json::Value;

use crate::plugins::Plugins;

/// When every story begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// All that a run begins with.
pub(crate) struct Beginning {
    pub(crate) document: Value,
    pub(crate) plugins: Plugins,
    pub(crate) env: Value,
    pub(crate) payload: Json,
    /// Types that are found when a workflow is created, and are gone when a run of it starts.
    pub(crate) vanished: Vec<String>,
    pub(crate) limits: Limits,
    /// How many workflows are around it, where it is a step of another run.
    pub(crate) depth: Option<u32>,
}

/// A run, its journal, and its workflow.
pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) live: Run,
    journal: Vec<String>,
}

impl World {
    /// Checks a definition, and writes the first event of a run of it.
    pub(crate) fn create(beginning: Beginning) -> Result<Self, Vec<Problem>> {
        let Beginning {
            document,
            plugins,
            env,
            payload,
            vanished,
            limits,
            depth,
        } = beginning;
        let env = Arc::new(env);
        let checked = check(&document, &plugins, &env);
        let Some(mut graph) = checked.graph else {
            return Err(checked.problems);
        };
        graph.limits = limits;
        assert_eq!(
            checked.problems,
            [],
            "a graph was made of a definition that does not hold"
        );
        let pins = checked
            .connectors
            .into_iter()
            .filter(|found| !vanished.contains(&found.reference));
        let (workflow, version) = (WorkflowId::from_parts(START, [1; 10]), 1);
        let bounds = graph.bounds(workflow, version, &payload);
        let created = RunCreated {
            workflow,
            version,
            payload,
            bounds: bounds.expect("the payload gives keys"),
            origin: None,
            labels: std::collections::BTreeMap::new(),
            trace: None,
            plugins: pins
                .map(|found| (found.reference, pin(found.connector)))
                .collect(),
            deadline: graph.deadline(START),
            parent: depth.map(|depth| Parent {
                run: RunId::from_parts(START, [3; 10]),
                step: StepKey::of("outer"),
                depth,
                waits: true,
            }),
        };
        let record = Record {
            at: START,
            event: Event::RunCreated(Arc::new(created)),
        };
        let journal = vec![record.encode()];
        let live = fold(&journal);
        Ok(Self {
            graph,
            live,
            journal,
        })
    }

    /// Decides, writes, and checks that the journal tells the same run. A refusal has to leave the run as it was.
    pub(crate) fn decide(
        &mut self,
        command: Command,
        now: Timestamp,
    ) -> Result<Decision, Rejection> {
        let before = self.live.clone();
        let decided = decide(&self.graph, &mut self.live, command, now);
        match &decided {
            Ok(decision) => self
                .journal
                .extend(decision.records.iter().map(Record::encode)),
            Err(_) => assert_eq!(self.live, before, "a refused command changed the run"),
        }
        assert_eq!(
            fold(&self.journal),
            self.live,
            "the journal tells another run than the live one"
        );
        decided
    }

    /// Forgets the live run, and reads it back from its journal.
    pub(crate) fn crash(&mut self) {
        self.live = fold(&self.journal);
    }
}

fn fold(journal: &[String]) -> Run {
    let records: Vec<Record> = journal
        .iter()
        .map(|text| Record::decode(text).expect("it was just written"))
        .collect();
    Run::fold(RunId::from_parts(START, [2; 10]), &records).expect("it begins with run-created")
}

fn pin(connector: Connector) -> Pin {
    Pin {
        digest: connector.digest,
        action: connector.action,
        timeout_ms: connector
            .timeout
            .map(|timeout| u64::try_from(timeout.as_millis()).expect("it is a short time")),
        attempts_max: connector.attempts_max,
    }
}
