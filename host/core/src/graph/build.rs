//! Makes a graph of a definition, or finds out why there is none.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::names::{self, Names};
use super::{Condition, Each, Graph, Node, NodeIndex, Stage, Stages, child, order};
use crate::definition::{
    Concurrency, Definition, KafkaTrigger, OnError, Problem, Problems, RateLimit, StepDefinition,
    Trigger, cut, unknown,
};
use crate::expression::Expression;
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::template::{Template, Vocabulary};

/// A step as written, with its place in the definition.
struct Part {
    stage: Stage,
    path: String,
    step: StepDefinition,
}

/// The steps of a definition, for who looks for names.
#[derive(Clone, Copy)]
struct Written<'a> {
    steps: &'a [String],
    by_name: &'a HashMap<&'a str, NodeIndex>,
}

impl<'a> Written<'a> {
    /// What an expression may name where so much is known.
    fn names<'b>(self, before: &'b [u64], step: &'b str, scope: &'b [&'static str]) -> Names<'b>
    where
        'a: 'b,
    {
        let Self { steps, by_name } = self;
        Names {
            steps,
            by_name,
            before,
            step,
            scope,
        }
    }
}

pub(super) fn build(
    definition: Definition,
    env: Arc<Value>,
    problems: &mut Problems,
) -> Option<Graph> {
    let Definition {
        name,
        id,
        description: _,
        labels,
        input,
        steps,
        on_failure,
        finally,
        output,
        timeout,
        concurrency,
        rate_limit,
        priority,
        triggers,
    } = definition;
    let counts = [steps.len(), on_failure.len(), finally.len()];
    let lists = [
        (Stage::Steps, "/steps", steps),
        (Stage::OnFailure, "/on_failure", on_failure),
        (Stage::Finally, "/finally", finally),
    ];
    let parts: Vec<Part> = lists
        .into_iter()
        .flat_map(|(stage, list, steps)| {
            let steps = steps.into_iter().enumerate();
            steps.map(move |(index, step)| Part {
                stage,
                path: format!("{list}/{index}"),
                step,
            })
        })
        .collect();
    let by_name = index_names(&parts, problems);
    let needs = resolve_needs(&parts, &by_name, problems);
    let before = what_is_before(&parts, &needs, problems);
    let names: Vec<String> = parts.iter().map(|part| part.step.name.clone()).collect();
    let mut by_name = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        by_name.entry(name.as_str()).or_insert(index);
    }
    let written = Written {
        steps: &names,
        by_name: &by_name,
    };

    let in_all = parts.len();
    let mut nodes = Vec::with_capacity(in_all);
    let mut compensations = Vec::new();
    for (index, Part { stage, path, step }) in parts.into_iter().enumerate() {
        let is_loop = step.foreach.is_some();
        let scope = names::of_step(stage, false);
        let item_scope = names::of_step(stage, is_loop);
        let around = written.names(&before[index], &names[index], scope);
        let inside = written.names(&before[index], &names[index], item_scope);
        let condition = step
            .condition
            .as_deref()
            .and_then(|source| compile_condition(source, &inside, &format!("{path}/if"), problems));
        let each = step.foreach.as_ref().map(|items| {
            let place = format!("{path}/foreach");
            Template::compile(items, &Pointer::Root(&place), &around, problems)
        });
        let place = format!("{path}/config");
        let config = Template::compile(&step.config, &Pointer::Root(&place), &inside, problems);
        let work = child::work(&step.connector, &step.config, &path, problems);
        if let Some(undo) = step.compensate {
            let path = format!("{path}/compensate");
            if stage != Stage::Steps {
                problems.add(|| {
                    let message = "is never asked for: what is done at the end of a run is not undone; take it out";
                    Problem::new(&*path, message)
                });
            }
            let name = format!("{}.compensate", step.name);
            if by_name.contains_key(name.as_str()) {
                problems.add(|| {
                    let message = format!("is called \"{name}\", which is another step's name already; rename that one");
                    Problem::new(&*path, message)
                });
            }
            let mut before = before[index].clone();
            order::insert(&mut before, index);
            let names = written.names(&before, "", item_scope);
            let place = format!("{path}/config");
            let config = Template::compile(&undo.config, &Pointer::Root(&place), &names, problems);
            let work = child::work(&undo.connector, &undo.config, &path, problems);
            compensations.extend(config.map(|config| Node {
                name: name.into(),
                stage: Stage::Compensation,
                work,
                connector: undo.connector.to_string(),
                config,
                needs: Vec::new(),
                dependents: Vec::new(),
                condition: None,
                each: None,
                retry: undo.retry,
                timeout: undo.timeout,
                delivery: undo.delivery,
                on_error: OnError::Fail,
                compensate: None,
                undoes: Some(index),
            }));
        }
        let (Some(config), None | Some(Some(_))) = (config, &each) else {
            continue;
        };
        nodes.push(Node {
            name: step.name.into(),
            stage,
            work,
            connector: step.connector.to_string(),
            config,
            needs: needs[index].clone(),
            dependents: Vec::new(),
            condition,
            each: each.flatten().map(|items| Each {
                items,
                parallel_max: step.parallel_max,
            }),
            retry: step.retry,
            timeout: step.timeout,
            delivery: step.delivery,
            on_error: step.on_error,
            compensate: None,
            undoes: None,
        });
    }

