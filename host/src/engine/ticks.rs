//! Starts runs when the clock says so.
//!
//! Each tick of a schedule starts at most one run, however many processes look and whatever dies: the run's creation carries
//! the schedule and the tick as its idempotency key, in the same transaction. So a process that has started a run and dies
//! before it moves the schedule on harms nobody; another one does it again, and finds the run. A schedule that is due is claimed
//! for a while first, so that only one process tries.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use millwork_core::definition::{Missed, ScheduleTrigger, Trigger as Defined};
use millwork_core::digest::Digest;
use millwork_core::event::Origin;
use millwork_core::json::Json;
use millwork_core::time::Timestamp;
use millwork_store::Idempotency;
use millwork_store::trigger::Trigger;
use sha2::{Digest as _, Sha256};

use super::trigger::{Begin, BegunAs};
use super::{Engine, Error};
use crate::cron::Times;
use crate::telemetry;

/// For how long a process has a schedule that it found due.
const CLAIM: Duration = Duration::from_secs(30);

/// How often to look for schedules that others have made.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How late a tick may be and not be missed.
const GRACE: Duration = Duration::from_secs(60);

/// Ticks that are made up for, of a schedule that makes up for all: the latest.
const MADE_UP_MAX: usize = 1_000;

/// Schedules claimed at once, and how many are seen to side by side.
const PAGE: usize = 100;
const SIDE_BY_SIDE: usize = 16;

/// How long it is remembered that a tick has started a run. Long past the moment at which its schedule is moved on.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Starts runs when their schedules are due.
pub(super) async fn fire(engine: Engine) {
    let parts = &engine.0;
    while !parts.is_closing.load(Ordering::Relaxed) {
        // Interest is registered before the look, so that a new schedule is not slept through.
        let changed = parts.schedules_changed.notified();
        let now = parts.clock.now();
        let look_at = match look(&engine, now).await {
            Ok(look_at) => look_at,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not look for schedules that are due; trying again"
                );
                Some(now.after(PAUSE))
            }
        };
        let Some(look_at) = look_at else { continue };
        tokio::select! {
            () = changed => {}
            () = parts.clock.sleep_until(look_at) => {}
        }
    }
}

/// Sees to the schedules that are due. Says when to look again; nothing where it is now.
async fn look(engine: &Engine, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let store = &engine.0.store;
    let next = store.next_due().await?;
    let Some(next) = next.filter(|next| *next <= now) else {
        let at_latest = now.after(LOOK_EVERY);
        return Ok(Some(next.map_or(at_latest, |next| next.min(at_latest))));
    };
    let before = now.after(Duration::from_micros(1));
    let due = store.claim_ticks(before, now.after(CLAIM), PAGE).await?;
    if due.is_empty() {
        // Another process was faster.
        return Ok(Some(next.max(now.after(PAUSE))));
    }
    futures::stream::iter(due)
        .for_each_concurrent(SIDE_BY_SIDE, |schedule| async move {
            let (workflow, cron) = (schedule.id.workflow, schedule.place.clone());
            if let Err(error) = see_to(engine, schedule).await {
                tracing::warn!(
                    workflow.id = %workflow, cron,
                    error = &error as &dyn std::error::Error,
                    "could not see to a schedule that is due; trying again when its claim has run out"
                );
            }
        })
        .await;
    Ok(None)
}

async fn see_to(engine: &Engine, schedule: Trigger) -> Result<(), Error> {
    let parts = &engine.0;
    let (id, Some(tick)) = (schedule.id, schedule.next_at) else {
        return Ok(());
    };
    let compiled = engine.find_of(id).await?;
    let number = usize::try_from(id.number).unwrap_or(usize::MAX);
    let Some(Defined::Schedule(defined)) = compiled.graph.triggers.get(number) else {
        return Ok(());
    };
    let Ok(times) = Times::read(defined) else {
        // It was checked when it was posted: another host knew it.
        return Ok(());
    };
    engine.check_backlog()?;
    let now = parts.clock.now();
    let Plan { fires, goes_on } = plan(&times, defined.missed, tick, now);
    for tick in fires {
        let begin = Begin {
            compiled: Arc::clone(&compiled),
            is_newest: true,
            payload: payload(defined, tick),
            origin: Some(Origin::Schedule {
                cron: defined.cron.clone(),
                at: tick,
            }),
            labels: millwork_store::Labels::new(),
            trace: None,
            idempotency: Some(promise(defined, tick, now)),
        };
        match engine.begin(begin).await {
            // A newer version has triggers of its own, and a workflow that was set aside has none.
            Ok(BegunAs::Outdated) => return Ok(()),
            Ok(BegunAs::New(_) | BegunAs::Known(..)) => {
                metrics::counter!(telemetry::TICKS_FIRED).increment(1);
                metrics::histogram!(telemetry::TICK_LATENESS_SECONDS)
                    .record(parts.clock.now().since(tick).as_secs_f64());
            }
            // Who may not wait is not made up for: the next tick comes.
            Err(
                error @ (Error::LimitReached { .. }
                | Error::InvalidKey(_)
                | Error::PluginMissing { .. }),
            ) => {
                metrics::counter!(telemetry::TICKS_REFUSED).increment(1);
                tracing::warn!(
                    workflow.id = %id.workflow, tick = %tick, cron = defined.cron,
                    error = &error as &dyn std::error::Error,
                    "a schedule could not start its run"
                );
            }
            Err(error) => return Err(error),
        }
    }
    parts.store.move_tick(id, tick, goes_on).await?;
    Ok(())
}

