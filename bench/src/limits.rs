//! What nobody can be faster than on this machine: a handler that does nothing, the database without anything around it, and the
//! disk. The bare call of a component, the fourth of them, is measured by [`calls`](crate::calls).

mod database;
mod disk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::trigger_request;
use crate::latency::Latency;
use crate::load::{self, Load, Until};
use crate::report::Problems;

/// What to measure, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections to the handler that does nothing; one measurement for each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 1_000])]
    pub connections: Vec<usize>,
    /// Runs whose records are written in one transaction; one measurement for each. A server under load commits as many together
    /// as wait for it: about as many as there are connections.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 500, 2_000])]
    pub batches: Vec<usize>,
    /// How long each is measured.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// On which disk; the machine's temporary folder where left out.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One row for each limit.
    pub limits: Vec<Limit>,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// One limit.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limit {
    /// What is measured: [`HANDLER`], [`DATABASE`] or [`DISK`].
    pub what: &'static str,
    /// Of how much: connections, or runs in a transaction.
    pub size: usize,
    /// How many a second: answers, runs of five records each, or flushes.
    pub per_second: f64,
    /// How long each answer, transaction or flush took.
    pub took: Latency,
}

/// A handler that does nothing: answers.
pub const HANDLER: &str = "handler";
/// The database alone: runs.
pub const DATABASE: &str = "database";
/// The disk: flushes.
pub const DISK: &str = "disk";

/// Measures all of them.
///
/// # Errors
/// Where one cannot be measured.
pub async fn run(null: SocketAddr, options: &Options) -> Result<Report> {
    ensure!(
        options.seconds.is_finite() && options.seconds > 0.0,
        "measuring for {} seconds measures nothing",
        options.seconds
    );
    let span = Duration::from_secs_f64(options.seconds);
    let mut problems = Problems::default();
    let mut limits = Vec::new();
    for connections in &options.connections {
        let request = trigger_request("00000000-0000-7000-8000-000000000000", &json!({}), None);
        let load = Load::new(null, request, *connections, Until::Elapsed(span));
        let tally = load::carry_out(load).await?;
        tally.complain("requests that ask for nothing", &mut problems);
        limits.push(Limit {
            what: HANDLER,
            size: *connections,
            per_second: tally.per_second(),
            took: tally.latency(),
        });
    }
    let parent = options.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent)
        .with_context(|| format!("could not make {}", parent.display()))?;
    let home = tempfile::Builder::new()
        .prefix("millwork-limits-")
        .tempdir_in(&parent)
        .with_context(|| format!("could not make a folder in {}", parent.display()))?;
    let batches = options.batches.clone();
    let below = tokio::task::spawn_blocking(move || -> Result<Vec<Limit>> {
        let mut limits = vec![disk::measure(home.path(), span)?];
        for batch in batches {
            limits.push(database::measure(home.path(), batch, span)?);
        }
        Ok(limits)
    });
    limits.extend(below.await??);
    Ok(Report { limits, problems })
}
