//! The proof over a whole cluster: whatever is acknowledged is done, once, and told, whichever part of it fails meanwhile.
//!
//! Several APIs and workers run as processes over a real PostgreSQL and a real Kafka. While runs are triggered, faults from a
//! seed come: processes are killed, stopped and continued, broker and database are restarted. At the end a checker reads the
//! journal, the rows, the sink and the topics, and holds them against each other and against what was acknowledged.

mod faults;
mod history;
mod node;
mod plan;
mod stand;
mod trigger;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use millwork_servers::kafka::Kafka;
use millwork_servers::postgres::Postgres;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use crate::latency::rounded;
use crate::process::ServerOptions;
use crate::report::Problems;
use crate::sink::{Sink, Temper};
pub use stand::Stand;

use history::{Announcement, History, RunHistory};
use node::{Node, Place, Role};
use plan::Plan;

/// The database.
const DATABASE: &str = "workflow_db";

/// How long a claim holds in the cluster under test: short, so that much happens.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a worker may be silent before Kafka gives its partitions to others.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// The topics, under their default names.
const TOPIC_COMPLETED: &str = "workflow.completed.rust";
const TOPIC_DEAD_LETTER: &str = "workflow.trigger.rust.dead-letter";

/// What to do to the cluster.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The binary, and where the data goes.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many runs to start.
    #[arg(long, default_value_t = 10_000)]
    pub runs: u64,
    /// How many APIs.
    #[arg(long, default_value_t = 2)]
    pub apis: usize,
    /// How many workers.
    #[arg(long, default_value_t = 3)]
    pub workers: usize,
    /// How often each kind of fault comes that is quick: a worker or an API that is killed. The others come half and a third as often.
    #[arg(long, default_value_t = 12)]
    pub faults: usize,
    /// From what the faults are drawn; by chance where left out, and printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The longest that the sink holds an answer back, in milliseconds.
    #[arg(long, default_value_t = 20)]
    pub sink_delay_ms: u64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

impl Options {
    /// The full proof with a binary.
    #[must_use]
    pub fn new(server: ServerOptions) -> Self {
        Self {
            server,
            runs: 10_000,
            apis: 2,
            workers: 3,
            faults: 12,
            seed: None,
            sink_delay_ms: 20,
            patience: 180,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From what the faults were drawn.
    pub seed: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Runs that were acknowledged.
    pub acknowledged: u64,
    /// Triggers that were sent more than once until somebody answered.
    pub triggered_again: u64,
    /// Runs in the journal.
    pub runs: u64,
    /// Those of them that ended in `success`.
    pub succeeded: u64,
    /// Records in the journal.
    pub records: u64,
    /// Calls that the sink got.
    pub sink_calls: u64,
    /// Those of them that repeated an earlier one.
    pub repeated_calls: u64,
    /// Ends that were announced.
    pub announcements: u64,
    /// Those of them that repeated an earlier one.
    pub repeated_announcements: u64,
    /// Commits that found their place taken, at the workers that live.
    pub commit_conflicts: u64,
    /// Runs that a worker let go of because another had taken them on, at the workers that live.
    pub runs_lost: u64,
    /// How long the triggering took, faults included.
    pub trigger_seconds: f64,
    /// How long after the last trigger the last run had ended and been told.
    pub seconds_after_last_trigger: f64,
    /// Where logs and data were kept, if something was wrong.
    pub evidence: Option<String>,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// The servers that the cluster stands on.
pub(crate) struct Ground {
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
}

/// Starts a cluster, breaks it, and looks. An `Ok` may hold problems: ask the report for its verdict.
///
/// # Errors
/// Where the proof could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    ensure!(
        options.apis > 0 && options.workers > 1,
        "there have to be an API and two workers"
    );
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    // Said before anything can go wrong: the seed is what makes a failure come again.
    eprintln!("seed {seed}");
    let parent = options
        .server
        .work_dir
        .clone()
        .unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent)
        .with_context(|| format!("could not make {}", parent.display()))?;
    let mut home = tempfile::Builder::new()
        .prefix("millwork-cluster-")
        .tempdir_in(&parent)
        .context("could not make a folder for the cluster")?;
    let proof = carry_out(&options, seed, &home).await;
    let is_sound = proof
        .as_ref()
        .is_ok_and(|report| report.problems.is_empty());
    home.disable_cleanup(!is_sound);
    let place = home.path().display().to_string();
    match proof {
        Ok(report) => Ok(Report {
            evidence: (!is_sound).then_some(place),
            ..report
        }),
        Err(error) => Err(error.context(format!(
            "the proof broke off (seed {seed}); logs are in {place}"
        ))),
    }
}