/// What becomes of a schedule that is due.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The ticks that start a run now, the earliest first.
    fires: Vec<Timestamp>,
    /// The tick at which it goes on.
    goes_on: Option<Timestamp>,
}

/// Runs started in one go; the others are next.
const FIRES_MAX: usize = 20;

fn plan(times: &Times, missed: Missed, tick: Timestamp, now: Timestamp) -> Plan {
    let last = times.last_until(now).unwrap_or(tick).max(tick);
    let is_fresh = |tick: &Timestamp| now.since(*tick) <= GRACE;
    let fires = match missed {
        Missed::Skip => Vec::from_iter(Some(last).filter(is_fresh)),
        Missed::RunOnce => vec![last],
        Missed::RunAll => {
            let first = latest(times, tick, now);
            let ticks = std::iter::successors(Some(first), |tick| times.next_after(*tick));
            let ticks = ticks.take_while(|tick| *tick <= now);
            ticks.take(FIRES_MAX).collect()
        }
    };
    let done_with = match missed {
        Missed::Skip | Missed::RunOnce => last,
        Missed::RunAll => fires.last().copied().unwrap_or(last),
    };
    let goes_on = times.next_after(done_with);
    Plan { fires, goes_on }
}

/// Where to begin making up: at a tick, or so many before now where there are more.
fn latest(times: &Times, tick: Timestamp, now: Timestamp) -> Timestamp {
    let before = |at: &Timestamp| {
        let earlier = Timestamp::from_micros(at.as_micros() - 1);
        times.last_until(earlier).filter(|found| *found >= tick)
    };
    let last = times.last_until(now).unwrap_or(tick).max(tick);
    let ticks = std::iter::successors(Some(last), before).take(MADE_UP_MAX);
    ticks.last().unwrap_or(tick)
}

/// What a run of a schedule is about.
fn payload(schedule: &ScheduleTrigger, tick: Timestamp) -> Json {
    match &schedule.payload {
        Some(payload) => Json::from(payload.clone()),
        None => Json::from(serde_json::json!({"scheduled_at": tick.to_string()})),
    }
}

/// That two runs for the same tick are one. It counts within the workflow, and is no key that a caller could send.
fn promise(schedule: &ScheduleTrigger, tick: Timestamp, now: Timestamp) -> Idempotency {
    let zone = schedule.timezone.as_deref().unwrap_or("UTC");
    let key = format!(
        "\u{1}schedule {} {zone} {}",
        schedule.cron,
        tick.as_micros()
    );
    Idempotency {
        fingerprint: Digest::from_bytes(Sha256::digest(&key).into()),
        key,
        expires_at: now.after(REMEMBERED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str) -> Times {
        Times::read(&ScheduleTrigger {
            cron: cron.to_owned(),
            timezone: None,
            missed: Missed::Skip,
            payload: None,
        })
        .expect("it holds")
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-05-04T{text}Z").parse().expect("it is a time")
    }

    fn planned(missed: Missed, tick: &str, now: &str) -> (Vec<Timestamp>, Option<Timestamp>) {
        let Plan { fires, goes_on } = plan(&times("0 * * * *"), missed, at(tick), at(now));
        (fires, goes_on)
    }

    #[test]
    fn a_tick_in_time_starts_one_run_whatever_is_done_about_missed_ones() {
        for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
            let expected = (vec![at("09:00:00")], Some(at("10:00:00")));
            assert_eq!(planned(missed, "09:00:00", "09:00:00"), expected);
            assert_eq!(planned(missed, "09:00:00", "09:00:59"), expected);
        }
    }

    #[test]
    fn missed_ticks_are_left_out_made_up_for_once_or_all() {
        let goes_on = Some(at("13:00:00"));
        let told = |missed| planned(missed, "09:00:00", "12:30:00");
        assert_eq!(told(Missed::Skip), (vec![], goes_on));
        assert_eq!(told(Missed::RunOnce), (vec![at("12:00:00")], goes_on));
        let all = ["09:00:00", "10:00:00", "11:00:00", "12:00:00"].map(at);
        assert_eq!(told(Missed::RunAll), (all.to_vec(), goes_on));
        // One that is in time after others that were missed.
        let told = planned(Missed::Skip, "09:00:00", "12:00:01");
        assert_eq!(told, (vec![at("12:00:00")], goes_on));
    }

    #[test]
    fn no_more_are_made_up_for_than_the_limit_and_a_few_at_a_time() {
        let every_minute = times("* * * * *");
        let now = at("12:00:30");
        let long_ago = Timestamp::from_micros(now.as_micros() - 30 * 86_400_000_000);
        let Plan { fires, goes_on } = plan(&every_minute, Missed::RunAll, long_ago, now);
        let first = Timestamp::from_micros(at("12:00:00").as_micros() - 999 * 60_000_000);
        assert_eq!((fires[0], fires.len()), (first, FIRES_MAX));
        assert_eq!(goes_on, every_minute.next_after(fires[FIRES_MAX - 1]));
    }
}
