//! How often a step is tried, and how long it waits in between.

use std::time::Duration;

use crate::outcome::FailureKind;

/// Attempts in all where neither the step nor its connector says.
pub const ATTEMPTS_DEFAULT: u32 = 3;

/// How a step is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; the connector's number where absent, or [`ATTEMPTS_DEFAULT`].
    pub attempts_max: Option<u32>,
    /// The wait after the first failure.
    pub initial: Duration,
    /// What each wait is multiplied with to give the next.
    pub factor: f64,
    /// The longest wait.
    pub longest: Duration,
    /// How chance shortens a wait.
    pub jitter: Jitter,
}

/// How chance shortens a wait, so that a thousand runs that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Anything between nothing and the whole wait.
    Full,
    /// Exactly the wait.
    None,
}

/// A number that the host drew, from 0 (inclusive) to 1 (exclusive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance(f64);

impl Chance {
    /// Makes a chance of four random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 4]) -> Self {
        Self(f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0))
    }

    /// The chance as a share: from zero up to one, which it never is.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

impl Default for RetryPolicy {
    /// Three attempts where the connector says nothing else, a second and two seconds apart at most.
    fn default() -> Self {
        Self {
            attempts_max: None,
            initial: Duration::from_secs(1),
            factor: 2.0,
            longest: Duration::from_secs(60),
            jitter: Jitter::Full,
        }
    }
}

impl RetryPolicy {
    /// How long to wait after `attempt` (from one) failed; nothing where it was the last, or another would fail too.
    #[must_use]
    pub fn wait_after(&self, attempt: u32, kind: FailureKind, chance: Chance) -> Option<Duration> {
        if !kind.is_retryable() || attempt >= self.attempts_max.unwrap_or(ATTEMPTS_DEFAULT) {
            return None;
        }
        // The other side knows best how long it is busy.
        if let FailureKind::RateLimited {
            after_ms: Some(after_ms),
        } = kind
        {
            return Some(Duration::from_millis(after_ms));
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // A power may be infinite, and a duration may not. Nothing times infinity is not a number: it stays nothing.
        let wait = if self.initial.is_zero() {
            0.0
        } else {
            grown.min(self.longest.as_secs_f64())
        };
        let share = match self.jitter {
            Jitter::Full => chance.0,
            Jitter::None => 1.0,
        };
        Some(Duration::from_secs_f64(wait * share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: RetryPolicy = RetryPolicy {
        attempts_max: Some(6),
        initial: Duration::from_secs(1),
        factor: 2.0,
        longest: Duration::from_secs(5),
        jitter: Jitter::None,
    };
    const HALF: Chance = Chance(0.5);

    #[test]
    fn waits_grow_up_to_the_longest_and_end_with_the_attempts() {
        let waits: Vec<_> = (1..=6)
            .map(|attempt| EVEN.wait_after(attempt, FailureKind::Retryable, HALF))
            .collect();
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(
            waits,
            [
                seconds(1),
                seconds(2),
                seconds(4),
                seconds(5),
                seconds(5),
                None
            ]
        );
    }

    #[test]
    fn full_jitter_takes_a_share() {
        let policy = RetryPolicy {
            jitter: Jitter::Full,
            ..EVEN
        };
        assert_eq!(
            policy.wait_after(2, FailureKind::Timeout, HALF),
            Some(Duration::from_secs(1))
        );
        assert!(Chance::from_random([255; 4]).0 < 1.0);
    }

    #[test]
    fn the_other_sides_wait_is_honoured_and_a_permanent_failure_is_final() {
        let limited = FailureKind::RateLimited {
            after_ms: Some(90_000),
        };
        assert_eq!(
            EVEN.wait_after(1, limited, HALF),
            Some(Duration::from_secs(90))
        );
        assert_eq!(EVEN.wait_after(1, FailureKind::Permanent, HALF), None);
        assert_eq!(EVEN.wait_after(1, FailureKind::OutcomeUnknown, HALF), None);
    }

    #[test]
    fn a_thousandth_attempt_does_not_overflow() {
        let policy = RetryPolicy {
            attempts_max: Some(u32::MAX),
            factor: 1e9,
            ..EVEN
        };
        assert_eq!(
            policy.wait_after(u32::MAX - 1, FailureKind::Retryable, HALF),
            Some(Duration::from_secs(5))
        );
        let at_once = RetryPolicy {
            initial: Duration::ZERO,
            ..policy
        };
        assert_eq!(
            at_once.wait_after(u32::MAX - 1, FailureKind::Retryable, HALF),
            Some(Duration::ZERO)
        );
    }
}
