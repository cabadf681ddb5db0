//! The times of a schedule, as cron writes them, in a time zone.
//!
//! What happens where the clocks are changed is cron's own custom. Where they are put forward, a fixed time that does not exist
//! that day comes as soon as the gap is over, and times that repeat (`*`, `*/15`) leave the gap out. Where they are put
//! back, a fixed time comes once, the first time, and times that repeat come in both of the hours.

use croner::Cron;
use croner::errors::CronError;
use jiff::Zoned;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use millwork_core::definition::{Problem, ScheduleTrigger};
use millwork_core::time::Timestamp;

use crate::nearest::unknown;

/// Characters that the times may have.
const CRON_MAX: usize = 200;

/// The times of a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// Reads the times of a schedule.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place in it (`/cron`, `/timezone`).
    pub(crate) fn read(schedule: &ScheduleTrigger) -> Result<Self, Vec<Problem>> {
        let cron = read_cron(&schedule.cron);
        let zone = read_zone(schedule.timezone.as_deref());
        match (cron, zone) {
            (Ok(cron), Ok(zone)) => Ok(Self { cron, zone }),
            (cron, zone) => Err(cron.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The first time after another.
    #[must_use]
    pub(crate) fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.zoned(at)?, false);
        Some(stamp(&found.ok()?)).filter(|found| *found > at)
    }

    /// The last time that is not after another.
    #[must_use]
    pub(crate) fn last_until(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&self.zoned(at)?, true);
        Some(stamp(&found.ok()?)).filter(|found| *found <= at)
    }

    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let instant = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        Some(instant.to_zoned(self.zone.clone()))
    }
}

fn stamp(zoned: &Zoned) -> Timestamp {
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

fn read_cron(text: &str) -> Result<Cron, Problem> {
    let refuse = |message: String| Problem::new("/cron", message);
    if text.chars().count() > CRON_MAX {
        return Err(refuse(format!(
            "is longer than {CRON_MAX} characters, the limit"
        )));
    }
    text.parse().map_err(|error: CronError| {
        refuse(format!(
            "is no time as cron writes it: {error}; write minute, hour, day, month and day of the week, such as \"0 9 * * 1-5\""
        ))
    })
}

fn read_zone(name: Option<&str>) -> Result<TimeZone, Problem> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map_err(|_| {
        let known: Vec<String> = zones.available().map(|zone| zone.to_string()).collect();
        let known = known.iter().map(String::as_str);
        Problem::new("/timezone", unknown("time zone", name, known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millwork_core::definition::Missed;

    fn schedule(cron: &str, timezone: Option<&str>) -> ScheduleTrigger {
        ScheduleTrigger {
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
            missed: Missed::RunOnce,
            payload: None,
        }
    }

    fn next(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let times = Times::read(&schedule(cron, Some(zone))).expect("it holds");
        let mut at: Timestamp = after.parse().expect("it is a time");
        let mut found = Vec::new();
        for _ in 0..count {
            at = times.next_after(at).expect("there is another");
            let zoned = times.zoned(at).expect("it can be shown");
            found.push(zoned.strftime("%m-%d %H:%M %Z").to_string());
            assert_eq!(times.last_until(at), Some(at));
        }
        found
    }

    #[test]
    fn times_are_meant_in_their_zone() {
        assert_eq!(
            next("0 9 * * 1-5", "Europe/Berlin", "2026-07-17T06:59:59Z", 3),
            ["07-17 09:00 CEST", "07-20 09:00 CEST", "07-21 09:00 CEST"]
        );
        assert_eq!(
            next("30 8 1 * *", "Asia/Kolkata", "2026-07-17T00:00:00Z", 2),
            ["08-01 08:30 IST", "09-01 08:30 IST"]
        );
    }

    #[test]
    fn a_fixed_time_in_the_gap_comes_when_the_gap_is_over() {
        // In Berlin 02:00 becomes 03:00 on the 29th of March.
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            ["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"]
        );
    }

    #[test]
    fn times_that_repeat_leave_the_gap_out() {
        assert_eq!(
            next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            ["03-29 01:30 CET", "03-29 03:00 CEST", "03-29 03:30 CEST"]
        );
    }

    #[test]
    fn a_fixed_time_that_comes_twice_is_meant_once() {
        // In Berlin 03:00 becomes 02:00 on the 25th of October.
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["10-25 02:30 CEST", "10-26 02:30 CET"]
        );
    }

    #[test]
    fn times_that_repeat_come_in_both_hours() {
        assert_eq!(
            next("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", 5),
            [
                "10-25 02:30 CEST",
                "10-25 02:00 CET",
                "10-25 02:30 CET",
                "10-25 03:00 CET",
                "10-25 03:30 CET"
            ]
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_place() {
        let refused = |cron: &str, zone| {
            let problems = Times::read(&schedule(cron, zone)).expect_err("it does not hold");
            let places: Vec<String> = problems.into_iter().map(|problem| problem.path).collect();
            places.join(" ")
        };
        assert_eq!(refused("every day", None), "/cron");
        assert_eq!(refused("61 * * * *", None), "/cron");
        assert_eq!(refused(&"*".repeat(300), None), "/cron");
        assert_eq!(refused("0 9 * * *", Some("Europe/Berlim")), "/timezone");
        assert_eq!(refused("", Some("Mars")), "/cron /timezone");
        let problems = Times::read(&schedule("0 9 * * *", Some("Europe/Berlim")));
        let message = problems.expect_err("it does not hold")[0].message.clone();
        assert!(message.contains("Europe/Berlin"), "{message}");
    }

    #[test]
    fn times_that_never_come_are_no_times() {
        let times = Times::read(&schedule("0 0 30 2 *", None)).expect("it can be read");
        assert_eq!(
            times.next_after(Timestamp::from_micros(1_800_000_000_000_000)),
            None
        );
    }
}
