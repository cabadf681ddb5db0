//! What is kept of a run that ended: small, since there may be a hundred thousand.

use serde_json::Value;

use super::{CALL, WAITS};
use crate::api::{Run, StepResult};
use crate::time::Timestamp;

/// A run as it was seen after its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) run: String,
    pub(super) status: String,
    pub(super) error: Value,
    pub(super) n: Option<u64>,
    pub(super) completed_at: Option<Timestamp>,
    /// Everything that is wrong with its steps, seen by itself.
    pub(super) flaws: Vec<String>,
    /// What the webhook's step says that the sink answered.
    pub(super) answer: Value,
    /// When the webhook's step ended.
    pub(super) called_at: Option<Timestamp>,
    /// When each step ended: a step that ends again has another time.
    pub(super) ends: Vec<Option<Timestamp>>,
}

impl Evidence {
    pub(super) fn of(run: &Run) -> Self {
        let call = run.step_results.get(CALL);
        let waits = WAITS
            .iter()
            .flat_map(|(name, seconds)| wait_flaws(name, *seconds, run.step_results.get(*name)));
        let flaws = waits.chain(call_flaws(call)).chain(order_flaws(run));
        let flaws = flaws.collect();
        Self {
            run: run.uuid.clone(),
            status: run.status.clone(),
            error: run.error.clone(),
            n: run.payload["n"].as_u64(),
            completed_at: run.completed_at,
            flaws,
            answer: call
                .map(|call| call.output["response_data"].clone())
                .unwrap_or_default(),
            called_at: call.and_then(|call| call.completed_at),
            ends: run
                .step_results
                .values()
                .map(|step| step.completed_at)
                .collect(),
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status == "success"
    }
}

fn wait_flaws(name: &str, seconds: f64, step: Option<&StepResult>) -> Vec<String> {
    let Some(step) = step else {
        return vec![format!("step \"{name}\" has no result")];
    };
    let mut flaws = step_flaws(name, step);
    if step.output["type"] != "delay" {
        flaws.push(format!("step \"{name}\" has the output {}", step.output));
    }
    if let (Some(from), Some(to)) = (step.started_at, step.completed_at) {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second")]
        let early = (seconds * 1e6) as i64 - to.micros_since(from);
        if early > 0 {
            flaws.push(format!("step \"{name}\" woke {early} us early"));
        }
    }
    flaws
}

fn call_flaws(step: Option<&StepResult>) -> Vec<String> {
    let Some(step) = step else {
        return vec![format!("step \"{CALL}\" has no result")];
    };
    let mut flaws = step_flaws(CALL, step);
    if step.output["status_code"] != 200 {
        flaws.push(format!(
            "step \"{CALL}\" has the status {}",
            step.output["status_code"]
        ));
    }
    flaws
}

fn step_flaws(name: &str, step: &StepResult) -> Vec<String> {
    let mut flaws = Vec::new();
    if step.status != "success" {
        flaws.push(format!(
            "step \"{name}\" ended as {}: {}",
            step.status, step.error
        ));
    }
    if step.output.is_null() {
        flaws.push(format!("step \"{name}\" has no output"));
    }
    if step.started_at.is_none() || step.completed_at.is_none() {
        flaws.push(format!(
            "step \"{name}\" does not say when it began and ended"
        ));
    }
    flaws
}

/// A step begins when the one before it has ended, and the run ends after the last.
fn order_flaws(run: &Run) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut before: Option<(&str, Timestamp)> = None;
    for name in [WAITS[0].0, CALL, WAITS[1].0] {
        let Some(step) = run.step_results.get(name) else {
            continue;
        };
        if let (Some((earlier, ended)), Some(began)) = (before, step.started_at)
            && began < ended
        {
            flaws.push(format!(
                "step \"{name}\" began at {began}, before step \"{earlier}\" ended at {ended}"
            ));
        }
        before = step.completed_at.map(|ended| (name, ended));
    }
    if let (Some((last, ended)), Some(completed_at)) = (before, run.completed_at)
        && completed_at < ended
    {
        flaws.push(format!(
            "it ended at {completed_at}, before step \"{last}\" did at {ended}"
        ));
    }
    flaws
}
