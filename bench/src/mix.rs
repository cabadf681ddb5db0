//! The everyday mix: many users at once, each of whom makes a workflow, runs it and looks at it.
//!
//! Each user has a connection of its own and keeps it. At most [`CONNECTING_MAX`] are being made at a time, fewer than any server
//! lets wait: what is measured is how the server answers, not how the system tries again to connect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::api::{Api, read, trigger_request};
use crate::client::Request;
use crate::delays::seconds_between;
use crate::files;
use crate::latency::{Latency, per_second, rounded, share};
use crate::report::Problems;
use crate::runs::{Waits, await_finished};
use crate::time::Timestamp;

/// What each user asks, in order.
const PLAN: [&str; 7] = [
    "GET /health",
    "GET /",
    "create workflow",
    "get workflow",
    "trigger",
    "get run",
    "list runs",
];

/// Connections that are being made at the same time.
pub const CONNECTING_MAX: usize = 512;

/// How long the step of each workflow waits.
const DELAY_SECONDS: f64 = 1.0;

/// How many users.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many users there are, all at once, each on a connection of its own.
    #[arg(long, default_value_t = 1_000)]
    pub users: u64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many users there were.
    pub users: u64,
    /// Requests that they wanted to make. One that could not be made, since an earlier one failed, has failed too.
    pub planned: u64,
    /// Those that were answered as they should be.
    pub succeeded: u64,
    /// The share of these in the planned ones.
    pub success_share: f64,
    /// How long it took until every user had the last answer.
    pub seconds: f64,
    /// Answers a second.
    pub per_second: f64,
    /// How long the answers took.
    pub latency: Latency,
    /// Runs that ended in `success`.
    pub runs_finished: u64,
    /// From the beginning until every run was seen to have ended.
    pub all_runs_ended_after_seconds: f64,
    /// From the answer to the last trigger to the end of the last run, by the server's own account. Each waits for a second.
    pub last_run_ended_after_last_trigger_seconds: f64,
    /// By kind of request.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

/// One kind of request.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which.
    pub request: &'static str,
    /// Those that were answered as they should be.
    pub succeeded: u64,
    /// How long they took.
    pub latency: Latency,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Lets all users loose at once.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Report> {
    ensure!(options.users > 0, "there has to be at least one user");
    files::allow(usize::try_from(options.users).unwrap_or(usize::MAX))?;
    let gate = Arc::new(Semaphore::new(CONNECTING_MAX));
    let began = Instant::now();
    let mut users = JoinSet::new();
    for number in 0..options.users {
        let gate = Arc::clone(&gate);
        users.spawn(async move {
            let mut user = User {
                api: Api::new(address),
                gate: Some(gate),
                number,
                answers: Vec::new(),
                run: None,
                triggered_at: None,
            };
            let failure = user
                .carry_out()
                .await
                .err()
                .map(|error| format!("user {number}: {error:#}"));
            (user, failure)
        });
    }
    let mut problems = Problems::default();
    let mut by_kind: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let mut runs = Vec::new();
    let mut last_trigger = None;
    while let Some(user) = users.join_next().await {
        let (user, failure) = user?;
        if let Some(failure) = failure {
            problems.add(failure);
        }
        for (kind, micros) in user.answers.into_iter().enumerate() {
            by_kind.entry(kind).or_default().push(micros);
        }
        runs.extend(user.run);
        last_trigger = last_trigger.max(user.triggered_at);
    }
    let seconds = began.elapsed().as_secs_f64();
    let patience = Duration::from_secs(options.patience);
    let awaited = await_finished(address, &runs, patience, |run| {
        Waits::of(run, DELAY_SECONDS)
    })
    .await?;
    let all_ended = began.elapsed().as_secs_f64();
    awaited.complain(&mut problems);
    awaited
        .finished
        .iter()
        .for_each(|waits| waits.complain(1, &mut problems));
    let succeeded = by_kind.values().map(|answers| answers.len() as u64).sum();
    let last_end = awaited
        .finished
        .iter()
        .filter_map(|waits| waits.completed_at)
        .max();
    let planned = options.users * PLAN.len() as u64;
    let rows = by_kind.iter().map(|(kind, answers)| Row {
        request: PLAN[*kind],
        succeeded: answers.len() as u64,
        latency: Latency::of(answers.iter().copied()),
    });
    Ok(Report {
        users: options.users,
        planned,
        succeeded,
        success_share: share(succeeded, planned),
        seconds: rounded(seconds),
        per_second: per_second(succeeded, seconds),
        latency: Latency::of(by_kind.values().flatten().copied()),
        runs_finished: awaited
            .finished
            .iter()
            .filter(|waits| waits.status == "success")
            .count() as u64,
        all_runs_ended_after_seconds: rounded(all_ended),
        last_run_ended_after_last_trigger_seconds: last_trigger
            .zip(last_end)
            .map_or(0.0, |(from, to)| seconds_between(from, to)),
        rows: rows.collect(),
        problems,
    })
}

