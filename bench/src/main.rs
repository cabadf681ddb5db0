//! `millwork-bench`: proofs and measurements of a running Millwork, one command each.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use millwork_bench::figures::{self, Stamp};
use millwork_bench::null_server::{self, NullServer};
use millwork_bench::report::{Report, render};
use millwork_bench::sink::{self, Sink, Temper};
use millwork_bench::target::{Against, Target};
use millwork_bench::{
    calls, cluster, contract, crash, delays, examples, files, growth, limits, mix, pictures, reads,
    recovery, replace, retention, shapes, sleepers, starts, summary, throughput, triggers,
};

// The server's allocator, so that the null server differs from it in nothing but the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Proofs and measurements of a running Millwork. Each command prints a table and a line of JSON, and fails where
/// something was not as it should be.
#[derive(Debug, Parser)]
#[command(name = "millwork-bench", version)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What holds for every command.
#[derive(Debug, clap::Args)]
struct Common {
    /// Add the figures to `<command>.csv` in this folder as well.
    #[arg(long, global = true, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Measure a cluster, started for this: an api and a worker on a PostgreSQL and a Kafka of their own.
    #[arg(long, global = true)]
    cluster: bool,
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
    /// What a call of a plugin costs, as the benchmark of the sandbox has left it.
    Calls(calls::Options),
    /// What nobody can be faster than here: a handler that does nothing, the database alone, the disk.
    Limits(limits::Options),
    /// What becomes of a server as its store grows to millions of runs.
    Growth(growth::Options),
    /// Whether a server that removes old runs keeps up with those that come.
    Retention(retention::Options),
    /// Put the figures of a folder into one table, each beside its limit and its aim.
    Summary(summary::Options),
    /// Draw the figures of a folder, a picture for each result.
    Pictures(pictures::Options),
    /// Walk through the API and the connectors and compare with what they promise.
    Contract(Against<contract::Options>),
    /// Play the examples of the folder `examples`, and compare with what they promise.
    Examples(Against<examples::Options>),
    /// Listen for webhooks, and print what comes.
    Sink(sink::Options),
    /// Serve the API's trigger without doing anything.
    NullServer(null_server::Options),
}

