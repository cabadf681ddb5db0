//! A plugin's file is replaced again and again while many runs use the plugin: none of them may notice.

mod versions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::versions::Versions;
use crate::api::{Api, Run, trigger_request};
use crate::latency::rounded;
use crate::load::{self, Load, Until};
use crate::process::{Millwork, Server as _, ServerOptions};
use crate::report::Problems;
use crate::runs::await_finished;

/// How long the server may take to load the first version.
const LOAD_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked whether it has.
const LOAD_BEAT: Duration = Duration::from_millis(50);

/// How many runs, and how often the plugin is replaced meanwhile.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server that is started.
    #[command(flatten)]
    pub server: ServerOptions,
    /// The component of which versions are made: `host/plugin/tests/frozen/1.0.0/witness.wasm`.
    #[arg(long, value_name = "FILE")]
    pub plugin: PathBuf,
    /// How many runs to start.
    #[arg(long, default_value_t = 10_000)]
    pub runs: u64,
    /// How many a second.
    #[arg(long, default_value_t = 400.0)]
    pub rate: f64,
    /// How many steps of the plugin each has.
    #[arg(long, default_value_t = 3)]
    pub steps: usize,
    /// How long each step waits between its two calls, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    pub wait_ms: u64,
    /// How often the plugin's file is replaced, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    pub every_ms: u64,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

