//! Whether a server that removes finished runs after a while keeps up with those that come, and what that costs their rate.
//!
//! Twice the same steady load: once on a server that keeps everything, once on one that does not.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, trigger_request};
use crate::growth::file_bytes;
use crate::latency::{per_second, rounded, share};
use crate::load::{self, Load, Until};
use crate::process::{Millwork, Server as _, ServerOptions};
use crate::report::Problems;
use crate::triggers::delays_of_nothing;

/// How often the server looks for runs to remove.
const SWEEP: Duration = Duration::from_secs(60);

/// How many of the runs that were due for removal must be gone for the server to have kept up.
const KEPT_UP: f64 = 0.95;

/// How hard, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server that is started, twice.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How long the server keeps a finished run, in seconds.
    #[arg(long, default_value_t = 10)]
    pub kept: u64,
    /// How long each server is under load, in seconds: longer than runs are kept and the minute between two sweeps.
    #[arg(long, default_value_t = 200)]
    pub seconds: u64,
    /// Runs a second; as many as answers come where left out.
    #[arg(long)]
    pub rate: Option<f64>,
    /// How many steps (delays of nothing) each has.
    #[arg(long, default_value_t = 3)]
    pub steps: usize,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How often the server is looked at, in seconds.
    #[arg(long, default_value_t = 5.0)]
    pub beat: f64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long a finished run is kept, in seconds.
    pub kept_seconds: u64,
    /// Completed runs a second on the server that keeps everything.
    pub keeping_runs_per_second: f64,
    /// Completed runs a second on the server that removes them.
    pub removing_runs_per_second: f64,
    /// The share that is left of the first.
    pub share: f64,
    /// Runs that were acknowledged by the second server.
    pub written: u64,
    /// Runs that it has removed.
    pub removed: u64,
    /// Runs that were older at the end than they are kept and the server waits between two sweeps.
    pub due_for_removal: u64,
    /// Whether nearly all of these (95 in 100) were gone.
    pub keeps_up: bool,
    /// The second server over time.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

/// The server at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Since the load began.
    pub at_seconds: f64,
    /// Runs acknowledged by then.
    pub written: u64,
    /// Runs that are there.
    pub present: u64,
    /// Runs that were removed.
    pub removed: u64,
    /// The database's file, with its log.
    pub file_mib: f64,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Loads one server, and then the other.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    let long_enough = options.kept + SWEEP.as_secs() + 10;
    ensure!(
        options.seconds >= long_enough,
        "with runs kept for {} s and a sweep every {} s nothing can be told in {} s: --seconds has to be {long_enough} at least",
        options.kept,
        SWEEP.as_secs(),
        options.seconds
    );
    ensure!(
        options.beat.is_finite() && options.beat > 0.0,
        "looking every {} seconds is looking never",
        options.beat
    );
    let mut problems = Problems::default();
    let keeping = Millwork::launch(&options.server).await?;
    let (keeping_rate, _) = under_load(&keeping, &options, &mut problems).await?;
    drop(keeping);
    let mut removing = Millwork::prepare(&options.server)?.with_variable(
        "MILLWORK_ENGINE_FINISHED_KEPT",
        &format!("{}s", options.kept),
    );
    removing.start().await?;
    removing.ready().await?;
    let (removing_rate, rows) = under_load(&removing, &options, &mut problems).await?;
    Ok(judge(&options, keeping_rate, removing_rate, rows, problems))
}

fn judge(
    options: &Options,
    keeping: f64,
    removing: f64,
    rows: Vec<Row>,
    problems: Problems,
) -> Report {
    let last = rows.last().copied();
    let (written, removed, end) = last.map_or((0, 0, 0.0), |row| {
        (row.written, row.removed, row.at_seconds)
    });
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let old = end - (options.kept + SWEEP.as_secs()) as f64;
    let due = rows.iter().rev().find(|row| row.at_seconds <= old);
    let due_for_removal = due.map_or(0, |row| row.written);
    Report {
        kept_seconds: options.kept,
        keeping_runs_per_second: keeping,
        removing_runs_per_second: removing,
        share: if keeping > 0.0 {
            rounded(removing / keeping)
        } else {
            0.0
        },
        written,
        removed,
        due_for_removal,
        keeps_up: share(removed, due_for_removal.max(1)) >= KEPT_UP || due_for_removal == 0,
        rows,
        problems,
    }
}