struct User {
    api: Api,
    /// Who wants to connect for the first time goes through here.
    gate: Option<Arc<Semaphore>>,
    number: u64,
    /// How long each answer took, in the order of the plan.
    answers: Vec<u64>,
    run: Option<String>,
    /// When the answer to the trigger had come.
    triggered_at: Option<Timestamp>,
}

impl User {
    async fn carry_out(&mut self) -> Result<()> {
        self.ask(&Request::get("/health").finish(), |health: &Value| {
            holds(health["status"] == "ok")
        })
        .await?;
        self.ask(&Request::get("/").finish(), |hello: &Value| {
            holds(hello["message"] == "Hello World")
        })
        .await?;

        let number = self.number;
        let name = format!("user {number}");
        let steps =
            json!([{"name": "wait", "type": "delay", "config": {"duration": DELAY_SECONDS}}]);
        let definition = json!({"name": name, "description": "one of many", "steps": steps});
        let create = Request::post("/api/v1/workflows").json(&definition);
        let workflow = self
            .ask(&create, |created: &Value| text(&created["workflow_id"]))
            .await?;
        let get = Request::get(&format!("/api/v1/workflows/{workflow}")).finish();
        self.ask(&get, |found: &Value| {
            holds(found["uuid"] == *workflow && found["name"] == *name)
        })
        .await?;

        let trigger = trigger_request(&workflow, &json!({"user": number}), None);
        let run = self
            .ask(&trigger, |triggered: &Value| text(&triggered["run_id"]))
            .await?;
        self.triggered_at = Some(Timestamp::now());
        self.run = Some(run.clone());
        let get = Request::get(&format!("/api/v1/runs/{run}")).finish();
        self.ask(&get, |found: &Value| {
            holds(found["uuid"] == *run && found["payload"]["user"] == number)
        })
        .await?;
        let list = Request::get("/api/v1/runs?limit=50").finish();
        self.ask(&list, |page: &PageOfRuns| {
            holds((1..=50).contains(&page.items.len()))
        })
        .await
    }

    /// Asks for the next thing of the plan. The answer counts where it is what `look` wants to see.
    async fn ask<A: for<'de> Deserialize<'de>, T>(
        &mut self,
        request: &Request,
        look: impl FnOnce(&A) -> Option<T>,
    ) -> Result<T> {
        let what = PLAN[self.answers.len()];
        let permit = match self.gate.take() {
            Some(gate) => Some(gate.acquire_owned().await.context("the gate is closed")?),
            None => None,
        };
        let begun = Instant::now();
        let response = self.api.call(request).await.context(what)?;
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        drop(permit);
        let answer: A = read(what, &response)?;
        let seen =
            look(&answer).with_context(|| format!("{what} was answered {}", response.excerpt()))?;
        self.answers.push(micros);
        Ok(seen)
    }
}

/// A page of the list of runs, whose items are counted and not kept: this tool shares the machine with the server.
#[derive(Deserialize)]
struct PageOfRuns {
    items: Vec<IgnoredAny>,
}

fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
