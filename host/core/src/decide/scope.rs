//! What an expression finds under a name, in the run as it is.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::progress::{iteration_key, key};
use crate::event::End;
use crate::expression::{Found, Scope};
use crate::graph::{Graph, Node, NodeIndex, Stage};
use crate::outcome::Failure;
use crate::run::{Phase, Run};
use crate::step::StepKey;

/// The scope of a step's expressions. Which names may be used was checked when the workflow was created.
pub(super) struct RunScope<'a> {
    graph: &'a Graph,
    run: &'a Run,
    /// The step whose expressions they are; none for those of the whole.
    at: Option<NodeIndex>,
    /// Which iteration it is, in a loop.
    iteration: Option<u32>,
}

impl<'a> RunScope<'a> {
    pub(super) const fn of_step(
        graph: &'a Graph,
        run: &'a Run,
        at: NodeIndex,
        iteration: Option<u32>,
    ) -> Self {
        Self {
            graph,
            run,
            at: Some(at),
            iteration,
        }
    }

    pub(super) const fn of_run(graph: &'a Graph, run: &'a Run) -> Self {
        Self {
            graph,
            run,
            at: None,
            iteration: None,
        }
    }

    /// The step whose list is gone through: the one that is undone, where this undoes one.
    fn looped(&self) -> Option<&'a Node> {
        let node = self.graph.node(self.at?);
        Some(node.undoes.map_or(node, |undone| self.graph.node(undone)))
    }

    fn item(&self) -> Option<Found<'a>> {
        let iteration = usize::try_from(self.iteration?).ok()?;
        let found = self.run.find_loop(&self.looped()?.name)?;
        let item = found.items().value().get(iteration)?;
        Some(Found::Value(Cow::Borrowed(item)))
    }

    /// What a step came to: of one that is undone, this iteration; of a loop, what each came to, in the order of the list.
    fn output(&self, node: &'a Node) -> Option<Found<'a>> {
        let is_undone = || {
            let at = self.at.map(|at| self.graph.node(at));
            let undone = at.and_then(|at| at.undoes);
            undone.is_some_and(|undone| self.graph.node(undone).name == node.name)
        };
        let found = match self.run.find_loop(&node.name) {
            Some(_) if self.iteration.is_some() && is_undone() => {
                let iteration = self.iteration.unwrap_or_default();
                self.single(&iteration_key(node, iteration))
            }
            Some(found) if found.is_done() => (0..found.length())
                .map(|iteration| self.single(&iteration_key(node, iteration)))
                .collect::<Option<Vec<_>>>()
                .map(Found::List),
            Some(_) => None,
            None => self.single(&key(node)),
        };
        // At the end of a run, what was never done is null.
        let is_end = self.at.is_some_and(|at| {
            let stage = self.graph.node(at).stage;
            matches!(stage, Stage::OnFailure | Stage::Finally)
        });
        found.or_else(|| is_end.then_some(Found::NULL))
    }

    fn single(&self, key: &StepKey) -> Option<Found<'a>> {
        match &self.run.step(key)?.phase {
            Phase::Succeeded { output } => Some(Found::Document(output)),
            Phase::Skipped => Some(Found::NULL),
            Phase::Failed {
                failure,
                continued: true,
            } => Some(Found::Value(Cow::Owned(json!({"error": told(failure)})))),
            Phase::Running { .. }
            | Phase::Suspended { .. }
            | Phase::Retrying { .. }
            | Phase::Failed {
                continued: false, ..
            }
            | Phase::Cancelled => None,
        }
    }

    fn outputs(&self) -> Found<'a> {
        let nodes = self.graph.nodes().iter();
        let outputs = nodes.filter_map(|node| Some((&*node.name, self.output(node)?)));
        Found::Map(outputs.collect())
    }

    /// Why the run is at its end: null where nothing went wrong.
    fn failure(&self) -> Value {
        match self.run.ending() {
            Some(End::Failed {
                step,
                code,
                message,
            }) => {
                let step = step.as_ref().map(ToString::to_string);
                json!({"step": step, "error": message, "code": code})
            }
            Some(End::Cancelled { reason }) => {
                let reason = reason.as_deref().unwrap_or("the run was cancelled");
                json!({"step": null, "error": reason, "code": "cancelled"})
            }
            Some(End::Succeeded { .. }) | None => Value::Null,
        }
    }
}

/// A failure, as expressions see it.
fn told(failure: &Failure) -> Value {
    let details = failure.details.as_ref().map(|json| json.value().clone());
    json!({"code": failure.code, "message": failure.message, "details": details})
}

impl Scope for RunScope<'_> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        let created = self.run.created();
        let value = |value: Value| Some(Found::Value(Cow::Owned(value)));
        match name {
            "payload" => Some(Found::Document(&created.payload)),
            "run" => value(json!({
                "id": self.run.id().to_string(),
                "created_at": self.run.created_at().to_string(),
            })),
            "workflow" => value(json!({
                "id": created.workflow.to_string(),
                "version": self.run.version(),
                "name": self.graph.name,
            })),
            "steps" => Some(self.outputs()),
            "env" => Some(Found::Value(Cow::Borrowed(&*self.graph.env))),
            "item" => self.item(),
            "index" => value(Value::from(self.iteration?)),
            "failure" => value(self.failure()),
            step => self.output(self.graph.node(self.graph.find(step)?)),
        }
    }
}
