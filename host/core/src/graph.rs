//! A definition that has been checked: its steps as a graph, its expressions compiled.
//!
//! A [`Graph`] can only come from [`check`], which returns every problem at once; nothing behind it checks again.

mod names;
mod order;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::connector::{Catalog, Connector};
use crate::definition::{Definition, Delivery, Problem, Problems, StepDefinition, cut, unknown};
use crate::expression::Expression;
use crate::pointer::Pointer;
use crate::retry::RetryPolicy;
use crate::template::{Template, Vocabulary as _};
use names::Names;

/// A checked definition. What a run needs to know of its workflow.
#[derive(Debug)]
pub struct Graph {
    /// The workflow's name.
    pub name: String,
    /// What `env` means in its expressions: what the operator allows.
    pub env: Arc<Value>,
    nodes: Vec<Node>,
    by_name: HashMap<Arc<str>, NodeIndex>,
}

/// Where a step stands in its graph.
pub type NodeIndex = usize;

/// A step, with its place among the others.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Its `type`, as written: the key of the run's pins.
    pub connector: String,
    /// Its configuration, compiled.
    pub config: Template,
    /// The steps that have to be done before it begins.
    pub needs: Vec<NodeIndex>,
    /// The steps that wait for it.
    pub dependents: Vec<NodeIndex>,
    /// What has to hold, or it is skipped.
    pub condition: Option<Expression>,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take; the connector's limit where absent.
    pub timeout: Option<Duration>,
    /// What a crash in the middle of an attempt means.
    pub delivery: Delivery,
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
    for (index, step) in definition.steps.iter().enumerate() {
        if step.connector.plugin.is_empty() {
            continue;
        }
        match catalog.resolve(&step.connector) {
            Ok(connector) => connectors.push(Resolved {
                path: format!("/steps/{index}/config"),
                reference: step.connector.to_string(),
                connector,
                config: step.config.clone(),
            }),
            Err(message) => problems.add(|| Problem::new(format!("/steps/{index}/type"), message)),
        }
    }
    let graph = Graph::build(definition, Arc::clone(env), &mut problems);
    Checked {
        graph: graph.filter(|_| problems.is_empty()),
        problems: problems.in_order_of(document),
        connectors,
    }
}

impl Graph {
    /// Reads a definition that was checked when it was created.
    ///
    /// # Errors
    /// What is wrong with it after all: it was damaged, or written by a later host.
    pub fn load(document: &Value, env: &Arc<Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let definition = Definition::read(document, &mut problems);
        match Self::build(definition, Arc::clone(env), &mut problems) {
            Some(graph) if problems.is_empty() => Ok(graph),
            _ => Err(problems.in_order_of(document)),
        }
    }

    fn build(definition: Definition, env: Arc<Value>, problems: &mut Problems) -> Option<Self> {
        let by_name = index_names(&definition.steps, problems);
        let needs = resolve_needs(&definition.steps, &by_name, problems);
        let ancestors = order::find_ancestors(&needs).unwrap_or_else(|| {
            for circle in order::find_circles(&needs) {
                problems
                    .add(|| Problem::new("/steps", describe_circle(&definition.steps, &circle)));
            }
            // What comes before what is open until the circle is. The rest of the problems is not.
            vec![vec![u64::MAX; needs.len().div_ceil(64)]; needs.len()]
        });
        let names: Vec<String> = definition
            .steps
            .iter()
            .map(|step| step.name.clone())
            .collect();
        let by_name = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let mut nodes = Vec::with_capacity(definition.steps.len());
        for (index, step) in definition.steps.into_iter().enumerate() {
            let in_scope = Names {
                steps: &names,
                by_name: &by_name,
                ancestors: &ancestors[index],
                step: &step.name,
            };
            let path = format!("/steps/{index}");
            let place = format!("{path}/config");
            let config =
                Template::compile(&step.config, &Pointer::Root(&place), &in_scope, problems);
            let condition = compile_condition(
                step.condition.as_deref(),
                &in_scope,
                &format!("{path}/if"),
                problems,
            );
            let Some(config) = config else { continue };
            nodes.push(Node {
                name: step.name.into(),
                connector: step.connector.to_string(),
                config,
                needs: needs[index].clone(),
                dependents: Vec::new(),
                condition,
                retry: step.retry,
                timeout: step.timeout,
                delivery: step.delivery,
            });
        }
        // A step that was left out above has shifted the others; the problem it left keeps the graph from being used.
        if nodes.len() != needs.len() {
            return None;
        }
        for (index, needed) in needs.iter().enumerate() {
            for &before in needed {
                nodes[before].dependents.push(index);
            }
        }
        let by_name = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (Arc::clone(&node.name), index))
            .collect();
        Some(Self {
            name: definition.name,
            env,
            nodes,
            by_name,
        })
    }

    /// Every step, in the order of the definition.
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
}