impl Options {
    /// The full size, with a server and a plugin.
    #[must_use]
    pub fn new(server: ServerOptions, plugin: impl Into<PathBuf>) -> Self {
        Self {
            server,
            plugin: plugin.into(),
            runs: 10_000,
            rate: 400.0,
            steps: 3,
            wait_ms: 1_000,
            every_ms: 1_000,
            connections: 64,
            patience: 180,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged.
    pub runs: u64,
    /// How many steps of the plugin each has.
    pub steps: usize,
    /// How long it took to trigger them.
    pub trigger_seconds: f64,
    /// From the first trigger until all had ended.
    pub seconds: f64,
    /// How often the plugin's file was replaced meanwhile.
    pub replacements: u64,
    /// How many versions of the plugin carried out steps.
    pub versions: usize,
    /// Runs that ended in success.
    pub succeeded: u64,
    /// Runs that ended otherwise.
    pub failed: u64,
    /// Runs whose steps were carried out by more than one version.
    pub mixed: u64,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Starts a server, puts the plugin into its folder, starts the runs, and replaces the plugin until they have ended.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    let wasm = std::fs::read(&options.plugin)
        .with_context(|| format!("could not read {}", options.plugin.display()))?;
    let versions = Versions::of(wasm)?;
    ensure!(options.steps > 0, "runs without a step use no plugin");
    let server = Millwork::launch(&options.server).await?;
    let folder = server.plugins_dir();
    put(&folder, &versions.number(0)?, Way::Rename)?;
    let mut api = Api::new(server.address());
    until_loaded(&mut api).await?;
    let workflow = api.create_workflow(&definition(&options)).await?;

    let began = Instant::now();
    let every = Duration::from_millis(options.every_ms);
    let (stop, stopped) = oneshot::channel();
    let replacing = tokio::spawn(replace(folder, versions, every, stopped));
    let tally = load::carry_out(Load {
        rate: Some(options.rate),
        keep_run_ids: true,
        ..Load::new(
            server.address(),
            trigger_request(&workflow, &json!({}), None),
            options.connections,
            Until::Requests(options.runs),
        )
    })
    .await?;
    let patience = Duration::from_secs(options.patience);
    let (address, steps) = (server.address(), options.steps);
    let awaited = await_finished(address, &tally.run_ids, patience, move |run| {
        Went::of(&run, steps)
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    // Nobody listens where replacing ended by itself, with the error that is told next.
    let _ = stop.send(());
    let replacements = replacing.await??;

    let mut problems = Problems::default();
    tally.complain("triggers", &mut problems);
    awaited.complain(&mut problems);
    refused(&mut api, &mut problems).await?;
    let mut report = Report {
        runs: tally.run_ids.len() as u64,
        steps,
        trigger_seconds: tally.seconds(),
        seconds: rounded(seconds),
        replacements,
        versions: 0,
        succeeded: 0,
        failed: 0,
        mixed: 0,
        problems,
    };
    report.judge(&awaited.finished);
    Ok(report)
}

fn definition(options: &Options) -> Value {
    let steps: Vec<_> = (1..=options.steps)
        .map(|number| {
            json!({
                "name": format!("wait-{number}"),
                "type": "witness.wait-until",
                "config": {"ms": options.wait_ms},
            })
        })
        .collect();
    json!({"name": "uses a plugin that is replaced", "steps": steps})
}

/// How a file takes the place of another.
#[derive(Clone, Copy)]
enum Way {
    /// All at once, as careful tools do it.
    Rename,
    /// Written over, as `cp` does it.
    InPlace,
}

fn put(folder: &Path, wasm: &[u8], way: Way) -> Result<()> {
    let path = folder.join("witness.wasm");
    let written = match way {
        Way::InPlace => std::fs::write(&path, wasm),
        Way::Rename => {
            let new = folder.join("witness.new");
            std::fs::write(&new, wasm).and_then(|()| std::fs::rename(&new, &path))
        }
    };
    written.with_context(|| format!("could not write {}", path.display()))
}

/// Puts one version after another into the folder, in turns the one way and the other. Returns how many.
async fn replace(
    folder: PathBuf,
    versions: Versions,
    every: Duration,
    mut stopped: oneshot::Receiver<()>,
) -> Result<u64> {
    for number in 1.. {
        // The sender is gone where there is nothing more to replace for.
        if tokio::time::timeout(every, &mut stopped).await.is_ok() {
            return Ok(number - 1);
        }
        let way = if number % 2 == 0 {
            Way::InPlace
        } else {
            Way::Rename
        };
        put(&folder, &versions.number(number)?, way)?;
    }
    bail!("there are no more numbers")
}

async fn plugins(api: &mut Api) -> Result<Value> {
    api.get("/api/v1/plugins").await
}

async fn until_loaded(api: &mut Api) -> Result<()> {
    let deadline = Instant::now() + LOAD_PATIENCE;
    loop {
        let list = plugins(api).await?;
        let items = list["items"].as_array().into_iter().flatten();
        if items.clone().any(|item| item["name"] == "witness") {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the server did not load the plugin within {LOAD_PATIENCE:?}: {list}"
        );
        tokio::time::sleep(LOAD_BEAT).await;
    }
}

/// What the server still refuses when all is over is a problem: the last version is as good as the first. A file that was
/// being written over when the server looked is refused until it looks again.
async fn refused(api: &mut Api, problems: &mut Problems) -> Result<()> {
    let deadline = Instant::now() + LOAD_PATIENCE;
    loop {
        let list = plugins(api).await?;
        let refused = list["refused"].as_array().cloned().unwrap_or_default();
        if refused.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            for file in refused {
                problems.add(format!("the server refuses a version: {file}"));
            }
            return Ok(());
        }
        tokio::time::sleep(LOAD_BEAT).await;
    }
}

/// How a run went.
#[derive(Clone, Debug)]
struct Went {
    run: String,
    succeeded: bool,
    /// The versions that carried out its steps.
    versions: BTreeSet<u64>,
    flaw: Option<String>,
}

impl Went {
    fn of(run: &Run, steps: usize) -> Self {
        let told: Vec<u64> = run
            .step_results
            .values()
            .filter_map(|step| versions::number_of(&step.output))
            .collect();
        let succeeded = run.status == "success";
        let flaw = if !succeeded {
            Some(format!("ended as {}: {}", run.status, run.error))
        } else if told.len() != steps {
            Some(format!(
                "tells the version of {} steps, it has {steps}",
                told.len()
            ))
        } else {
            None
        };
        Self {
            run: run.uuid.clone(),
            succeeded,
            versions: told.into_iter().collect(),
            flaw,
        }
    }
}

impl Report {
    fn judge(&mut self, runs: &[Went]) {
        let mut versions: BTreeSet<u64> = BTreeSet::new();
        for went in runs {
            versions.extend(&went.versions);
            if went.succeeded {
                self.succeeded += 1;
            } else {
                self.failed += 1;
            }
            if let Some(flaw) = &went.flaw {
                self.problems.add(format!("run {} {flaw}", went.run));
            }
            if went.versions.len() > 1 {
                self.mixed += 1;
                self.problems.add(format!(
                    "run {} is pinned to one version and was carried out by {:?}",
                    went.run, went.versions
                ));
            }
        }
        self.versions = versions.len();
        if self.versions < 2 {
            self.problems.add(format!(
                "{} replacements, and {} version of the plugin carried out steps: nothing was shown",
                self.replacements, self.versions
            ));
        }
    }
}

#[cfg(test)]
mod tests;