impl Command {
    /// Why this cannot be measured on a cluster, where it cannot.
    const fn not_on_a_cluster(&self) -> Option<&'static str> {
        match self {
            Self::Delays(_)
            | Self::Triggers(_)
            | Self::Throughput(_)
            | Self::Shapes(_)
            | Self::Reads(_)
            | Self::Mix(_)
            | Self::Contract(_)
            | Self::Examples(_) => None,
            Self::Cluster(_) => Some("`cluster` starts a cluster anyway: leave --cluster out"),
            Self::Sleepers(_) => Some(
                "`sleepers` looks at the memory of one process, and a cluster's is that of several and of a database: leave --cluster out",
            ),
            Self::Starts(_) => Some(
                "`starts` times one process, and a cluster's first start waits for its database and its broker: leave --cluster out",
            ),
            Self::Growth(_) | Self::Retention(_) => Some(
                "this command looks at the file of one server, and a cluster has none: leave --cluster out",
            ),
            Self::Crash(_) | Self::Recovery(_) | Self::Replace(_) => Some(
                "this command kills one server, or writes into its folders, and `cluster` is the proof for a cluster: leave --cluster out",
            ),
            Self::Calls(_)
            | Self::Limits(_)
            | Self::Summary(_)
            | Self::Pictures(_)
            | Self::Sink(_)
            | Self::NullServer(_) => Some("this command measures no server: leave --cluster out"),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    match run(&common, command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(common: &Common, command: Command) -> Result<()> {
    // The servers that are started inherit it.
    files::raise()?;
    if common.cluster {
        let refusal = command.not_on_a_cluster();
        ensure!(refusal.is_none(), "{}", refusal.unwrap_or_default());
    }
    match command {
        Command::Crash(options) => common.show("crash", "sqlite", &crash::run(options).await?),
        Command::Cluster(options) => {
            common.show("cluster", "postgres+kafka", &cluster::run(options).await?)
        }
        Command::Replace(options) => {
            common.show("replace", "sqlite", &replace::run(options).await?)
        }
        Command::Recovery(options) => {
            common.show("recovery", "sqlite", &recovery::run(options).await?)
        }
        Command::Starts(options) => common.show("starts", "sqlite", &starts::run(options).await?),
        Command::Calls(options) => common.show("calls", "none", &calls::run(&options)?),
        Command::Limits(options) => {
            let null = null_server().await?;
            let report = limits::run(null.address(), &options).await?;
            common.show("limits", "none", &report)
        }
        Command::Summary(options) => {
            print!("{}", summary::run(&options)?);
            Ok(())
        }
        Command::Pictures(options) => {
            for path in pictures::run(&options)? {
                println!("{}", path.display());
            }
            Ok(())
        }
        Command::Growth(options) => common.show("growth", "sqlite", &growth::run(options).await?),
        Command::Retention(options) => {
            common.show("retention", "sqlite", &retention::run(options).await?)
        }
        Command::Delays(against) => {
            let target = against.target(common.cluster).await?;
            let report = delays::run(target.address, &against.options).await?;
            common.end("delays", target, &report).await
        }
        Command::Sleepers(against) => {
            let target = against.target(false).await?;
            let pid = target.pid.context(
                "sleepers looks at the memory of the server's process: name it with --pid",
            )?;
            let report = sleepers::run(target.address, pid, &against.options).await?;
            common.end("sleepers", target, &report).await
        }
        Command::Triggers(against) => {
            let target = against.target(common.cluster).await?;
            let null = null_server().await?;
            let report = triggers::run(target.address, null.address(), &against.options).await?;
            common.end("triggers", target, &report).await
        }
        Command::Throughput(against) => {
            let target = against.target(common.cluster).await?;
            let report = throughput::run(target.address, &against.options).await?;
            common.end("throughput", target, &report).await
        }
        Command::Shapes(against) => {
            let target = against.target(common.cluster).await?;
            let report = shapes::run(target.address, &against.options).await?;
            common.end("shapes", target, &report).await
        }
        Command::Reads(against) => {
            let target = against.target(common.cluster).await?;
            let report = reads::run(target.address, &against.options).await?;
            common.end("reads", target, &report).await
        }
        Command::Mix(against) => {
            let target = against.target(common.cluster).await?;
            let report = mix::run(target.address, &against.options).await?;
            common.end("mix", target, &report).await
        }
        Command::Contract(against) => {
            let target = against.target(common.cluster).await?;
            let sink = Sink::open(Temper::default()).await?;
            let report = contract::run(target.address, &sink, &against.options).await?;
            common.end("contract", target, &report).await
        }
        Command::Examples(against) => {
            let target = against.target(common.cluster).await?;
            examples::run(target.address, &against.options).await?;
            target.end().await
        }
        Command::Sink(options) => sink::run(options).await,
        Command::NullServer(options) => null_server::run(options).await,
    }
}

/// A server that does nothing, from this very tool.
async fn null_server() -> Result<NullServer> {
    let tool = std::env::current_exe().context("could not tell where this tool is")?;
    NullServer::launch(&tool).await
}

impl Common {
    /// Ends what was started for a command, and shows what it found.
    async fn end(&self, command: &str, target: Target, report: &impl Report) -> Result<()> {
        let store = target.store();
        let ended = target.end().await;
        self.show(command, store, report)?;
        ended
    }

    fn show(&self, command: &str, store: &str, report: &impl Report) -> Result<()> {
        println!("{}", render(command, report)?);
        if let Some(directory) = &self.csv {
            figures::append(directory, command, &Stamp::now(), store, report)?;
        }
        report.verdict()
    }
}
