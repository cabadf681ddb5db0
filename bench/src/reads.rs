//! How fast runs and lists are read, on a store that is nearly empty and on one that is full of finished runs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, trigger_request};
use crate::client::Request;
use crate::latency::{Latency, rounded};
use crate::load::{self, Load, Until};
use crate::report::Problems;
use crate::runs::await_finished;
use crate::triggers::delays_of_nothing;

/// Runs of another workflow that are there from the beginning, so that even the nearly empty store has something to list.
const FEW: u64 = 300;

/// How full the store is to be, and how long to read.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many finished runs to fill the store with.
    #[arg(long, default_value_t = 1_000_000)]
    pub runs: u64,
    /// Over how many connections to read, and to fill.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long each kind of read is measured.
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 600)]
    pub patience: u64,
}

/// One kind of read.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was read.
    pub read: &'static str,
    /// Reads a second on the nearly empty store.
    pub few_per_second: f64,
    /// Reads a second on the full store.
    pub many_per_second: f64,
    /// The share that is left of the first on the second.
    pub share: f64,
    /// How long one took on the full store.
    pub many: Latency,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Finished runs in the full store.
    pub runs: u64,
    /// How long it took to trigger them.
    pub fill_seconds: f64,
    /// One row for each kind of read.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Reads, fills the store, and reads again.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Report> {
    ensure!(
        options.seconds.is_finite() && options.seconds > 0.0,
        "reading for {} seconds measures nothing",
        options.seconds
    );
    let mut problems = Problems::default();
    let mut api = Api::new(address);
    let few = api.create_workflow(&delays_of_nothing(1)).await?;
    let many = api.create_workflow(&delays_of_nothing(0)).await?;
    let patience = Duration::from_secs(options.patience);

    let (early, _) = fill(address, &few, FEW, options, patience, &mut problems).await?;
    let early = early.first().context("no run was started")?.clone();
    let before = read_all(address, &few, &early, options, &mut problems).await?;
    let (_, fill_seconds) = fill(
        address,
        &many,
        options.runs,
        options,
        patience,
        &mut problems,
    )
    .await?;
    let after = read_all(address, &few, &early, options, &mut problems).await?;

    let rows = before.into_iter().zip(after);
    let rows = rows.map(
        |((read, few_per_second, _), (_, many_per_second, many))| Row {
            read,
            few_per_second,
            many_per_second,
            share: if few_per_second > 0.0 {
                rounded(many_per_second / few_per_second)
            } else {
                0.0
            },
            many,
        },
    );
    Ok(Report {
        runs: options.runs,
        fill_seconds,
        rows: rows.collect(),
        problems,
    })
}

/// Starts runs and waits for the end of the newest; gives the runs, and how long the triggers took in seconds.
async fn fill(
    address: SocketAddr,
    workflow: &str,
    runs: u64,
    options: &Options,
    patience: Duration,
    problems: &mut Problems,
) -> Result<(Vec<String>, f64)> {
    let tally = load::carry_out(
        Load::new(
            address,
            trigger_request(workflow, &json!({}), None),
            options.connections,
            Until::Requests(runs),
        )
        .keeping_run_ids(),
    )
    .await?;
    tally.complain("triggers", problems);
    let seconds = tally.seconds();
    // All of them, where they are few; where they are many, those that were triggered last.
    let mut runs = tally.run_ids;
    runs.sort_unstable();
    let last = &runs[runs.len().saturating_sub(1_000)..];
    await_finished(address, last, patience, |_| ())
        .await?
        .complain(problems);
    Ok((runs, seconds))
}

/// Measures each kind of read once.
async fn read_all(
    address: SocketAddr,
    few: &str,
    run: &str,
    options: &Options,
    problems: &mut Problems,
) -> Result<Vec<(&'static str, f64, Latency)>> {
    let reads = [
        ("a run", format!("/api/v1/runs/{run}")),
        ("the newest 50 runs", "/api/v1/runs?limit=50".to_owned()),
        (
            "50 of a workflow with few",
            format!("/api/v1/runs?limit=50&workflow_id={few}"),
        ),
        (
            "50 that succeeded",
            "/api/v1/runs?limit=50&status=success".to_owned(),
        ),
        (
            "those that failed: none",
            "/api/v1/runs?limit=50&status=failed".to_owned(),
        ),
        ("counts by status", "/api/v1/stats".to_owned()),
    ];
    let mut rows = Vec::new();
    for (read, path) in reads {
        let tally = load::carry_out(Load::new(
            address,
            Request::get(&path).finish(),
            options.connections,
            Until::Elapsed(Duration::from_secs_f64(options.seconds)),
        ))
        .await
        .with_context(|| format!("GET {path}"))?;
        tally.complain(&format!("requests for GET {path}"), problems);
        rows.push((read, tally.per_second(), tally.latency()));
    }
    Ok(rows)
}
