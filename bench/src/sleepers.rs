//! What a sleeping run costs: memory while very many sleep, and how late they wake.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, trigger_request};
use crate::delays::{judge, one_delay, seconds_between};
use crate::latency::{Latency, rounded};
use crate::load::{self, Load, Tally, Until};
use crate::memory::Memory;
use crate::report::Problems;
use crate::runs::{Waits, await_finished};

/// How often the server's memory is looked at.
const BEAT: Duration = Duration::from_millis(250);

/// How long the server is left alone before its memory counts as what it holds at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// How many sleepers, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many runs to put to sleep.
    #[arg(long, default_value_t = 100_000)]
    pub runs: u64,
    /// How long each sleeps: longer than it takes to trigger them all.
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long the runs may take to end, in seconds on top of their sleep.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged.
    pub runs: u64,
    /// How long each sleeps.
    pub sleep_seconds: f64,
    /// How long it took to trigger them.
    pub trigger_seconds: f64,
    /// Triggers a second.
    pub triggers_per_second: f64,
    /// How often the server turned a trigger away because it was busy.
    pub turned_away: u64,
    /// Whether the last was asleep before the first was due: if not, `asleep` is not the memory of all of them.
    pub all_asleep_at_once: bool,
    /// What the server held before.
    pub before: Memory,
    /// The most that it held while they were triggered.
    pub triggering: Memory,
    /// What it held just before the first was due.
    pub asleep: Memory,
    /// The most that it held while they woke.
    pub waking: Memory,
    /// What it held when all had ended.
    pub after: Memory,
    /// Bytes of anonymous memory that each sleeper added.
    pub bytes_per_sleeper: f64,
    /// How long after the last trigger's answer the last run ended, by the server's own account.
    pub last_ended_after_seconds: f64,
    /// How late they woke.
    pub late_by: Latency,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Puts runs to sleep, watches the server's process, and waits until they have woken.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, pid: u32, options: &Options) -> Result<Report> {
    let Options {
        runs,
        seconds,
        connections,
        patience,
    } = *options;
    ensure!(
        seconds.is_finite() && seconds > 0.0,
        "a sleep of {seconds} seconds is no sleep"
    );
    let workflow = Api::new(address)
        .create_workflow(&one_delay(seconds))
        .await?;
    tokio::time::sleep(SETTLE).await;
    let before = Memory::of(pid).await?;
    let began = Instant::now();
    let load = Load {
        address,
        request: trigger_request(&workflow, &json!({}), None),
        connections,
        threads: 1,
        until: Until::Requests(runs),
        rate: None,
        keep_run_ids: true,
        reconnect: false,
    };
    let (tally, triggering) = watch(pid, before, load::carry_out(load)).await?;
    let tally = tally?;
    let mut problems = Problems::default();
    if let Some(error) = &tally.first_error {
        problems.add(format!(
            "{} triggers failed, the first: {error}",
            tally.errors
        ));
    }

    // Nothing is asked of the server while they sleep: an answer would cost memory too.
    let first_due = began + Duration::from_secs_f64(seconds);
    let look_at = first_due
        .checked_sub(BEAT)
        .filter(|at| *at > Instant::now());
    if let Some(at) = look_at {
        tokio::time::sleep_until(at.into()).await;
    }
    let asleep = Memory::of(pid).await?;

    let patience = Duration::from_secs(patience) + Duration::from_secs_f64(seconds);
    let (last, waking) = watch(pid, asleep, wait_for_last(address, &tally, patience)).await?;
    last?;
    let awaited = await_finished(address, &tally.run_ids, patience, move |run| {
        Waits::of(run, seconds)
    })
    .await?;
    tokio::time::sleep(SETTLE).await;
    let after = Memory::of(pid).await?;
    awaited.complain(&mut problems);
    let late_by = judge(&awaited.finished, &mut problems);
    let last = awaited
        .finished
        .iter()
        .filter_map(|waits| waits.completed_at)
        .max()
        .unwrap_or(tally.ended_at);
    #[expect(clippy::cast_precision_loss, reason = "a count of runs")]
    let sleepers = tally.run_ids.len() as f64;
    Ok(Report {
        runs: tally.run_ids.len() as u64,
        sleep_seconds: seconds,
        trigger_seconds: tally.seconds(),
        triggers_per_second: tally.per_second(),
        turned_away: tally.turned_away,
        all_asleep_at_once: look_at.is_some(),
        before,
        triggering,
        asleep,
        waking,
        after,
        bytes_per_sleeper: rounded((asleep.anon_mib - before.anon_mib) * 1_048_576.0 / sleepers),
        last_ended_after_seconds: seconds_between(tally.ended_at, last),
        late_by,
        problems,
    })
}

/// Looks at the server's memory while something happens; returns the most that it held.
async fn watch<T>(pid: u32, from: Memory, work: impl Future<Output = T>) -> Result<(T, Memory)> {
    let mut most = from;
    tokio::pin!(work);
    loop {
        let done = tokio::time::timeout(BEAT, &mut work).await;
        most = most.max(Memory::of(pid).await?);
        if let Ok(result) = done {
            return Ok((result, most));
        }
    }
}

/// Waits until the run that was triggered last has ended, asking for nothing else: a hundred thousand questions while
/// the sleepers wake would be what they wake late for.
async fn wait_for_last(address: SocketAddr, tally: &Tally, patience: Duration) -> Result<()> {
    let last = tally.run_ids.iter().max().context("no run was started")?;
    await_finished(address, std::slice::from_ref(last), patience, |_| ())
        .await
        .map(|_| ())
}
