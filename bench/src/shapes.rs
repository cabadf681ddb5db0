//! How long single runs take that are long, wide or repeat themselves, on a server that has nothing else to do.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Api, Run};
use crate::delays::seconds_between;
use crate::latency::{Latency, rounded};
use crate::report::Problems;
use crate::runs::await_finished;
use crate::time::Timestamp;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many runs of each shape, one after the other. The largest is run a tenth as often, and once at least.
    #[arg(long, default_value_t = 20)]
    pub runs: u32,
    /// How long one run may take, in seconds.
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From the trigger to the end, by the server's own account, for each shape.
    pub shapes: Vec<Took>,
    /// What was wrong.
    pub problems: Problems,
}

/// How long the runs of a shape took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Took {
    /// Which.
    pub shape: &'static str,
    /// Steps and iterations of each.
    pub steps: u32,
    /// Each run.
    pub run: Latency,
    /// The median, shared out to the steps, in microseconds.
    pub step_us: f64,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// A workflow that is measured.
struct Shape {
    name: &'static str,
    steps: u32,
    definition: Value,
    payload: Value,
    runs: u32,
}

fn shapes(runs: u32) -> Vec<Shape> {
    let nap = |name: String, needs: Option<Value>| {
        let mut step = json!({"name": name, "type": "delay", "config": {"duration": 0}});
        if let Some(needs) = needs {
            step["needs"] = needs;
        }
        step
    };
    let chain = |length: u32| (0..length).map(|n| nap(format!("s{n}"), None)).collect();
    let beside = |width: u32| {
        (0..width)
            .map(|n| nap(format!("s{n}"), Some(json!([]))))
            .collect()
    };
    let shape = |name, steps, all: Vec<Value>| Shape {
        name,
        steps,
        definition: json!({"name": name, "steps": all}),
        payload: json!({}),
        runs,
    };
    let each = |name, items: u32, runs| Shape {
        name,
        steps: items,
        definition: json!({"name": name, "steps": [{
            "name": "each", "type": "delay", "foreach": "${payload.items}", "max_parallel": 50,
            "config": {"duration": 0},
        }]}),
        payload: json!({"items": (0..items).collect::<Vec<_>>()}),
        runs,
    };
    vec![
        shape("chain of 1", 1, chain(1)),
        shape("chain of 3", 3, chain(3)),
        shape("chain of 9", 9, chain(9)),
        shape("chain of 40", 40, chain(40)),
        shape("400 beside each other", 400, beside(400)),
        each("foreach over 100", 100, runs),
        each("foreach over 10,000", 10_000, (runs / 10).max(1)),
    ]
}

/// Measures every shape, one run after the other.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Report> {
    let mut problems = Problems::default();
    let mut api = Api::new(address);
    let patience = Duration::from_secs(options.patience);
    let mut took = Vec::new();
    for shape in shapes(options.runs) {
        let workflow = api.create_workflow(&shape.definition).await?;
        let mut micros = Vec::new();
        for _ in 0..shape.runs {
            let began_at = Timestamp::now();
            let run = api.trigger(&workflow, &shape.payload).await?;
            let awaited = await_finished(address, &[run], patience, |run| Ended::of(&run)).await?;
            awaited.complain(&mut problems);
            let ended = awaited.finished.first().context("a run did not end")?;
            if let Some(flaw) = &ended.flaw {
                problems.add(format!("{}: {flaw}", shape.name));
            }
            let seconds = ended.at.map_or(0.0, |at| seconds_between(began_at, at));
            micros.push(to_micros(seconds));
        }
        let run = Latency::of(micros);
        let step_us = rounded(run.p50_ms * 1_000.0 / f64::from(shape.steps));
        took.push(Took {
            shape: shape.name,
            steps: shape.steps,
            run,
            step_us,
        });
    }
    Ok(Report {
        shapes: took,
        problems,
    })
}

struct Ended {
    at: Option<Timestamp>,
    flaw: Option<String>,
}

impl Ended {
    fn of(run: &Run) -> Self {
        let is_done = |step: &crate::api::StepResult| step.status == "success";
        let flaw = (run.status != "success" || !run.step_results.values().all(is_done))
            .then(|| format!("run {} ended as {}: {}", run.uuid, run.status, run.error));
        Self {
            at: run.completed_at,
            flaw,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of one run, which are not negative"
)]
fn to_micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1_000_000.0) as u64
}
