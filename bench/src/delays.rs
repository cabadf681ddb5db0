//! Many short delays at once: they have to pass beside each other, not one after the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::api::{Api, trigger_request};
use crate::latency::{Latency, rounded};
use crate::load::{self, Load, Until};
use crate::report::Problems;
use crate::runs::{Waits, await_finished};
use crate::time::Timestamp;

/// How many delays, and how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many runs to start.
    #[arg(long, default_value_t = 2_000)]
    pub runs: u64,
    /// How long the one step of each waits.
    #[arg(long, default_value_t = 1.0)]
    pub seconds: f64,
    /// Over how many connections to start them.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long the runs may take to end once all are triggered, in seconds on top of the delay.
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs that were acknowledged.
    pub runs: u64,
    /// How long each waits.
    pub delay_seconds: f64,
    /// How long it took to trigger them.
    pub trigger_seconds: f64,
    /// How often the server turned a trigger away because it was busy.
    pub turned_away: u64,
    /// How long after the last trigger's answer the last run ended, by the server's own account.
    pub last_ended_after_seconds: f64,
    /// The same, by when this tool had seen it.
    pub last_seen_after_seconds: f64,
    /// By how much the steps were longer than they should have been.
    pub late_by: Latency,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Starts runs of one delay each and waits for them.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(address: SocketAddr, options: &Options) -> Result<Report> {
    let Options {
        runs,
        seconds,
        connections,
        patience,
    } = *options;
    ensure!(
        seconds.is_finite() && seconds >= 0.0,
        "a delay of {seconds} seconds is no delay"
    );
    let workflow = Api::new(address)
        .create_workflow(&one_delay(seconds))
        .await?;
    let tally = load::carry_out(
        Load::new(
            address,
            trigger_request(&workflow, &json!({}), None),
            connections,
            Until::Requests(runs),
        )
        .keeping_run_ids(),
    )
    .await?;
    let mut problems = Problems::default();
    tally.complain("triggers", &mut problems);
    let triggered = Instant::now();
    let patience = Duration::from_secs(patience) + Duration::from_secs_f64(seconds);
    let awaited = await_finished(address, &tally.run_ids, patience, move |run| {
        Waits::of(run, seconds)
    })
    .await?;
    let seen_after = triggered.elapsed();
    awaited.complain(&mut problems);
    let late = judge(&awaited.finished, &mut problems);
    let last = awaited
        .finished
        .iter()
        .filter_map(|waits| waits.completed_at)
        .max()
        .unwrap_or(tally.ended_at);
    Ok(Report {
        runs: tally.run_ids.len() as u64,
        delay_seconds: seconds,
        trigger_seconds: tally.seconds(),
        turned_away: tally.turned_away,
        last_ended_after_seconds: seconds_between(tally.ended_at, last),
        last_seen_after_seconds: rounded(seen_after.as_secs_f64()),
        late_by: late,
        problems,
    })
}

/// A workflow that only waits.
pub(crate) fn one_delay(seconds: f64) -> serde_json::Value {
    json!({"name": "sleep", "steps": [{"name": "sleep", "type": "delay", "config": {"duration": seconds}}]})
}

/// Complains of every run of one delay that did not go well, and sums up how late the others were.
pub(crate) fn judge(finished: &[Waits], problems: &mut Problems) -> Latency {
    for waits in finished {
        waits.complain(1, problems);
    }
    Latency::of(
        finished
            .iter()
            .flat_map(|waits| &waits.late_by_micros)
            .map(|late| u64::try_from(*late).unwrap_or(0)),
    )
}

/// Seconds from one point in time to another, rounded for people.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "minutes in microseconds")]
    let seconds = to.micros_since(from) as f64 / 1e6;
    rounded(seconds)
}
