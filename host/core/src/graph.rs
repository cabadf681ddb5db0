//! A definition that has been checked: its steps as a graph, its expressions compiled.
//!
//! A [`Graph`] can only come from [`check`], which returns every problem at once; nothing behind it checks again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::connector::{Catalog, Connector};
use crate::definition::{Definition, Delivery, Problem, RESERVED_NAMES, StepDefinition, unknown};
use crate::expression::{Expression, is_function};
use crate::retry::RetryPolicy;
use crate::template::Template;

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
    let mut problems = Vec::new();
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
            Err(message) => problems.push(Problem::new(format!("/steps/{index}/type"), message)),
        }
    }
    let graph = Graph::build(definition, Arc::clone(env), &mut problems);
    problems.sort();
    problems.dedup();
    Checked { graph: graph.filter(|_| problems.is_empty()), problems, connectors }
}

impl Graph {
    /// Reads a definition that was checked when it was created.
    ///
    /// # Errors
    /// What is wrong with it after all: it was damaged, or written by a later host.
    pub fn load(document: &Value, env: &Arc<Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let definition = Definition::read(document, &mut problems);
        match Self::build(definition, Arc::clone(env), &mut problems) {
            Some(graph) if problems.is_empty() => Ok(graph),
            _ => Err(problems),
        }
    }

    fn build(definition: Definition, env: Arc<Value>, problems: &mut Vec<Problem>) -> Option<Self> {
        let by_name = index_names(&definition.steps, problems);
        let needs = resolve_needs(&definition.steps, &by_name, problems);
        let Some(ancestors) = find_ancestors(&needs) else {
            problems.push(Problem::new("/steps", describe_cycle(&definition.steps, &needs)));
            return None;
        };
        let names: Vec<String> = definition.steps.iter().map(|step| step.name.clone()).collect();
        let mut nodes = Vec::with_capacity(definition.steps.len());
        for (index, step) in definition.steps.into_iter().enumerate() {
            let in_scope = Names { names: &names, ancestors: &ancestors[index], step: &step.name };
            let path = format!("/steps/{index}");
            let config = compile_config(&step.config, &in_scope, &format!("{path}/config"), problems);
            let condition = compile_condition(step.condition.as_deref(), &in_scope, &format!("{path}/if"), problems);
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
        let by_name = nodes.iter().enumerate().map(|(index, node)| (Arc::clone(&node.name), index)).collect();
        Some(Self { name: definition.name, env, nodes, by_name })
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

fn index_names<'a>(steps: &'a [StepDefinition], problems: &mut Vec<Problem>) -> HashMap<&'a str, NodeIndex> {
    let mut by_name = HashMap::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        if step.name.is_empty() {
            continue;
        }
        if let Some(first) = by_name.insert(step.name.as_str(), index) {
            problems.push(Problem::new(
                format!("/steps/{index}/name"),
                format!("\"{}\" is the name of step {first} already (counted from 0); names are unique", step.name),
            ));
        }
    }
    by_name
}

/// A step without `needs` waits for the one written above it.
fn resolve_needs(
    steps: &[StepDefinition],
    by_name: &HashMap<&str, NodeIndex>,
    problems: &mut Vec<Problem>,
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
                    problems.push(Problem::new(path, format!("\"{name}\" is named twice")));
                }
                Some(&before) => needs.push(before),
                None => problems.push(Problem::new(path, unknown("step", name, by_name_sorted(by_name)))),
            }
        }
        resolved.push(needs);
    }
    resolved
}

fn by_name_sorted<'a>(by_name: &HashMap<&'a str, NodeIndex>) -> Vec<&'a str> {
    let mut names: Vec<_> = by_name.iter().map(|(name, index)| (*index, *name)).collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Which steps are surely done when a step begins; one set of bits a step. Nothing where the needs go in a circle.
fn find_ancestors(needs: &[Vec<NodeIndex>]) -> Option<Vec<Vec<u64>>> {
    let words = needs.len().div_ceil(64);
    let mut ancestors = vec![vec![0_u64; words]; needs.len()];
    for index in topological_order(needs)? {
        let mut own = vec![0_u64; words];
        for &before in &needs[index] {
            own[before / 64] |= 1 << (before % 64);
            for (word, theirs) in own.iter_mut().zip(&ancestors[before]) {
                *word |= theirs;
            }
        }
        ancestors[index] = own;
    }
    Some(ancestors)
}

