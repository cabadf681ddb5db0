//! `millwork-fuzz`: see the library's page.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use millwork_fuzz::supervise::{self, Plan};
use millwork_fuzz::target::Kind;
use millwork_fuzz::worker;

/// Made-up files and made-up answers against the plugin host.
#[derive(Debug, Parser)]
struct Fuzz {
    /// What is tried
    #[arg(value_enum)]
    kind: Kind,
    /// What the inputs are made of
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first input
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many, at most
    #[arg(long, default_value_t = u64::MAX)]
    inputs: u64,
    /// How long, at most
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Try them here, and be watched over
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> Result<()> {
    let Fuzz {
        kind,
        seed,
        from,
        inputs,
        minutes,
        worker,
    } = Fuzz::parse();
    if worker {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        return runtime.block_on(worker::work(kind, seed, from..from.saturating_add(inputs)));
    }
    let plan = Plan {
        program: std::env::current_exe().context("this program does not know where it is")?,
        kind,
        seed,
        from,
        inputs,
        time: Duration::from_secs(minutes.saturating_mul(60)),
    };
    println!("{} from seed {seed}", kind.word());
    let report = supervise::run(&plan)?;
    println!("{report}");
    if !report.findings.is_empty() {
        bail!("{} findings", report.findings.len());
    }
    Ok(())
}
