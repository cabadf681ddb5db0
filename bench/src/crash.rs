//! The proof by `kill -9`: whatever was acknowledged is done, once, however often the server dies meanwhile.
//!
//! A workflow of three steps (a wait, a webhook to a sink, a wait) is triggered many times while the server is killed
//! and started again at moments drawn from a seed. At the end every acknowledged run is looked at, the sink's memory is
//! held against the server's, the server is killed once more, and everything is looked at again.

mod check;
mod evidence;
mod killer;
mod ledger;
mod plan;
mod trigger;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::latency::{Latency, rounded};
use crate::process::{Millwork, Server, ServerOptions};
use crate::report::Problems;
use crate::runs::{Awaited, await_finished};
use crate::sink::{Sink, Temper};
use evidence::Evidence;
use ledger::Ledger;
use plan::Plan;

/// What to do to the server.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many runs to start.
    #[arg(long, default_value_t = 10_000)]
    pub runs: u64,
    /// How often to kill the server meanwhile.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// Over how many connections to start runs.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// From what the moments of the kills are drawn; by chance where left out, and printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Trigger without an `Idempotency-Key`: a trigger that got no answer is then not sent again.
    #[arg(long)]
    pub without_keys: bool,
    /// Which share of the webhook's calls the sink answers 503.
    #[arg(long, default_value_t = 0.0)]
    pub busy_share: f64,
    /// The longest that the sink holds an answer back, in milliseconds.
    #[arg(long, default_value_t = 5)]
    pub sink_delay_ms: u64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
}