    let mut all = order::none(in_all);
    (0..counts[0]).for_each(|index| order::insert(&mut all, index));
    let names = written.names(&all, "", &names::STEP);
    let output = output
        .map(|output| Template::compile(&output, &Pointer::Root("/output"), &names, problems));
    let nothing = order::none(in_all);
    let names = written.names(&nothing, "", &names::START);
    let compile_key = |key: String, path: &str, problems: &mut Problems| {
        Template::compile(&Value::String(key), &Pointer::Root(path), &names, problems)
    };
    let concurrency = concurrency.map(|limit| {
        let key = compile_key(limit.key, "/concurrency/key", problems)?;
        let (limit, when_full) = (limit.limit, limit.when_full);
        Some(Concurrency {
            key,
            limit,
            when_full,
        })
    });
    let rate_limit = rate_limit.map(|limit| {
        let key = compile_key(limit.key, "/rate_limit/key", problems)?;
        let (limit, per) = (limit.limit, limit.per);
        Some(RateLimit { key, limit, per })
    });
    let names = written.names(&nothing, "", &names::MESSAGE);
    let triggers = compile_triggers(triggers, &names, problems);

    // A step that was left out above has shifted the others; the problem it left keeps the graph from being used.
    if nodes.len() != in_all {
        return None;
    }
    for (index, needed) in needs.iter().enumerate() {
        for &before in needed {
            nodes[before].dependents.push(index);
        }
    }
    for (place, undo) in compensations.iter().enumerate() {
        if let Some(undone) = undo.undoes {
            nodes[undone].compensate = Some(in_all + place);
        }
    }
    let [steps, on_failure, _] = counts;
    let stages = Stages {
        steps: 0..steps,
        on_failure: steps..steps + on_failure,
        finally: steps + on_failure..in_all,
        compensations: in_all..in_all + compensations.len(),
    };
    nodes.append(&mut compensations);
    let by_name = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| (Arc::clone(&node.name), index))
        .collect();
    Some(Graph {
        name,
        id,
        labels,
        input,
        // Where one of these could not be compiled, its problem keeps the graph from being used.
        output: output.flatten(),
        timeout,
        concurrency: concurrency.flatten(),
        rate_limit: rate_limit.flatten(),
        priority,
        triggers,
        env,
        limits: Limits::default(),
        nodes,
        by_name,
        stages,
    })
}

fn index_names<'a>(parts: &'a [Part], problems: &mut Problems) -> HashMap<&'a str, NodeIndex> {
    let mut by_name: HashMap<&str, NodeIndex> = HashMap::with_capacity(parts.len());
    for (index, Part { path, step, .. }) in parts.iter().enumerate() {
        if step.name.is_empty() {
            continue;
        }
        let first = *by_name.entry(step.name.as_str()).or_insert(index);
        if first != index {
            let name = &step.name;
            let first = &parts[first];
            problems.add(|| {
                let whose = match first.path.strip_prefix("/steps/") {
                    Some(index) => format!("step {index} already (counted from 0)"),
                    None => format!("the step at {} already", first.path),
                };
                Problem::new(
                    format!("{path}/name"),
                    format!("\"{name}\" is the name of {whose}; names are unique"),
                )
            });
        }
    }
    by_name
}

