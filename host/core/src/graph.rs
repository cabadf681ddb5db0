//! A definition that has been checked: its steps as a graph, its expressions compiled.
//!
//! A [`Graph`] can only come from [`check`] or [`Graph::load`], which return every problem at once; nothing behind them
//! checks again. `graph/build.rs` makes it.

mod build;
mod child;
mod message;
mod names;
mod order;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::connector::{Catalog, Connector, TypeRef};
use crate::definition::{
    Concurrency, Definition, Delivery, OnError, Problem, Problems, RateLimit, StepDefinition,
    Trigger,
};
use crate::expression::Expression;
use crate::limits::Limits;
use crate::retry::RetryPolicy;
use crate::template::Template;
use crate::time::Timestamp;

/// A checked definition. What a run needs to know of its workflow.
#[derive(Debug)]
pub struct Graph {
    /// The workflow's name.
    pub name: String,
    /// The author's own label.
    pub id: Option<String>,
    /// Words to find it and its runs by.
    pub labels: BTreeMap<String, String>,
    /// The JSON Schema of the payload.
    pub input: Option<Value>,
    /// The result of a run that succeeds.
    pub output: Option<Template>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// How many runs may be under way at a time.
    pub concurrency: Option<Concurrency<Template>>,
    /// How many runs may begin in a span of time.
    pub rate_limit: Option<RateLimit<Template>>,
    /// Which of the runs that wait goes first: 1 before 5.
    pub priority: u8,
    /// What starts a run, besides who asks for one.
    pub triggers: Vec<Trigger<Expression>>,
    /// What `env` means in its expressions: what the operator allows.
    pub env: Arc<Value>,
    /// What a run may grow to: what the operator allows.
    pub limits: Limits,
    nodes: Vec<Node>,
    by_name: HashMap<Arc<str>, NodeIndex>,
    stages: Stages,
}

/// Where a step stands in its graph.
pub type NodeIndex = usize;

/// A step, with its place among the others.
#[derive(Debug)]
pub struct Node {
    /// Its name. What undoes the step `a` is called `a.compensate`.
    pub name: Arc<str>,
    /// When in the life of a run it is done.
    pub stage: Stage,
    /// What does it.
    pub work: Work,
    /// Its `type`, as written: the key of the run's pins.
    pub connector: String,
    /// Its configuration, compiled.
    pub config: Template,
    /// The steps that have to be done before it begins.
    pub needs: Vec<NodeIndex>,
    /// The steps that wait for it.
    pub dependents: Vec<NodeIndex>,
    /// What has to hold, or it is skipped.
    pub condition: Option<Condition>,
    /// What it is repeated for, where it is a loop.
    pub each: Option<Each>,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take; the connector's limit where absent.
    pub timeout: Option<Duration>,
    /// What a crash in the middle of an attempt means.
    pub delivery: Delivery,
    /// What its failure means for the run.
    pub on_error: OnError,
    /// The step that undoes it.
    pub compensate: Option<NodeIndex>,
    /// The step that it undoes.
    pub undoes: Option<NodeIndex>,
}

/// When in the life of a run a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// In its course.
    Steps,
    /// After a failure: at its end, however it ends.
    OnFailure,
    /// At its end, however it ends.
    Finally,
    /// After a failure or a cancellation: it undoes a step.
    Compensation,
}

/// What does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// An action of a plugin.
    Plugin,
    /// A run of another workflow.
    Workflow,
}

/// What has to hold, or a step is skipped.
#[derive(Debug)]
pub struct Condition {
    /// What has to hold.
    pub expression: Expression,
    /// Whether it is asked for each item of a loop, since it names one; else once, before the list is looked at.
    pub is_per_item: bool,
}

/// What a loop goes through.
#[derive(Debug)]
pub struct Each {
    /// The list.
    pub items: Template,
    /// How many iterations are under way at a time.
    pub parallel_max: u32,
}

/// Where the steps of each stage stand among the nodes.
#[derive(Debug)]
struct Stages {
    steps: Range<NodeIndex>,
    on_failure: Range<NodeIndex>,
    finally: Range<NodeIndex>,
    compensations: Range<NodeIndex>,
}