fn index_names<'a>(
    steps: &'a [StepDefinition],
    problems: &mut Problems,
) -> HashMap<&'a str, NodeIndex> {
    let mut by_name = HashMap::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        if step.name.is_empty() {
            continue;
        }
        if let Some(first) = by_name.insert(step.name.as_str(), index) {
            let name = &step.name;
            problems.add(|| {
                Problem::new(
                    format!("/steps/{index}/name"),
                    format!("\"{name}\" is the name of step {first} already (counted from 0); names are unique"),
                )
            });
        }
    }
    by_name
}

/// A step without `needs` waits for the one written above it.
fn resolve_needs(
    steps: &[StepDefinition],
    by_name: &HashMap<&str, NodeIndex>,
    problems: &mut Problems,
) -> Vec<Vec<NodeIndex>> {
    let mut resolved = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let Some(names) = &step.needs else {
            resolved.push(index.checked_sub(1).into_iter().collect());
            continue;
        };
        let mut needs = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let path = format!("/steps/{index}/needs/{place}");
            match by_name.get(name.as_str()) {
                Some(&before) if needs.contains(&before) => {
                    problems.add(|| Problem::new(path, format!("\"{name}\" is named twice")));
                }
                Some(&before) => needs.push(before),
                None => problems
                    .add(|| Problem::new(path, unknown("step", name, by_name_sorted(by_name)))),
            }
        }
        resolved.push(needs);
    }
    resolved
}

fn by_name_sorted<'a>(by_name: &HashMap<&'a str, NodeIndex>) -> Vec<&'a str> {
    let mut names: Vec<_> = by_name
        .iter()
        .map(|(name, index)| (*index, *name))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

fn compile_condition(
    source: Option<&str>,
    names: &Names<'_>,
    path: &str,
    problems: &mut Problems,
) -> Option<Expression> {
    let source = source?;
    match Expression::compile(source) {
        Ok(expression) => {
            for name in expression.names().iter().filter(|name| !names.allows(name)) {
                problems.add(|| Problem::new(path, names.explain(name)));
            }
            Some(expression)
        }
        Err(_) if source.contains("${") => {
            problems.add(|| {
                Problem::new(
                    path,
                    "is one expression: put all of it between one ${ and its }",
                )
            });
            None
        }
        Err(error) => {
            problems.add(|| Problem::new(path, error.to_string()));
            None
        }
    }
}

fn describe_circle(steps: &[StepDefinition], circle: &[NodeIndex]) -> String {
    const SHOWN: usize = 12;
    let shown = circle
        .iter()
        .take(SHOWN)
        .map(|&index| format!("\"{}\"", cut(steps[index].name.clone(), 40)));
    let more = (circle.len() > SHOWN).then(|| "…".to_owned());
    let names: Vec<_> = shown.chain(more).collect();
    match circle.len() {
        1 => format!(
            "the step {} waits for itself; take it out of its `needs`",
            names.join(", ")
        ),
        _ => format!(
            "the steps {} wait for each other in a circle; take one of them out of a `needs`",
            names.join(", ")
        ),
    }
}
