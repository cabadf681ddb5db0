//! How many runs a second come to their end, and how long one run takes on a server that has nothing else to do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, Run, read};
use crate::client::{Connection, Request};
use crate::delays::seconds_between;
use crate::latency::{Latency, per_second};
use crate::load::{self, Load, Until};
use crate::report::Problems;
use crate::runs::await_finished;
use crate::time::Timestamp;
use crate::triggers::delays_of_nothing;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many runs to start at once.
    #[arg(long, default_value_t = 20_000)]
    pub runs: u64,
    /// How many steps (delays of nothing) each has.
    #[arg(long, default_value_t = 3)]
    pub steps: usize,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How many runs to start one after the other, each when the one before has ended.
    #[arg(long, default_value_t = 500)]
    pub single_runs: u64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged.
    pub runs: u64,
    /// How many steps each has.
    pub steps: usize,
    /// How long it took to trigger them.
    pub trigger_seconds: f64,
    /// Acknowledged triggers a second.
    pub triggers_per_second: f64,
    /// How often the server turned a trigger away because it was busy.
    pub turned_away: u64,
    /// From the first trigger to the end of the last run, by the server's own account.
    pub seconds: f64,
    /// Completed runs a second.
    pub runs_per_second: f64,
    /// Completed steps a second.
    pub steps_per_second: f64,
    /// How long one run takes from the trigger to its result, over a connection that stays.
    pub single_run_kept_alive: Latency,
    /// The same, over a new connection each time.
    pub single_run_new_connection: Latency,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Measures single runs first, while the server has nothing to do, then many.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Report> {
    let mut problems = Problems::default();
    let workflow = Api::new(address)
        .create_workflow(&delays_of_nothing(options.steps))
        .await?;
    let kept_alive = single_runs(address, &workflow, options, true, &mut problems).await?;
    let new_connection = single_runs(address, &workflow, options, false, &mut problems).await?;

    let began_at = Timestamp::now();
    let tally = load::carry_out(
        Load::new(
            address,
            crate::api::trigger_request(&workflow, &json!({}), None),
            options.connections,
            Until::Requests(options.runs),
        )
        .keeping_run_ids(),
    )
    .await?;
    tally.complain("triggers", &mut problems);
    // The newest run is asked for alone until it has ended: twenty thousand questions would be part of the measurement.
    let patience = Duration::from_secs(options.patience);
    let newest = tally.run_ids.iter().max().context("no run was started")?;
    await_finished(address, std::slice::from_ref(newest), patience, |_| ()).await?;
    let steps = options.steps;
    let awaited = await_finished(address, &tally.run_ids, patience, move |run| {
        Ended::of(&run, steps)
    })
    .await?;
    awaited.complain(&mut problems);
    for flaw in awaited
        .finished
        .iter()
        .filter_map(|ended| ended.flaw.as_ref())
    {
        problems.add(flaw.clone());
    }
    let last = awaited
        .finished
        .iter()
        .filter_map(|ended| ended.at)
        .max()
        .unwrap_or(began_at);
    let seconds = seconds_between(began_at, last);
    let runs = tally.run_ids.len() as u64;
    Ok(Report {
        runs,
        steps,
        trigger_seconds: tally.seconds(),
        triggers_per_second: tally.per_second(),
        turned_away: tally.turned_away,
        seconds,
        runs_per_second: per_second(runs, seconds),
        steps_per_second: per_second(runs * steps as u64, seconds),
        single_run_kept_alive: kept_alive,
        single_run_new_connection: new_connection,
        problems,
    })
}

struct Ended {
    at: Option<Timestamp>,
    flaw: Option<String>,
}

impl Ended {
    fn of(run: &Run, steps: usize) -> Self {
        let done = run
            .step_results
            .values()
            .filter(|step| step.status == "success")
            .count();
        let flaw =
            (run.status != "success" || done != steps || run.completed_at.is_none()).then(|| {
                format!(
                    "run {} ended as {} with {done} of {steps} steps done",
                    run.uuid, run.status
                )
            });
        Self {
            at: run.completed_at,
            flaw,
        }
    }
}

/// Triggers a run and waits for its result in the same answer, again and again.
async fn single_runs(
    address: SocketAddr,
    workflow: &str,
    options: &Options,
    keep_alive: bool,
    problems: &mut Problems,
) -> Result<Latency> {
    let request = Request::post("/api/v1/trigger?wait=10s");
    let request = if keep_alive {
        request
    } else {
        request.header("connection", "close")
    };
    let request = request.json(&json!({"workflow_id": workflow, "payload": {}}));
    let mut connection = Connection::open(address).await?;
    let mut micros = Vec::new();
    for _ in 0..options.single_runs {
        let begun = Instant::now();
        if !keep_alive {
            connection = Connection::open(address).await?;
        }
        let response =
            tokio::time::timeout(crate::api::PATIENCE, connection.exchange(&request)).await;
        let response = response.context("a trigger that waits for its run was not answered")??;
        micros.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        let run: Run = read("POST /api/v1/trigger?wait=10s", &response)?;
        if let Some(flaw) = Ended::of(&run, options.steps).flaw {
            problems.add(flaw);
        }
    }
    Ok(Latency::of(micros))
}
