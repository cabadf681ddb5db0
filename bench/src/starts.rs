//! How long a server takes to start, and what it holds while it does nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::latency::{Latency, rounded};
use crate::memory::Memory;
use crate::process::{Millwork, Server as _, ServerOptions};
use crate::report::Problems;

/// How long a server is left alone before its memory counts as what it holds at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// How often to start it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How often it is started with its plugins compiled already.
    #[arg(long, default_value_t = 10)]
    pub starts: u32,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From the first start to being ready: the database is made, and the plugins that come with the host are compiled,
    /// unless `--compiled-dir` has them.
    pub first_start_seconds: f64,
    /// What the catalogue takes to be compiled anew: by how much the first start was longer than the median of the later ones, which
    /// load what was compiled. With a `--compiled-dir` that is filled, nothing.
    pub compiling_seconds: f64,
    /// From each later start, after `kill -9`, to being ready.
    pub later_starts: Latency,
    /// What it held at rest, after the last start.
    pub idle: Memory,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Starts a server again and again on the same data.
///
/// # Errors
/// Where it does not get ready.
pub async fn run(options: Options) -> Result<Report> {
    ensure!(
        options.starts > 0,
        "a server that is started 0 times again tells nothing"
    );
    let mut server = Millwork::prepare(&options.server)?;
    let first = start(&mut server).await?;
    let mut later = Vec::new();
    for _ in 0..options.starts {
        server.kill().await?;
        later.push(start(&mut server).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let idle = Memory::of(server.pid()?).await?;
    let later_starts = Latency::of(
        later
            .iter()
            .map(|span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
    );
    let compiling = first.as_secs_f64() - later_starts.p50_ms / 1_000.0;
    Ok(Report {
        first_start_seconds: rounded(first.as_secs_f64()),
        compiling_seconds: rounded(compiling.max(0.0)),
        later_starts,
        idle,
        problems: Problems::default(),
    })
}

async fn start(server: &mut Millwork) -> Result<Duration> {
    let began = Instant::now();
    server.start().await?;
    server.ready().await?;
    Ok(began.elapsed())
}