/// What came of checking a definition.
#[derive(Debug)]
pub struct Checked {
    /// Everything that is wrong with it, in the order of the document.
    pub problems: Vec<Problem>,
    /// The graph, where nothing is wrong.
    pub graph: Option<Graph>,
    /// The connectors that were found, so that they can judge their configurations.
    pub connectors: Vec<Resolved>,
}

/// A step whose connector was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Where the step's configuration stands in the definition, as a JSON Pointer.
    pub path: String,
    /// The step's `type`, as written.
    pub reference: String,
    /// What it means now.
    pub connector: Connector,
    /// The configuration, as written.
    pub config: Value,
}

/// Checks a new definition whole.
#[must_use]
pub fn check(document: &Value, catalog: &dyn Catalog, env: &Arc<Value>) -> Checked {
    let mut problems = Problems::default();
    let definition = Definition::read(document, &mut problems);
    let mut connectors = Vec::new();
    for (path, connector, config) in works(&definition) {
        if connector.plugin.is_empty() || child::is_workflow(connector) {
            continue;
        }
        match catalog.resolve(connector) {
            Ok(found) => connectors.push(Resolved {
                path: format!("{path}/config"),
                reference: connector.to_string(),
                connector: found,
                config: config.clone(),
            }),
            Err(message) => problems.add(|| Problem::new(format!("{path}/type"), message)),
        }
    }
    if let Some(schema) = definition.input.as_ref().filter(|input| input.is_object()) {
        problems.add_below("/input", catalog.check_schema(schema));
    }
    for (place, trigger) in definition.triggers.iter().enumerate() {
        if let Some(Trigger::Schedule(schedule)) = trigger {
            problems.add_below(
                &format!("/triggers/{place}"),
                catalog.check_schedule(schedule),
            );
        }
    }
    let graph = build::build(definition, Arc::clone(env), &mut problems);
    Checked {
        graph: graph.filter(|_| problems.is_empty()),
        problems: problems.in_order_of(document),
        connectors,
    }
}

/// All that is to be done in a workflow, with its place.
fn works(definition: &Definition) -> impl Iterator<Item = (String, &TypeRef, &Value)> {
    let lists = [
        ("/steps", &definition.steps),
        ("/on_failure", &definition.on_failure),
        ("/finally", &definition.finally),
    ];
    let steps = lists.into_iter().flat_map(|(list, steps)| {
        let steps = steps.iter().enumerate();
        steps.map(move |(index, step)| (format!("{list}/{index}"), step))
    });
    steps.flat_map(|(path, step): (String, &StepDefinition)| {
        let undone = step.compensate.as_ref();
        let undone = undone.map(|c| (format!("{path}/compensate"), &c.connector, &c.config));
        std::iter::once((path, &step.connector, &step.config)).chain(undone)
    })
}

impl Graph {
    /// Reads a definition that was checked when it was created.
    ///
    /// # Errors
    /// What is wrong with it after all: it was damaged, or written by a later host.
    pub fn load(document: &Value, env: &Arc<Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let definition = Definition::read(document, &mut problems);
        match build::build(definition, Arc::clone(env), &mut problems) {
            Some(graph) if problems.is_empty() => Ok(graph),
            _ => Err(problems.in_order_of(document)),
        }
    }

    /// Every step: those of `steps`, of `on_failure` and of `finally` in the order of the definition, then what undoes
    /// them.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The step at a place.
    #[must_use]
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index]
    }

    /// Where a step stands.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.by_name.get(name).copied()
    }

    /// Where the steps of a stage stand.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Range<NodeIndex> {
        let Stages {
            steps,
            on_failure,
            finally,
            compensations,
        } = &self.stages;
        match stage {
            Stage::Steps => steps,
            Stage::OnFailure => on_failure,
            Stage::Finally => finally,
            Stage::Compensation => compensations,
        }
        .clone()
    }

    /// When a run that begins at a time has taken too long, if ever.
    #[must_use]
    pub fn deadline(&self, from: Timestamp) -> Option<Timestamp> {
        self.timeout.map(|timeout| from.after(timeout))
    }

    /// The plugins that its steps name, as written, each once: what a run has to be pinned to.
    #[must_use]
    pub fn plugins(&self) -> BTreeSet<&str> {
        let nodes = self.nodes.iter();
        let plugins = nodes.filter(|node| node.work == Work::Plugin);
        plugins.map(|node| node.connector.as_str()).collect()
    }
}
