//! What an expression finds under a name, in the run as it is.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::expression::Scope;
use crate::graph::Graph;
use crate::run::{Phase, Run};
use crate::step::StepKey;

/// The scope of a step's expressions. Which names may be used was checked when the workflow was created.
pub(super) struct RunScope<'a> {
    graph: &'a Graph,
    run: &'a Run,
}

impl<'a> RunScope<'a> {
    pub(super) const fn of(graph: &'a Graph, run: &'a Run) -> Self {
        Self { graph, run }
    }

    /// The output of a step that is done; null where it was skipped.
    fn output(&self, name: &str) -> Option<Cow<'_, Value>> {
        match &self.run.step(&StepKey::of(name))?.phase {
            Phase::Succeeded { output } => Some(Cow::Borrowed(output.value())),
            Phase::Skipped => Some(Cow::Owned(Value::Null)),
            Phase::Running { .. }
            | Phase::Suspended { .. }
            | Phase::Retrying { .. }
            | Phase::Failed { .. }
            | Phase::Cancelled => None,
        }
    }

    fn outputs(&self) -> Value {
        let names = self.graph.nodes().iter().map(|node| &*node.name);
        names
            .filter_map(|name| Some((name.to_owned(), self.output(name)?.into_owned())))
            .collect()
    }
}

impl Scope for RunScope<'_> {
    fn find(&self, name: &str) -> Option<Cow<'_, Value>> {
        let created = self.run.created();
        match name {
            "payload" => Some(Cow::Borrowed(created.payload.value())),
            "run" => Some(Cow::Owned(json!({
                "id": self.run.id().to_string(),
                "created_at": self.run.created_at().to_string(),
            }))),
            "workflow" => Some(Cow::Owned(json!({
                "id": created.workflow.to_string(),
                "version": created.version,
                "name": self.graph.name,
            }))),
            "steps" => Some(Cow::Owned(self.outputs())),
            "env" => Some(Cow::Borrowed(&*self.graph.env)),
            step => self.output(step),
        }
    }
}
