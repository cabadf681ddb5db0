//! What a sleeping run costs: memory while very many sleep, and how late they wake.
//!
//! In two forms: their times to wake are spread over a span, or they all fall due in the same moment. Each run is told until when
//! it sleeps, so neither depends on how long it takes to trigger them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Api, trigger_request};
use crate::client::Request;
use crate::delays::{judge, seconds_between};
use crate::latency::{Latency, rounded};
use crate::load::{self, Load, Tally, Until};
use crate::memory::Memory;
use crate::report::Problems;
use crate::runs::{Waits, await_finished};
use crate::time::Timestamp;
use crate::triggers::delays_of_nothing;

/// How often the server's memory is looked at.
const BEAT: Duration = Duration::from_millis(250);

/// How often it is asked whether all have ended. The answer is kept ready, and is one of very few requests.
const LOOK: Duration = Duration::from_millis(100);

/// How long the server is left alone before its memory counts as what it holds at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// How many different times to wake there are, at most, where they are spread.
const MOMENTS: u32 = 6_000;

/// How many sleepers, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many runs to put to sleep.
    #[arg(long, default_value_t = 100_000)]
    pub runs: u64,
    /// When the first is due, counted from the first trigger: longer than it takes to trigger them all.
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// Over how many seconds the times to wake are spread, evenly; 0 has all of them due in the same moment.
    #[arg(long, default_value_t = 60.0)]
    pub spread: f64,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Runs of nothing that go before, so that what a server fills once (page cache, buffers) does not count as the sleepers'.
    #[arg(long, default_value_t = 50_000)]
    pub warm_up: u64,
    /// How many runs are read at the end, drawn evenly from all; that all have ended is seen from the counts.
    #[arg(long, default_value_t = 100_000)]
    pub sample: u64,
    /// How long the runs may take to end, in seconds after the last is due.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged.
    pub runs: u64,
    /// When the first was due, counted from the first trigger.
    pub sleep_seconds: f64,
    /// Over how long the times to wake were spread.
    pub spread_seconds: f64,
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
    /// How long after the last was due all were seen to have ended.
    pub all_ended_after_seconds: f64,
    /// How many runs were read.
    pub read: u64,
    /// How long after the last was due the last of these ended, by the server's own account.
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
    let spans = [
        ("a sleep", options.seconds, options.seconds > 0.0),
        ("a spread", options.spread, options.spread >= 0.0),
    ];
    for (what, seconds, holds) in spans {
        ensure!(
            seconds.is_finite() && holds,
            "{what} of {seconds} seconds is none"
        );
    }
    let mut api = Api::new(address);
    let mut problems = Problems::default();
    warm_up(&mut api, address, options, &mut problems).await?;
    let workflow = api.create_workflow(&sleep_until()).await?;
    tokio::time::sleep(SETTLE).await;
    let before = Memory::of(pid).await?;
    let began = Instant::now();
    let first_due_at = Timestamp::now().after(Duration::from_secs_f64(options.seconds));
    let last_due_at = first_due_at.after(Duration::from_secs_f64(options.spread));
    let load = Load {
        requests: requests(&workflow, first_due_at, options),
        ..Load::new(
            address,
            Request::get("/").finish(),
            options.connections,
            Until::Requests(options.runs),
        )
        .keeping_run_ids()
    };
    let (tally, triggering) = watch(pid, before, load::carry_out(load)).await?;
    let tally = tally?;
    tally.complain("triggers", &mut problems);

    // Nothing is asked of the server while they sleep: an answer would cost memory too.
    let first_due = began + Duration::from_secs_f64(options.seconds);
    let look_at = first_due
        .checked_sub(BEAT)
        .filter(|at| *at > Instant::now());
    if let Some(at) = look_at {
        tokio::time::sleep_until(at.into()).await;
    }
    let asleep = Memory::of(pid).await?;

    let last_due = first_due + Duration::from_secs_f64(options.spread);
    let deadline = last_due + Duration::from_secs(options.patience);
    let ended = wait_for_all(&mut api, &workflow, tally.run_ids.len() as u64, deadline);
    let (ended, waking) = watch(pid, asleep, ended).await?;
    ended?;
    let all_ended = Instant::now().saturating_duration_since(last_due);
    let sample = sample(&tally, options.sample);
    let awaited = await_finished(address, &sample, Duration::ZERO, Waits::until).await?;
    tokio::time::sleep(SETTLE).await;
    let after = Memory::of(pid).await?;
    awaited.complain(&mut problems);
    let late_by = judge(&awaited.finished, &mut problems);
    let last = awaited
        .finished
        .iter()
        .filter_map(|waits| waits.completed_at)
        .max()
        .unwrap_or(last_due_at);
    #[expect(clippy::cast_precision_loss, reason = "a count of runs")]
    let sleepers = tally.run_ids.len() as f64;
    Ok(Report {
        runs: tally.run_ids.len() as u64,
        sleep_seconds: options.seconds,
        spread_seconds: options.spread,
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
        all_ended_after_seconds: rounded(all_ended.as_secs_f64()),
        read: sample.len() as u64,
        last_ended_after_seconds: seconds_between(last_due_at, last),
        late_by,
        problems,
    })
}