/// Loads a server for as long as was asked, looks at it meanwhile, and says how many runs a second came to their end.
async fn under_load(
    server: &Millwork,
    options: &Options,
    problems: &mut Problems,
) -> Result<(f64, Vec<Row>)> {
    let address = server.address();
    let workflow = Api::new(address)
        .create_workflow(&delays_of_nothing(options.steps))
        .await?;
    let request = trigger_request(&workflow, &json!({}), None);
    let until = Until::Elapsed(Duration::from_secs(options.seconds));
    let load = Load {
        rate: options.rate,
        ..Load::new(address, request, options.connections, until)
    };
    let answered = Arc::clone(&load.answered);
    let began = Instant::now();
    let mut loading = tokio::spawn(load::carry_out(load));
    let mut rows = Vec::new();
    let beat = Duration::from_secs_f64(options.beat);
    let tally = loop {
        match tokio::time::timeout(beat, &mut loading).await {
            Ok(tally) => break tally??,
            Err(_) => {
                // The run that showed what a right answer is was acknowledged as well.
                let written = answered.load(Ordering::Relaxed) + 1;
                rows.push(look(address, &server.data_dir(), began, written).await?);
            }
        }
    };
    tally.complain("triggers", problems);
    let ended = until_idle(address, &workflow).await?;
    let seconds = ended.duration_since(began).as_secs_f64();
    let written = tally.answers + 1;
    rows.push(look(address, &server.data_dir(), began, written).await?);
    Ok((per_second(written, seconds), rows))
}

async fn look(address: SocketAddr, data: &Path, began: Instant, written: u64) -> Result<Row> {
    let present = Api::new(address).count_runs(None).await?.all();
    Ok(Row {
        at_seconds: rounded(began.elapsed().as_secs_f64()),
        written,
        present,
        removed: written.saturating_sub(present),
        file_mib: mebibytes(file_bytes(data)?),
    })
}

/// Waits until every run has ended.
async fn until_idle(address: SocketAddr, workflow: &str) -> Result<Instant> {
    let mut api = Api::new(address);
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let counts = api.count_runs(Some(workflow)).await?;
        if counts.all() == counts.finished() {
            return Ok(Instant::now());
        }
        ensure!(
            Instant::now() < deadline,
            "{} runs had not ended three minutes after the last trigger",
            counts.all() - counts.finished()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            server: ServerOptions::new("/nowhere/millwork"),
            kept: 10,
            seconds: 200,
            rate: None,
            steps: 3,
            connections: 8,
            beat: 5.0,
        }
    }

    fn at(at_seconds: f64, written: u64, removed: u64) -> Row {
        Row {
            at_seconds,
            written,
            present: written - removed,
            removed,
            file_mib: 1.0,
        }
    }

    #[test]
    fn what_is_due_and_not_gone_is_not_keeping_up() {
        let rows = |removed| vec![at(50.0, 50, 0), at(130.0, 130, 40), at(200.0, 200, removed)];
        let judged = |removed| judge(&options(), 100.0, 80.0, rows(removed), Problems::default());
        let report = judged(130);
        assert_eq!((report.due_for_removal, report.share), (130, 0.8));
        assert!(report.keeps_up);
        assert!(!judged(90).keeps_up);
    }

    #[tokio::test]
    async fn a_load_that_ends_before_the_second_sweep_is_refused() {
        let short = Options {
            seconds: 30,
            ..options()
        };
        let refusal = run(short).await.expect_err("it is too short").to_string();
        assert!(refusal.contains("has to be 80 at least"), "{refusal}");
    }
}