async fn carry_out(options: &Options, seed: u64, home: &TempDir) -> Result<Report> {
    let sink = Sink::open(Temper {
        answer_after_max: Duration::from_millis(options.sink_delay_ms),
        seed,
        ..Temper::default()
    })
    .await?;
    let ground = Ground::start().await?;
    let place = Place {
        binary: options.server.binary()?,
        home: home.path().to_owned(),
        database_url: ground.postgres.url(DATABASE),
        bootstrap: ground.kafka.bootstrap(),
        claim_timeout: CLAIM_TIMEOUT,
        session_timeout: SESSION_TIMEOUT,
    };
    node::migrate(&place).await?;
    let mut nodes = Vec::new();
    for (role, count) in [(Role::Api, options.apis), (Role::Worker, options.workers)] {
        for number in 1..=count {
            nodes.push(Node::start(&place, role, number)?);
        }
    }
    for node in &mut nodes {
        node.ready().await?;
    }
    let apis: Vec<_> = nodes
        .iter()
        .filter(|node| node.role() == Role::Api)
        .map(Node::address)
        .collect();
    let first_api = *apis.first().context("there is no API")?;
    let workflow = Api::new(first_api)
        .create_workflow(&definition(&sink))
        .await?;

    let plan = Plan::draw(seed, options.faults, options.apis, options.workers);
    eprintln!("{plan}");
    let began = Instant::now();
    let order = trigger::Order {
        apis,
        workflow,
        seed,
        runs: options.runs,
        over: plan.length(),
    };
    let triggering = tokio::spawn(trigger::all(order));
    let (ground, faults) = faults::carry_out(&plan, ground, &mut nodes).await?;
    let triggered = triggering.await??;
    let trigger_seconds = began.elapsed().as_secs_f64();

    let mut problems = Problems::default();
    let patience = Duration::from_secs(options.patience);
    let ground = await_the_end(
        ground,
        triggered.acknowledged.len(),
        patience,
        &mut problems,
    )
    .await?;
    let seconds_after_last_trigger = began.elapsed().as_secs_f64() - trigger_seconds;
    let mut counted = node::Counted::default();
    for node in &mut nodes {
        if let Err(error) = node.check_alive() {
            problems.add(format!("{error:#}"));
        } else if node.role() == Role::Worker {
            counted += node.count().await?;
        }
    }
    // Ended before their last words are read: what they had still to tell is told.
    for node in &mut nodes {
        node.terminate().await?;
    }
    let history = tokio::task::spawn_blocking(move || read_history(&ground)).await??;
    let calls = sink.calls();
    let summary = history::check(&history, &triggered.acknowledged, &calls, &mut problems);
    Ok(Report {
        seed,
        faults,
        acknowledged: triggered.acknowledged.len() as u64,
        triggered_again: triggered.again,
        runs: history.runs.len() as u64,
        succeeded: summary.succeeded,
        records: history
            .runs
            .iter()
            .map(|run| run.records.len() as u64)
            .sum(),
        sink_calls: calls.len() as u64,
        repeated_calls: summary.repeated_calls,
        announcements: history.announcements.len() as u64,
        repeated_announcements: summary.repeated_announcements,
        commit_conflicts: counted.conflicts,
        runs_lost: counted.lost,
        trigger_seconds: rounded(trigger_seconds),
        seconds_after_last_trigger: rounded(seconds_after_last_trigger),
        evidence: None,
        problems,
    })
}

