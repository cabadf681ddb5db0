//! What the row of a run says about when it is due, so that somebody always sees to it, and not two at once.
//!
//! A process that has the store for itself leaves a run in hand due since it was taken up: nobody else looks, and after a
//! crash it is found at once. Where several share a store, a run in hand is due a while ahead: its **claim**. The others
//! find it when that time has passed, which is when its process has died or stopped. A claim is a courtesy that saves work;
//! what keeps two processes from both advancing a run is the journal's key.

use std::time::Duration;

use millwork_core::time::Timestamp;

/// How far ahead of its time another process may take a run on, as a part of the claim's length.
const AHEAD: u32 = 10;

/// How runs are claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims {
    /// How long a claim holds where the store is shared.
    timeout: Option<Duration>,
}

/// Where a run that waits is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// What its row says.
    pub(super) due_at: Timestamp,
    /// Until when this process sees to it, where it does.
    pub(super) until: Option<Timestamp>,
}

impl Claims {
    pub(super) const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout }
    }

    pub(super) const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How far ahead a process takes on what becomes due.
    pub(super) fn ahead(timeout: Duration) -> Duration {
        timeout / AHEAD
    }

    /// When a run is due that is in hand here, and has had something to do since a time.
    pub(super) fn in_hand(&self, since: Timestamp, now: Timestamp) -> Timestamp {
        self.timeout.map_or(since, |timeout| now.after(timeout))
    }

    /// When a run is due that has ended now: until the world has been told, where there is anybody to tell.
    pub(super) fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.timeout.map(|timeout| now.after(timeout))
    }

    /// How a run is kept that waits until a time. What is due soon is seen to by the process that has it, to the
    /// millisecond; the rest by whoever comes by when its time is near.
    pub(super) fn waiting(&self, at: Timestamp, now: Timestamp) -> Kept {
        match self.timeout {
            Some(timeout) if at <= now.after(timeout) => {
                let until = at.max(now).after(timeout);
                Kept {
                    due_at: until,
                    until: Some(until),
                }
            }
            Some(_) => Kept {
                due_at: at,
                until: None,
            },
            None => Kept {
                due_at: at,
                until: Some(Timestamp::MAX),
            },
        }
    }

    /// Whether a claim still holds, with room for clocks that differ: others may take the run on a little ahead of its time.
    pub(super) fn holds(&self, until: Timestamp, now: Timestamp) -> bool {
        self.timeout
            .is_none_or(|timeout| now.after(Self::ahead(timeout) * 2) < until)
    }

    /// Whether a claim is to be renewed now, by who looks every third of its length.
    pub(super) fn is_worn(timeout: Duration, until: Timestamp, now: Timestamp) -> bool {
        until < now.after(timeout * 2 / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn seconds(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn alone_a_run_is_due_since_it_had_something_to_do() {
        let alone = Claims::new(None);
        assert_eq!(alone.in_hand(NOW, seconds(60)), NOW);
        assert_eq!(alone.ended(NOW), None);
        assert_eq!(alone.waiting(seconds(99), NOW).due_at, seconds(99));
        assert!(alone.holds(NOW, seconds(1_000)));
    }

    #[test]
    fn shared_a_run_in_hand_is_due_when_its_claim_has_passed() {
        let shared = Claims::new(Some(TIMEOUT));
        assert_eq!(shared.in_hand(NOW, seconds(60)), seconds(75));
        assert_eq!(shared.ended(NOW), Some(seconds(15)));
    }

    #[test]
    fn what_is_due_soon_is_seen_to_by_who_has_it_and_the_rest_by_anybody() {
        let shared = Claims::new(Some(TIMEOUT));
        let soon = shared.waiting(seconds(3), NOW);
        assert_eq!((soon.due_at, soon.until), (seconds(18), Some(seconds(18))));
        let late = shared.waiting(seconds(16), NOW);
        assert_eq!((late.due_at, late.until), (seconds(16), None));
        // What should have happened long ago is claimed from now on.
        let overdue = shared.waiting(NOW, seconds(100));
        assert_eq!(overdue.due_at, seconds(115));
    }

    #[test]
    fn nobody_relies_on_a_claim_that_another_may_take() {
        let shared = Claims::new(Some(TIMEOUT));
        let until = seconds(15);
        for second in 0..=15 {
            let now = seconds(second);
            let others_may_take_it = until < now.after(Claims::ahead(TIMEOUT));
            assert!(
                !(others_may_take_it && shared.holds(until, now)),
                "{second}"
            );
        }
        assert!(shared.holds(until, seconds(11)) && !shared.holds(until, seconds(13)));
    }

    #[test]
    fn a_live_claim_is_renewed_before_anybody_may_take_it() {
        let mut until = seconds(15);
        // Looked at every third of its length, for a minute.
        for second in (0..60).step_by(5) {
            let now = seconds(second);
            if Claims::is_worn(TIMEOUT, until, now) {
                until = now.after(TIMEOUT);
            }
            let at_the_next_look = seconds(second + 5);
            assert!(
                Claims::new(Some(TIMEOUT)).holds(until, at_the_next_look),
                "{second}"
            );
        }
    }
}
