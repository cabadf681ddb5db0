//! `millwork-bench`: proofs and measurements of a running Millwork, one command each.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use millwork_bench::null_server::{self, NullServer};
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::report::{Report, render};
use millwork_bench::sink::{self, Sink, Temper};
use millwork_bench::{
    cluster, contract, crash, delays, examples, mix, reads, recovery, replace, shapes, sleepers,
    starts, throughput, triggers,
};

// The server's allocator, so that the null server differs from it in nothing but the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Proofs and measurements of a running Millwork. Each command prints a table and a line of JSON, and fails where
/// something was not as it should be.
#[derive(Debug, Parser)]
#[command(name = "millwork-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kill the server again and again while it works; nothing that it acknowledged may be lost or done twice.
    Crash(crash::Options),
    /// Break a whole cluster, part by part, while it works; nothing that it acknowledged may be lost or done twice.
    Cluster(cluster::Options),
    /// Replace a plugin again and again while runs use it; none of them may fail for it, or be carried out by two versions.
    Replace(replace::Options),
    /// How long a server that was killed needs until the runs that it had in hand go on.
    Recovery(recovery::Options),
    /// How long a server takes to start, and what it holds while it does nothing.
    Starts(starts::Options),
    /// Many short delays at once.
    Delays(Against<delays::Options>),
    /// What a sleeping run costs in memory, and how late it wakes.
    Sleepers(Against<sleepers::Options>),
    /// Acknowledged triggers a second, against a server that does nothing.
    Triggers(Against<triggers::Options>),
    /// Completed runs a second, and how long a single one takes.
    Throughput(Against<throughput::Options>),
    /// How long single runs take that are long, wide or repeat themselves.
    Shapes(Against<shapes::Options>),
    /// How fast runs and lists are read, on a store that is nearly empty and on a full one.
    Reads(Against<reads::Options>),
    /// The everyday mix of many users.
    Mix(Against<mix::Options>),
    /// Walk through the API and the connectors and compare with what they promise.
    Contract(Against<contract::Options>),
    /// Play the examples of the folder `examples`, and compare with what they promise.
    Examples(Against<examples::Options>),
    /// Listen for webhooks, and print what comes.
    Sink(sink::Options),
    /// Serve the API's trigger without doing anything.
    NullServer(null_server::Options),
}

/// A command against a server: one of its own, or one that runs already.
#[derive(Debug, clap::Args)]
struct Against<O: clap::Args> {
    #[command(flatten)]
    server: ServerOptions,
    /// Use the server that listens here, in place of starting one.
    #[arg(long, value_name = "HOST:PORT", value_parser = resolve, conflicts_with_all = ["work_dir", "server_args"])]
    address: Option<SocketAddr>,
    /// The process of that server, for measurements of its memory.
    #[arg(long, requires = "address")]
    pid: Option<u32>,
    #[command(flatten)]
    options: O,
}

/// A server that is ready. One that was started for the command ends with it.
struct Target {
    address: SocketAddr,
    pid: Option<u32>,
    _own: Option<Millwork>,
}

impl<O: clap::Args> Against<O> {
    async fn target(&self) -> Result<Target> {
        if let Some(address) = self.address {
            return Ok(Target {
                address,
                pid: self.pid,
                _own: None,
            });
        }
        let server = Millwork::launch(&self.server).await?;
        Ok(Target {
            address: server.address(),
            pid: Some(server.pid()?),
            _own: Some(server),
        })
    }
}

/// Finds a host and port.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("{text:?} is no host with a port: {error}"))?;
    found
        .next()
        .ok_or_else(|| format!("{text:?} has no address"))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Crash(options) => show("crash", &crash::run(options).await?),
        Command::Cluster(options) => show("cluster", &cluster::run(options).await?),
        Command::Replace(options) => show("replace", &replace::run(options).await?),
        Command::Recovery(options) => show("recovery", &recovery::run(options).await?),
        Command::Starts(options) => show("starts", &starts::run(options).await?),
        Command::Delays(against) => {
            let target = against.target().await?;
            show(
                "delays",
                &delays::run(target.address, &against.options).await?,
            )
        }
        Command::Sleepers(against) => {
            let target = against.target().await?;
            let pid = target.pid.context(
                "sleepers looks at the memory of the server's process: name it with --pid",
            )?;
            show(
                "sleepers",
                &sleepers::run(target.address, pid, &against.options).await?,
            )
        }
        Command::Triggers(against) => {
            let target = against.target().await?;
            let tool = std::env::current_exe().context("could not tell where this tool is")?;
            let null = NullServer::launch(&tool).await?;
            show(
                "triggers",
                &triggers::run(target.address, null.address(), &against.options).await?,
            )
        }
        Command::Throughput(against) => {
            let target = against.target().await?;
            show(
                "throughput",
                &throughput::run(target.address, &against.options).await?,
            )
        }
        Command::Shapes(against) => {
            let target = against.target().await?;
            show(
                "shapes",
                &shapes::run(target.address, &against.options).await?,
            )
        }
        Command::Reads(against) => {
            let target = against.target().await?;
            show(
                "reads",
                &reads::run(target.address, &against.options).await?,
            )
        }
        Command::Mix(against) => {
            let target = against.target().await?;
            show("mix", &mix::run(target.address, &against.options).await?)
        }
        Command::Contract(against) => {
            let target = against.target().await?;
            let sink = Sink::open(Temper::default()).await?;
            show(
                "contract",
                &contract::run(target.address, &sink, &against.options).await?,
            )
        }
        Command::Examples(against) => {
            let target = against.target().await?;
            examples::run(target.address, &against.options).await
        }
        Command::Sink(options) => sink::run(options).await,
        Command::NullServer(options) => null_server::run(options).await,
    }
}

fn show(command: &str, report: &impl Report) -> Result<()> {
    println!("{}", render(command, report)?);
    report.verdict()
}
