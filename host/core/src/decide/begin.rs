//! A step begins, or an iteration of one.

use std::time::Duration;

use super::progress::{iteration_key, key};
use super::scope::RunScope;
use super::{DEFAULT_TIMEOUT, Deciding, Rejection, Turn};
use crate::definition::Delivery;
use crate::effect::{Effect, InvokePlugin, StartRun, idempotency_key};
use crate::event::Event;
use crate::expression::ExpressionError;
use crate::graph::{Each, NodeIndex, Work};
use crate::json::Json;
use crate::outcome::{Failure, Resume};
use crate::step::StepKey;

impl Deciding<'_> {
    /// Begins a step whose needs are done: looks at its condition, then makes its first attempt an effect.
    pub(super) fn begin(&mut self, index: NodeIndex) {
        let node = self.graph.node(index);
        let key = key(node);
        let once = node.condition.as_ref().filter(|c| !c.is_per_item);
        let holds = once.map(|c| c.expression.holds(&self.scope(index, &key)));
        match (holds.unwrap_or(Ok(true)), &node.each) {
            (Err(error), _) => self.fail_expression(index, key, &error),
            (Ok(false), _) => {
                self.record(Event::StepSkipped { step: key.clone() });
                self.finished(index, &key);
            }
            (Ok(true), None) => self.begin_attempt(index, key),
            (Ok(true), Some(each)) => self.begin_loop(index, key, each),
        }
    }

    /// Begins a loop: finds out what it goes through, and writes that down.
    fn begin_loop(&mut self, index: NodeIndex, step: StepKey, each: &Each) {
        let items = match each.items.render(&self.scope(index, &step)) {
            Ok(items) => items,
            Err(error) => return self.fail_expression(index, step, &error),
        };
        let limit = self.graph.limits.items_max;
        let length = items.value().as_array().map(Vec::len);
        let fault = match length {
            None => Some(Failure::permanent(
                "foreach-no-list",
                format!("`foreach` gives {}, and needs a list", kind_of(&items)),
            )),
            Some(length) if length > limit => Some(Failure::permanent(
                "foreach-too-long",
                format!(
                    "`foreach` gives {length} items, the limit is {limit} (limits.foreach_items_max)"
                ),
            )),
            Some(_) => self.refuse_output(&items),
        };
        if let Some(failure) = fault {
            return self.fail(index, step, 1, self.now, failure, Vec::new());
        }
        self.record(Event::LoopStarted {
            step: step.clone(),
            items,
            parallel: each.parallel_max,
        });
        if length == Some(0) {
            return self.node_finished(index);
        }
        let open = self.run.find_loop(&step.name);
        let open = open.into_iter().flat_map(|found| found.open().iter());
        let turns = open.map(|&iteration| Turn::Iteration(index, iteration));
        self.ready.extend(turns);
    }

    /// Begins an iteration of a loop.
    pub(super) fn begin_iteration(&mut self, index: NodeIndex, iteration: u32) {
        let node = self.graph.node(index);
        let key = iteration_key(node, iteration);
        let each = node.condition.as_ref().filter(|c| c.is_per_item);
        match each.map(|c| c.expression.holds(&self.scope(index, &key))) {
            None | Some(Ok(true)) => self.begin_attempt(index, key),
            Some(Ok(false)) => {
                self.record(Event::StepSkipped { step: key.clone() });
                self.finished(index, &key);
            }
            Some(Err(error)) => self.fail_expression(index, key, &error),
        }
    }

    /// Begins the first attempt at a step, or at an iteration.
    pub(super) fn begin_attempt(&mut self, index: NodeIndex, key: StepKey) {
        let node = self.graph.node(index);
        // Recorded before the attempt: after a crash, that it began is all that is known of it. And of a run that may have
        // been created somebody has to know.
        if node.delivery == Delivery::AtMostOnce || node.work == Work::Workflow {
            self.record(Event::StepStarted {
                step: key.clone(),
                attempt: 1,
            });
        }
        self.invoke(index, key, 1, None);
    }

    /// Orders an attempt, which is the plugin's, or the creation of another run.
    pub(super) fn invoke(
        &mut self,
        index: NodeIndex,
        step: StepKey,
        attempt: u32,
        resumed: Option<Resume>,
    ) {
        let node = self.graph.node(index);
        let config = match node.config.render(&self.scope(index, &step)) {
            Ok(config) => config,
            Err(error) => return self.fail_expression(index, step, &error),
        };
        let prepared = match node.work {
            Work::Plugin => self.plugin(index, &step, attempt, config, resumed),
            Work::Workflow => self.child(&step, attempt, &config),
        };
        match prepared {
            Ok(effect) => self.decision.effects.push(effect),
            Err(failure) => self.fail(index, step, attempt, self.now, failure, Vec::new()),
        }
    }

    fn plugin(
        &self,
        index: NodeIndex,
        step: &StepKey,
        attempt: u32,
        config: Json,
        resumed: Option<Resume>,
    ) -> Result<Effect, Failure> {
        let node = self.graph.node(index);
        let Some(pin) = self.run.plugins().get(&node.connector) else {
            return Err(Failure::permanent(
                "plugin-not-pinned",
                format!(
                    "the run was started without a plugin for the type \"{}\"",
                    node.connector
                ),
            ));
        };
        let connectors_own = pin.timeout_ms.map(Duration::from_millis);
        Ok(Effect::InvokePlugin(Box::new(InvokePlugin {
            step: step.clone(),
            attempt,
            round: self.run.round(),
            key: idempotency_key(self.run, step),
            pin: pin.clone(),
            config,
            timeout: node.timeout.or(connectors_own).unwrap_or(DEFAULT_TIMEOUT),
            resumed,
        })))
    }

    fn child(&self, step: &StepKey, attempt: u32, config: &Json) -> Result<Effect, Failure> {
        let refuse = |message: String| Err(Failure::permanent("invalid-config", message));
        let config = config.value();
        let Some(workflow) = config["workflow"].as_str().filter(|name| !name.is_empty()) else {
            let found = &config["workflow"];
            return refuse(format!(
                "`workflow` is {found}, and has to be the name of a workflow or its uuid"
            ));
        };
        let payload = match &config["payload"] {
            serde_json::Value::Null => Json::empty_object(),
            payload if payload.is_object() => Json::from(payload),
            payload => {
                let kind = kind_of(&Json::from(payload));
                return refuse(format!("`payload` is {kind}, and has to be an object"));
            }
        };
        let waits = match &config["wait"] {
            serde_json::Value::Null => true,
            serde_json::Value::Bool(waits) => *waits,
            other => return refuse(format!("`wait` is {other}, and has to be true or false")),
        };
        // A run for which nobody waits is inside of nothing: a workflow may go on as a new run of itself, for years.
        let depth = match waits {
            true => self.depth_of_child()?,
            false => 0,
        };
        Ok(Effect::StartRun(Box::new(StartRun {
            step: step.clone(),
            attempt,
            round: self.run.round(),
            key: idempotency_key(self.run, step),
            workflow: workflow.to_owned(),
            payload,
            waits,
            depth,
        })))
    }

    fn depth_of_child(&self) -> Result<u32, Failure> {
        let outside = self.run.created().parent.as_ref();
        let depth = 1 + outside.map_or(0, |parent| parent.depth);
        let limit = self.graph.limits.depth_max;
        if depth >= limit {
            return Err(Failure::permanent(
                "workflow-too-deep",
                format!(
                    "this would be workflow {} inside each other, the limit is {limit} (limits.workflow_depth_max): does one of them start itself?",
                    depth + 1
                ),
            ));
        }
        Ok(depth)
    }

    pub(super) fn scope(&self, index: NodeIndex, key: &StepKey) -> RunScope<'_> {
        RunScope::of_step(self.graph, self.run, index, key.iteration)
    }

    fn fail_expression(&mut self, index: NodeIndex, step: StepKey, error: &ExpressionError) {
        let failure = Failure::permanent("expression-failed", error.to_string());
        self.fail(index, step, 1, self.now, failure, Vec::new());
    }

    /// Records that an attempt is under way, for those who look at the run meanwhile.
    pub(super) fn record_start(
        &mut self,
        step: &StepKey,
        attempt: u32,
        round: u32,
    ) -> Result<(), Rejection> {
        self.find_attempt(step, attempt, round)?;
        if self.run.step(step).is_none() {
            self.record(Event::StepStarted {
                step: step.clone(),
                attempt,
            });
        }
        Ok(())
    }
}

fn kind_of(json: &Json) -> &'static str {
    match json.value() {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}