impl Options {
    /// The full proof against a server's binary.
    #[must_use]
    pub fn new(server: ServerOptions) -> Self {
        Self {
            server,
            runs: 10_000,
            kills: 20,
            connections: 8,
            seed: None,
            without_keys: false,
            busy_share: 0.0,
            sink_delay_ms: 5,
            patience: 120,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From what the moments of the kills were drawn.
    pub seed: u64,
    /// Runs that were acknowledged.
    pub acknowledged: u64,
    /// Triggers that were sent and never answered.
    pub unacknowledged: u64,
    /// Acknowledged triggers that were sent again under their key, and led to the same run.
    pub triggered_again: u64,
    /// Runs that ended in `success`.
    pub finished: u64,
    /// Runs that the list shows.
    pub listed: u64,
    /// Calls that the sink got.
    pub sink_calls: u64,
    /// Those of them that repeated an earlier one.
    pub repeated_calls: u64,
    /// Idempotency keys that came with them.
    pub distinct_keys: u64,
    /// How often the server was killed and started again, the last time with nothing left to do.
    pub restarts: u64,
    /// How long it took from a kill until the server was ready again.
    pub recovery: Latency,
    /// How long the triggering took, kills included.
    pub trigger_seconds: f64,
    /// How long after the last trigger the last run was seen to have ended.
    pub seconds_after_last_trigger: f64,
    /// Where the server's data was kept, if something was wrong.
    pub evidence: Option<String>,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Kills a server of its own. An `Ok` may hold problems: ask the report for its verdict.
///
/// # Errors
/// Where the proof could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    let mut server = Millwork::prepare(&options.server)?;
    let result = run_against(&mut server, &options).await;
    match result {
        Ok(report) if report.problems.is_empty() => Ok(report),
        Ok(mut report) => {
            report.evidence = Some(server.keep().display().to_string());
            Ok(report)
        }
        Err(error) => Err(error.context(format!(
            "the server's data and log are in {}",
            server.keep().display()
        ))),
    }
}

/// Kills any server.
///
/// # Errors
/// Where the proof could not be carried to its end.
pub async fn run_against(server: &mut impl Server, options: &Options) -> Result<Report> {
    ensure!(
        options.runs > u64::from(options.kills),
        "there have to be more runs than kills"
    );
    ensure!(
        (0.0..1.0).contains(&options.busy_share),
        "the share of busy answers must be from 0 to below 1"
    );
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    // Said before anything can go wrong: the seed is what makes a failure come again.
    eprintln!("seed {seed}");
    let proof = carry_out(server, options, seed).await;
    proof.with_context(|| format!("the proof broke off (seed {seed})"))
}

async fn carry_out(server: &mut impl Server, options: &Options, seed: u64) -> Result<Report> {
    let sink = Sink::open(Temper {
        busy_share: options.busy_share,
        answer_after_max: Duration::from_millis(options.sink_delay_ms),
        seed,
    })
    .await?;
    let address = server.address();
    server.start().await?;
    server.ready().await?;
    let workflow = Api::new(address)
        .create_workflow(&definition(&sink))
        .await?;

    let plan = Plan::draw(seed, options.runs, options.kills);
    let ledger = Arc::new(Ledger::new(options.runs, plan.first_gate()));
    let began = Instant::now();
    let mut triggering = JoinSet::new();
    for _ in 0..options.connections.max(1) {
        let order = trigger::Order {
            address,
            workflow: workflow.clone(),
            seed,
            keyed: !options.without_keys,
        };
        triggering.spawn(trigger::work(order, Arc::clone(&ledger)));
    }
    let mut killed = killer::carry_out(server, &plan, &ledger, &mut triggering).await?;
    while let Some(worker) = triggering.join_next().await {
        worker??;
    }
    let trigger_seconds = began.elapsed().as_secs_f64();

    let mut problems = Problems::default();
    let again = trigger::Order {
        address,
        workflow,
        seed,
        keyed: !options.without_keys,
    };
    let triggered_again = trigger::repeat(&again, &ledger, &mut problems).await?;
    let first = look(address, options, &ledger).await?;
    let seconds_after_last_trigger = began.elapsed().as_secs_f64() - trigger_seconds;

    // What has ended must outlive the server too.
    killed.push(killer::restart(server).await?);
    let second = look(address, options, &ledger).await?;
    first.awaited.complain(&mut problems);
    check::same(&first, &second, &mut problems);
    let received = sink.calls();
    let calls = check::calls(&received, &mut problems);
    check::runs(&first.awaited.finished, &ledger, &calls, &mut problems);
    check::list(&second.listed, &ledger, &mut problems);
    Ok(Report {
        seed,
        acknowledged: ledger.acknowledged().len() as u64,
        unacknowledged: ledger.unanswered(),
        triggered_again,
        finished: first
            .awaited
            .finished
            .iter()
            .filter(|run| run.succeeded())
            .count() as u64,
        listed: second.listed.len() as u64,
        sink_calls: calls.count,
        repeated_calls: calls.count.saturating_sub(calls.by_key.len() as u64),
        distinct_keys: calls.by_key.len() as u64,
        restarts: killed.len() as u64,
        recovery: Latency::of(
            killed
                .iter()
                .map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        ),
        trigger_seconds: rounded(trigger_seconds),
        seconds_after_last_trigger: rounded(seconds_after_last_trigger),
        evidence: None,
        problems,
    })
}

/// What the server says of all its runs.
struct Look {
    /// Every run that the list shows, as often as it shows it.
    listed: Vec<String>,
    /// Every run that is listed or was acknowledged.
    awaited: Awaited<Evidence>,
}

async fn look(address: SocketAddr, options: &Options, ledger: &Ledger) -> Result<Look> {
    // A trigger that got no answer may have started a run; one sent again without a key may have started another.
    let most = options.runs + ledger.unanswered();
    let listed = Api::new(address)
        .list_all_runs(usize::try_from(most * 2)?)
        .await?;
    let mut runs: Vec<String> = listed
        .iter()
        .cloned()
        .chain(ledger.acknowledged().into_values())
        .collect();
    runs.sort_unstable();
    runs.dedup();
    let patience = Duration::from_secs(options.patience);
    let awaited = await_finished(address, &runs, patience, |run| Evidence::of(&run)).await?;
    Ok(Look { listed, awaited })
}

/// The first wait is short, so that runs are killed in it and behind it alike.
const WAITS: [(&str, f64); 2] = [("before", 0.02), ("after", 0.05)];

/// The step that calls the sink.
const CALL: &str = "call";

fn definition(sink: &Sink) -> serde_json::Value {
    let [(before, before_seconds), (after, after_seconds)] = WAITS;
    json!({
        "name": "survive",
        "steps": [
            {"name": before, "type": "delay", "config": {"duration": before_seconds}},
            {
                "name": CALL,
                "type": "webhook",
                "config": {
                    "url": sink.url("/crash"),
                    "method": "POST",
                    "body": {"n": "${payload.n}", "run": "${run.id}", "step": CALL},
                },
                // Enough for any share of busy answers; a run that fails is no proof of anything.
                "retry": {"max_attempts": 100, "initial": 0.05, "factor": 1.5, "max": 1},
            },
            {"name": after, "type": "delay", "config": {"duration": after_seconds}},
        ],
    })
}
