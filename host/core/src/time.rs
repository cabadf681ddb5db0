//! Points in time as values. Nothing here asks what time it is: the host does, and passes the answer in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// Stored as a number, shown as RFC 3339 in UTC with six decimals.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// The last microsecond that can be written as RFC 3339 with any offset: 9999-12-30T21:59:59.999999Z.
const LAST_US: i64 = 253_402_207_199_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The latest point in time that can be shown; sums stop here instead of overflowing.
    pub const MAX: Self = Self(LAST_US);

    /// Makes a timestamp from microseconds since the epoch, held within what can be shown.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros > LAST_US {
            Self(LAST_US)
        } else if micros < 0 {
            Self(0)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down: what the first 48 bits of a UUIDv7 hold.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000
    }

    /// This much later; never past [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let micros = i64::try_from(wait.as_micros()).unwrap_or(LAST_US);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// How long from `earlier` to this; nothing where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant: jiff::Timestamp = text
            .parse()
            .map_err(|_| ParseTimestampError(text.to_owned()))?;
        Ok(Self::from_micros(instant.as_microsecond()))
    }
}

/// The text is no RFC 3339 timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 timestamp such as 2026-01-31T09:00:00Z")]
pub struct ParseTimestampError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_with_six_decimals_and_read_back() {
        let at = Timestamp::from_micros(1_795_384_000_000_001);
        assert_eq!(at.to_string(), "2026-11-22T21:46:40.000001Z");
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!("2026-11-22T22:46:40.000001+01:00".parse(), Ok(at));
    }

    #[test]
    fn sums_stop_at_the_last_timestamp_that_can_be_shown() {
        assert_eq!(
            Timestamp::from_micros(5).after(Duration::MAX),
            Timestamp::MAX
        );
        assert!(Timestamp::MAX.to_string().starts_with("9999-"));
    }
}