/// A workflow that waits until it was told.
fn sleep_until() -> Value {
    json!({"name": "sleep", "steps": [{"name": "sleep", "type": "delay", "config": {"until": "${payload.until}"}}]})
}

/// Triggers that differ in when the run wakes.
fn requests(workflow: &str, first: Timestamp, options: &Options) -> Vec<Request> {
    let spread = options.spread;
    let moments = if spread > 0.0 {
        u32::try_from(options.runs).map_or(MOMENTS, |runs| runs.clamp(1, MOMENTS))
    } else {
        1
    };
    let trigger = |moment: u32| {
        let later = Duration::from_secs_f64(spread * f64::from(moment) / f64::from(moments));
        let payload = json!({"until": first.after(later).to_string()});
        trigger_request(workflow, &payload, None)
    };
    (0..moments).map(trigger).collect()
}

async fn warm_up(
    api: &mut Api,
    address: SocketAddr,
    options: &Options,
    problems: &mut Problems,
) -> Result<()> {
    if options.warm_up == 0 {
        return Ok(());
    }
    let workflow = api.create_workflow(&delays_of_nothing(1)).await?;
    let tally = load::carry_out(
        Load::new(
            address,
            trigger_request(&workflow, &json!({}), None),
            options.connections,
            Until::Requests(options.warm_up),
        )
        .keeping_run_ids(),
    )
    .await?;
    tally.complain("triggers before", problems);
    let deadline = Instant::now() + Duration::from_secs(options.patience);
    wait_for_all(api, &workflow, tally.run_ids.len() as u64, deadline).await
}

/// Waits until so many runs of a workflow have ended, asking for the counts and nothing else: a hundred thousand questions while the
/// sleepers wake would be what they wake late for. At the deadline it is left to those who read the runs to say which has not.
async fn wait_for_all(api: &mut Api, workflow: &str, runs: u64, deadline: Instant) -> Result<()> {
    while api.count_runs(Some(workflow)).await?.finished() < runs && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// At most so many of the runs, drawn evenly. The newest is among them.
fn sample(tally: &Tally, most: u64) -> Vec<String> {
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
    let step = tally.run_ids.len().div_ceil(most).max(1);
    let mut runs: Vec<&String> = tally.run_ids.iter().collect();
    runs.sort_unstable();
    runs.into_iter().rev().step_by(step).cloned().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(runs: u64, spread: f64) -> Options {
        Options {
            runs,
            seconds: 1.0,
            spread,
            connections: 1,
            warm_up: 0,
            sample: 1,
            patience: 1,
        }
    }

    #[test]
    fn times_to_wake_are_spread_evenly() {
        let text = |request: &Request| String::from_utf8_lossy(request.as_bytes()).into_owned();
        let of = |runs, spread| requests("w", Timestamp::default(), &options(runs, spread));
        assert_eq!(of(1_000_000, 0.0).len(), 1);
        assert_eq!(of(1_000, 60.0).len(), 1_000);
        let spread = of(1_000_000, 60.0);
        assert_eq!(spread.len(), 6_000);
        assert!(text(&spread[0]).contains(r#""until":"1970-01-01T00:00:00.000000Z""#));
        assert!(text(&spread[3_000]).contains(r#""until":"1970-01-01T00:00:30.000000Z""#));
    }

    #[test]
    fn a_sample_is_drawn_from_all_and_has_the_newest() {
        let tally = Tally {
            run_ids: (0..10).map(|n| n.to_string()).collect(),
            ..Tally::default()
        };
        assert_eq!(sample(&tally, 3), ["9", "5", "1"]);
        assert_eq!(sample(&tally, 100).len(), 10);
    }
}