/// A step without `needs` waits for the one written above it.
fn resolve_needs(
    parts: &[Part],
    by_name: &HashMap<&str, NodeIndex>,
    problems: &mut Problems,
) -> Vec<Vec<NodeIndex>> {
    let mut resolved = Vec::with_capacity(parts.len());
    for (index, Part { stage, path, step }) in parts.iter().enumerate() {
        let is_beside = |&other: &NodeIndex| parts[other].stage == *stage;
        let Some(names) = &step.needs else {
            let above = index.checked_sub(1).filter(is_beside);
            resolved.push(above.into_iter().collect());
            continue;
        };
        let mut needs = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let path = format!("{path}/needs/{place}");
            match by_name.get(name.as_str()) {
                Some(before) if !is_beside(before) => problems.add(|| {
                    let message = format!("\"{name}\" stands in another list; a step waits for those of its own list only");
                    Problem::new(path, message)
                }),
                Some(before) if needs.contains(before) => {
                    problems.add(|| Problem::new(path, format!("\"{name}\" is named twice")));
                }
                Some(&before) => needs.push(before),
                None => problems.add(|| {
                    let beside = parts.iter().filter(|part| part.stage == *stage);
                    let names = beside.map(|part| part.step.name.as_str());
                    let names = names.filter(|name| !name.is_empty());
                    Problem::new(path, unknown("step", name, names))
                }),
            }
        }
        resolved.push(needs);
    }
    resolved
}

/// What is known when each step begins, as sets of bits: what it waits for, and at the end of a run the steps of its
/// course too, though some of them may not have been done.
fn what_is_before(
    parts: &[Part],
    needs: &[Vec<NodeIndex>],
    problems: &mut Problems,
) -> Vec<Vec<u64>> {
    let Some(mut before) = order::find_ancestors(needs) else {
        for circle in order::find_circles(needs) {
            let place = circle.first().map_or("", |&index| &parts[index].path);
            let list = place.rsplit_once('/').map_or("", |(list, _)| list);
            problems.add(|| Problem::new(list, describe_circle(parts, &circle)));
        }
        // What comes before what is open until the circle is. The rest of the problems is not.
        return vec![vec![u64::MAX; needs.len().div_ceil(64)]; needs.len()];
    };
    for (set, part) in before.iter_mut().zip(parts) {
        if part.stage != Stage::Steps {
            let course = parts.iter().enumerate();
            let course = course.filter(|(_, part)| part.stage == Stage::Steps);
            course.for_each(|(index, _)| order::insert(set, index));
        }
    }
    before
}

fn compile_condition(
    source: &str,
    names: &Names<'_>,
    path: &str,
    problems: &mut Problems,
) -> Option<Condition> {
    match Expression::compile(source) {
        Ok(expression) => {
            for name in expression.names().iter().filter(|name| !names.allows(name)) {
                problems.add(|| Problem::new(path, names.explain(name)));
            }
            let names = expression.names();
            Some(Condition {
                is_per_item: names.contains("item") || names.contains("index"),
                expression,
            })
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

fn compile_triggers(
    triggers: Vec<Option<Trigger<String>>>,
    names: &Names<'_>,
    problems: &mut Problems,
) -> Vec<Trigger<Expression>> {
    let mut compiled = Vec::with_capacity(triggers.len());
    for (index, trigger) in triggers.into_iter().enumerate() {
        // One that could not be read has left a problem.
        let Some(trigger) = trigger else { continue };
        compiled.push(match trigger {
            Trigger::Schedule(schedule) => Trigger::Schedule(schedule),
            Trigger::Webhook(webhook) => Trigger::Webhook(webhook),
            Trigger::Kafka(KafkaTrigger { topic, filter }) => {
                let path = format!("/triggers/{index}/filter");
                let filter = filter
                    .and_then(|source| compile_condition(&source, names, &path, problems))
                    .map(|condition| condition.expression);
                Trigger::Kafka(KafkaTrigger { topic, filter })
            }
        });
    }
    compiled
}

fn describe_circle(parts: &[Part], circle: &[NodeIndex]) -> String {
    const SHOWN: usize = 12;
    let shown = circle
        .iter()
        .take(SHOWN)
        .map(|&index| format!("\"{}\"", cut(parts[index].step.name.clone(), 40)));
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