/// Kahn's algorithm.
fn topological_order(needs: &[Vec<NodeIndex>]) -> Option<Vec<NodeIndex>> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); needs.len()];
    for (index, needed) in needs.iter().enumerate() {
        for &before in needed {
            dependents[before].push(index);
        }
    }
    let mut order: Vec<NodeIndex> = (0..needs.len()).filter(|&index| missing[index] == 0).collect();
    let mut next = 0;
    while let Some(&index) = order.get(next) {
        next += 1;
        for &dependent in &dependents[index] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                order.push(dependent);
            }
        }
    }
    (order.len() == needs.len()).then_some(order)
}

fn describe_cycle(steps: &[StepDefinition], needs: &[Vec<NodeIndex>]) -> String {
    // Walk backwards from any step that cannot be ordered; after as many steps as there are, the walk is in a circle.
    let stuck = |index: NodeIndex| {
        let mut seen = vec![false; needs.len()];
        let mut waiting = needs[index].clone();
        while let Some(before) = waiting.pop() {
            if before == index {
                return true;
            }
            if !std::mem::replace(&mut seen[before], true) {
                waiting.extend(&needs[before]);
            }
        }
        false
    };
    let circle: Vec<_> = (0..steps.len()).filter(|&index| stuck(index)).map(|index| format!("\"{}\"", steps[index].name)).collect();
    format!("the steps {} wait for each other in a circle; take one of them out of a `needs`", circle.join(", "))
}

/// What a step's expressions may name.
struct Names<'a> {
    names: &'a [String],
    ancestors: &'a [u64],
    step: &'a str,
}

impl Names<'_> {
    const SCOPE: [&'static str; 5] = ["payload", "run", "workflow", "steps", "env"];

    fn position(&self, name: &str) -> Option<NodeIndex> {
        self.names.iter().position(|step| step == name)
    }

    fn is_before(&self, index: NodeIndex) -> bool {
        self.ancestors[index / 64] >> (index % 64) & 1 == 1
    }

    fn problem(&self, name: &str) -> Option<String> {
        if Self::SCOPE.contains(&name) {
            return None;
        }
        match self.position(name) {
            Some(index) if self.is_before(index) => None,
            Some(_) if name == self.step => Some(format!("\"{name}\" is this step itself, which has no output yet")),
            Some(_) => Some(format!(
                "step \"{name}\" is not surely done when \"{}\" begins; put it above, or in its `needs`",
                self.step
            )),
            None if is_function(name) => None,
            None if RESERVED_NAMES.contains(&name) => Some(format!("\"{name}\" has no meaning here")),
            None => {
                let before = self.names.iter().enumerate().filter(|(index, _)| self.is_before(*index));
                let known = Self::SCOPE.into_iter().chain(before.map(|(_, name)| name.as_str()));
                Some(unknown("name", name, known))
            }
        }
    }
}

fn compile_config(config: &Value, names: &Names<'_>, path: &str, problems: &mut Vec<Problem>) -> Option<Template> {
    match Template::compile(config, &|name| names.position(name).is_some()) {
        Ok(template) => {
            for (name, place) in template.names() {
                if let Some(message) = names.problem(&name) {
                    problems.push(Problem::new(format!("{path}{place}"), message));
                }
            }
            Some(template)
        }
        Err(found) => {
            problems.extend(found.into_iter().map(|p| Problem::new(format!("{path}{}", p.path), p.message)));
            None
        }
    }
}

fn compile_condition(
    source: Option<&str>,
    names: &Names<'_>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Expression> {
    match Expression::compile(source?) {
        Ok(expression) => {
            let wrong = expression.names().iter().filter_map(|name| names.problem(name));
            problems.extend(wrong.map(|message| Problem::new(path, message)));
            Some(expression)
        }
        Err(error) => {
            problems.push(Problem::new(path, error.to_string()));
            None
        }
    }
}