/// Waits until nothing is left to do in the database: every run has ended, and its end has been told.
async fn await_the_end(
    ground: Ground,
    acknowledged: usize,
    patience: Duration,
    problems: &mut Problems,
) -> Result<Ground> {
    const LEFT: &str = "SELECT count(*) FILTER (WHERE status NOT IN ('success', 'failed', 'cancelled')), \
                        count(*) FILTER (WHERE due_at IS NOT NULL), count(*) FROM runs";
    let waited = tokio::task::spawn_blocking(move || -> Result<(Ground, Option<String>)> {
        let deadline = Instant::now() + patience;
        loop {
            let counts = ground.postgres.query(DATABASE, LEFT)?;
            if counts.starts_with("0\t0\t") {
                return Ok((ground, None));
            }
            if Instant::now() > deadline {
                return Ok((ground, Some(counts)));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let (ground, left) = waited.await??;
    if let Some(left) = left {
        problems.add(format!(
            "after {patience:?} there were runs left (not ended, still due, in all: {}), of {acknowledged} that were acknowledged",
            left.replace('\t', ", ")
        ));
    }
    Ok(ground)
}

fn read_history(ground: &Ground) -> Result<History> {
    let query = |sql: &str| ground.postgres.query(DATABASE, sql);
    let rows = query("SELECT id, status, due_at IS NOT NULL FROM runs ORDER BY id")?;
    let journal = query("SELECT run, record FROM journal ORDER BY run, seq")?;
    let mut runs: BTreeMap<String, RunHistory> = BTreeMap::new();
    for row in rows.lines() {
        let mut columns = row.split('\t');
        let mut next = || columns.next().context("a row of runs has too few columns");
        let (run, status, is_due) = (next()?, next()?, next()? == "t");
        runs.insert(run.to_owned(), RunHistory::new(run, status, is_due));
    }
    for row in journal.lines() {
        let (run, record) = row
            .split_once('\t')
            .context("a row of the journal has one column")?;
        let history = runs
            .entry(run.to_owned())
            .or_insert_with(|| RunHistory::new(run, "(no row)", false));
        let records = millwork_store::leaf::records(record);
        history.records.extend(records.map(str::to_owned));
    }
    let bootstrap = ground.kafka.bootstrap();
    let read = |topic| {
        millwork_bus::kafka::read_all(&bootstrap, topic)
            .with_context(|| format!("could not read the topic {topic}"))
    };
    let announcements = read(TOPIC_COMPLETED)?
        .iter()
        .map(|message| {
            serde_json::from_slice::<Announcement>(message)
                .context("an announcement cannot be read")
        })
        .collect::<Result<_>>()?;
    Ok(History {
        runs: runs.into_values().collect(),
        announcements,
        dead_letters: read(TOPIC_DEAD_LETTER)?.len(),
    })
}

/// The waits, in seconds.
const WAITS: [(&str, f64); 2] = [("before", 0.3), ("after", 1.0)];

/// The step whose answer the next one carries on.
const CALL: &str = "call";
const PASS: &str = "pass";

/// The steps in the order in which they have to succeed.
const STEPS: [&str; 4] = [WAITS[0].0, CALL, PASS, WAITS[1].0];

fn definition(sink: &Sink) -> serde_json::Value {
    let [(before, before_seconds), (after, after_seconds)] = WAITS;
    let call = |step: &str, carried: &str| {
        json!({
            "name": step,
            "type": "webhook",
            "config": {
                "url": sink.url("/cluster"),
                "method": "POST",
                "body": {"n": "${payload.n}", "run": "${run.id}", "step": step, "carried": carried},
            },
            "retry": {"max_attempts": 100, "initial": 0.05, "factor": 1.5, "max": 1},
        })
    };
    json!({
        "name": "survive",
        "steps": [
            {"name": before, "type": "delay", "config": {"duration": before_seconds}},
            call(CALL, "nothing"),
            call(PASS, "${call.response_data}"),
            {"name": after, "type": "delay", "config": {"duration": after_seconds}},
        ],
    })
}
