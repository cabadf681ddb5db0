//! Walks through the API and the two first connectors, and compares what it sees with what they promise.
//!
//! Each file below is one room of the contract, and each case in it one promise. A case tells what it saw, whether or
//! not that is what was promised.

mod connectors;
mod endpoints;
mod failures;
mod headers;
mod refusals;
mod values;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Api, Run};
use crate::client::{Request, Response};
use crate::report::Problems;
use crate::runs::await_finished;
use crate::sink::{Call, Sink};

/// How the walk goes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long a run may take to end, in seconds.
    #[arg(long, default_value_t = 30)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many promises were looked at.
    pub cases: u64,
    /// How many were kept.
    pub kept: u64,
    /// One row for each.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

/// One promise.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `ok` or `BROKEN`.
    pub verdict: &'static str,
    /// What is promised.
    pub case: &'static str,
    /// What was seen.
    pub saw: String,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Walks through all of it.
///
/// # Errors
/// Where the walk itself breaks off; a promise that is not kept is a problem in the report.
pub async fn run(address: SocketAddr, sink: &Sink, options: &Options) -> Result<Report> {
    let patience = Duration::from_secs(options.patience);
    let mut walk = Walk {
        api: Api::new(address),
        address,
        sink,
        patience,
        rows: Vec::new(),
    };
    endpoints::walk(&mut walk).await;
    refusals::walk(&mut walk).await;
    values::walk(&mut walk).await;
    headers::walk(&mut walk).await;
    connectors::walk(&mut walk).await;
    failures::walk(&mut walk).await;
    let mut problems = Problems::default();
    for row in walk.rows.iter().filter(|row| row.verdict != "ok") {
        problems.add(format!("{}: {}", row.case, row.saw));
    }
    let cases = walk.rows.len() as u64;
    Ok(Report {
        cases,
        kept: cases - problems.count,
        rows: walk.rows,
        problems,
    })
}

/// A walk in progress.
struct Walk<'s> {
    api: Api,
    address: SocketAddr,
    sink: &'s Sink,
    patience: Duration,
    rows: Vec<Row>,
}

impl Walk<'_> {
    /// Notes what became of a case: what was seen, or how the promise was broken.
    fn note(&mut self, case: &'static str, result: Result<String>) {
        let (verdict, saw) = match result {
            Ok(saw) => ("ok", saw),
            Err(error) => ("BROKEN", format!("{error:#}")),
        };
        self.rows.push(Row { verdict, case, saw });
    }

    /// Creates a workflow of these steps, runs it with a payload and waits until the run has ended.
    async fn run_steps(&mut self, steps: Value, payload: Value) -> Result<Run> {
        let workflow = self
            .api
            .create_workflow(&json!({"name": "contract", "steps": steps}))
            .await?;
        let run = self.api.trigger(&workflow, &payload).await?;
        let mut awaited = await_finished(
            self.address,
            std::slice::from_ref(&run),
            self.patience,
            |run| run,
        )
        .await?;
        awaited
            .finished
            .pop()
            .with_context(|| format!("run {run} has not ended within {:?}", self.patience))
    }

    /// Runs one webhook, and returns the run with the calls that it made.
    async fn call(&mut self, config: Value, more: Value) -> Result<(Run, Vec<Call>)> {
        let mut step = json!({"name": "call", "type": "webhook", "config": config});
        if let (Some(step), Value::Object(more)) = (step.as_object_mut(), more) {
            step.extend(more);
        }
        let before = self.sink.calls().len();
        let run = self.run_steps(json!([step]), json!({})).await?;
        Ok((run, self.sink.calls_from(before)))
    }

    async fn ask(&mut self, request: &Request) -> Result<(Response, Value)> {
        let response = self.api.call(request).await?;
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        Ok((response, body))
    }
}

/// The result of a run's step.
fn output<'r>(run: &'r Run, step: &str) -> Result<&'r Value> {
    let result = run
        .step_results
        .get(step)
        .with_context(|| format!("run {} has no step \"{step}\"", run.uuid))?;
    ensure!(
        result.status == "success",
        "step \"{step}\" of run {} is {}: {}",
        run.uuid,
        result.status,
        result.error
    );
    Ok(&result.output)
}

/// The one call that was made.
fn only(calls: &[Call]) -> Result<&Call> {
    ensure!(calls.len() == 1, "{} calls were made", calls.len());
    calls.first().context("no call was made")
}
