//! How many triggers a second are acknowledged, against a server that does nothing.
//!
//! Both are measured in turns, round after round, since a machine is not equally fast at all times; what counts is the
//! median of the rounds, and the share that is left of the null server's figure.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, Page, trigger_request};
use crate::latency::rounded;
use crate::load::{self, Load, Tally, Until};
use crate::report::Problems;

/// How long the runs of a round may take to end.
const SETTLE_PATIENCE: Duration = Duration::from_secs(180);

/// How often it is asked whether they have.
const SETTLE_BEAT: Duration = Duration::from_millis(50);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Over how many connections; one measurement for each.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 1_000])]
    pub connections: Vec<usize>,
    /// How long each round takes.
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// How many rounds; each server has its turn in every one.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// How many steps (delays of nothing) the workflow has; one measurement for each.
    #[arg(long, value_delimiter = ',', default_values_t = [0])]
    pub steps: Vec<usize>,
    /// Requests a second, whether or not answers come; as fast as answers come where left out.
    #[arg(long)]
    pub rate: Option<f64>,
    /// How many threads drive the connections.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long each round took.
    pub seconds: f64,
    /// How many rounds.
    pub rounds: usize,
    /// Requests a second that were asked for, in an open loop.
    pub rate: Option<f64>,
    /// One row for each number of steps, number of connections, and server.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

/// The median round of one server.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// How many steps the workflow has.
    pub steps: usize,
    /// Over how many connections.
    pub connections: usize,
    /// `millwork` or `null`.
    pub server: &'static str,
    /// Acknowledged triggers a second.
    pub per_second: f64,
    /// Half of them took at most this long.
    pub p50_ms: f64,
    /// 99 of 100 took at most this long.
    pub p99_ms: f64,
    /// None took longer, in any round.
    pub max_ms: f64,
    /// Requests that were answered otherwise or not at all, in all rounds.
    pub errors: u64,
    /// How often the server said that it was busy, in all rounds.
    pub turned_away: u64,
    /// Which share of the null server's figure this is.
    pub share_of_null: f64,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Measures a server and a null server in turns.
///
/// # Errors
/// Where one of them cannot be measured.
pub async fn run(millwork: SocketAddr, null: SocketAddr, options: &Options) -> Result<Report> {
    ensure!(options.rounds > 0, "there has to be at least one round");
    ensure!(
        options.seconds.is_finite() && options.seconds > 0.0,
        "a round has to take some time"
    );
    let mut problems = Problems::default();
    let mut rows = Vec::new();
    for steps in &options.steps {
        let workflow = Api::new(millwork)
            .create_workflow(&delays_of_nothing(*steps))
            .await?;
        let request = trigger_request(&workflow, &json!({}), None);
        for connections in &options.connections {
            let until = Until::Elapsed(Duration::from_secs_f64(options.seconds));
            let load = |address| Load {
                threads: options.threads,
                rate: options.rate,
                ..Load::new(address, request.clone(), *connections, until)
            };
            let (mut ours, mut nulls) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds {
                nulls.push(load::carry_out(load(null)).await?);
                ours.push(load::carry_out(load(millwork)).await?);
                settle(millwork, &workflow).await?;
            }
            let null = row(
                *steps,
                *connections,
                "null",
                &mut nulls,
                None,
                &mut problems,
            );
            let ours = row(
                *steps,
                *connections,
                "millwork",
                &mut ours,
                Some(null.per_second),
                &mut problems,
            );
            rows.extend([ours, null]);
        }
    }
    Ok(Report {
        seconds: options.seconds,
        rounds: options.rounds,
        rate: options.rate,
        rows,
        problems,
    })
}

/// Waits until every run of a workflow has ended: the other server's turn must not pay for what is left of this one's.
async fn settle(millwork: SocketAddr, workflow: &str) -> Result<()> {
    let mut api = Api::new(millwork);
    let under_way = format!("/api/v1/runs?limit=1&status=pending,running&workflow_id={workflow}");
    let deadline = Instant::now() + SETTLE_PATIENCE;
    while !api.get::<Page>(&under_way).await?.items.is_empty() {
        ensure!(
            Instant::now() < deadline,
            "the runs of a round had not ended after {SETTLE_PATIENCE:?}"
        );
        tokio::time::sleep(SETTLE_BEAT).await;
    }
    Ok(())
}

/// A workflow of as many delays of nothing.
pub(crate) fn delays_of_nothing(steps: usize) -> serde_json::Value {
    let step = |number| json!({"name": format!("step-{number}"), "type": "delay", "config": {"duration": 0}});
    json!({"name": "nothing", "steps": (1..=steps).map(step).collect::<Vec<_>>()})
}

fn row(
    steps: usize,
    connections: usize,
    server: &'static str,
    rounds: &mut [Tally],
    null_per_second: Option<f64>,
    problems: &mut Problems,
) -> Row {
    let errors = rounds.iter().map(|round| round.errors).sum();
    if let Some(error) = rounds.iter().find_map(|round| round.first_error.as_ref()) {
        problems.add(format!(
            "{server}, {connections} connections: {errors} errors, the first: {error}"
        ));
    }
    let max_ms = rounds
        .iter()
        .map(|round| round.latency().max_ms)
        .fold(0.0, f64::max);
    let turned_away = rounds.iter().map(|round| round.turned_away).sum();
    rounds.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    let median = &rounds[rounds.len() / 2];
    let (per_second, latency) = (median.per_second(), median.latency());
    Row {
        steps,
        connections,
        server,
        per_second,
        p50_ms: latency.p50_ms,
        p99_ms: latency.p99_ms,
        max_ms,
        errors,
        turned_away,
        share_of_null: rounded(null_per_second.map_or(1.0, |null| per_second / null.max(1.0))),
    }
}
