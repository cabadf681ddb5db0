//! How long a server that was killed needs until the runs that it had in hand go on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, trigger_request};
use crate::delays::{one_delay, seconds_between};
use crate::latency::rounded;
use crate::load::{self, Load, Until};
use crate::process::{Millwork, Server, ServerOptions};
use crate::report::Problems;
use crate::runs::{Waits, await_finished};
use crate::time::Timestamp;

/// How many runs to leave in flight, and for how long the server stays away.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server, which is killed.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many runs are in flight when the server dies.
    #[arg(long, default_value_t = 100_000)]
    pub runs: u64,
    /// How long each waits in its one step: longer than it takes to trigger them all.
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long the runs may take to end after the server is back, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged, and in flight when the server died.
    pub runs: u64,
    /// How long it took to trigger them.
    pub trigger_seconds: f64,
    /// Whether none was due before the server died: if not, some had nothing left to go on with.
    pub all_in_flight: bool,
    /// From the start of the new process until it was ready.
    pub ready_after_seconds: f64,
    /// From the start of the new process to the end of the first run, by the server's own account. Every run was due by then.
    pub first_after_seconds: f64,
    /// From the start of the new process to the end of the last run.
    pub last_after_seconds: f64,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Starts a server of its own and measures it.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    let mut server = Millwork::launch(&options.server).await?;
    measure(&mut server, &options).await
}

/// Has runs wait, kills the server, starts it again when all of them are due, and sees them end.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn measure(server: &mut impl Server, options: &Options) -> Result<Report> {
    let seconds = options.seconds;
    ensure!(
        seconds.is_finite() && seconds > 0.0,
        "a wait of {seconds} seconds is no wait"
    );
    let address = server.address();
    let workflow = Api::new(address)
        .create_workflow(&one_delay(seconds))
        .await?;
    let began = Instant::now();
    let tally = load::carry_out(
        Load::new(
            address,
            trigger_request(&workflow, &json!({}), None),
            options.connections,
            Until::Requests(options.runs),
        )
        .keeping_run_ids(),
    )
    .await?;
    let mut problems = Problems::default();
    tally.complain("triggers", &mut problems);
    let all_in_flight = began.elapsed().as_secs_f64() < seconds;
    server.kill().await?;
    // Nobody is left who could go on with one of them, and when the server comes back each of them is due.
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;

    let started_at = Timestamp::now();
    let started = Instant::now();
    server.start().await?;
    server.ready().await?;
    let ready_after = started.elapsed();
    let patience = Duration::from_secs(options.patience);
    // The newest is asked for alone: a hundred thousand questions would be part of what is measured.
    let newest = tally.run_ids.iter().max().context("no run was started")?;
    await_finished(address, std::slice::from_ref(newest), patience, |_| ()).await?;
    let awaited = await_finished(address, &tally.run_ids, patience, move |run| {
        Waits::of(run, seconds)
    })
    .await?;
    awaited.complain(&mut problems);
    for waits in &awaited.finished {
        waits.complain(1, &mut problems);
    }
    // One that had ended before the server died says nothing about how it came back.
    let ends = || {
        let ends = awaited.finished.iter().filter_map(|run| run.completed_at);
        ends.filter(|end| end.micros_since(started_at) >= 0)
    };
    let first = ends().min().context("no run ended after the server died")?;
    let last = ends().max().unwrap_or(first);
    Ok(Report {
        runs: tally.run_ids.len() as u64,
        trigger_seconds: tally.seconds(),
        all_in_flight,
        ready_after_seconds: rounded(ready_after.as_secs_f64()),
        first_after_seconds: seconds_between(started_at, first),
        last_after_seconds: seconds_between(started_at, last),
        problems,
    })
}
