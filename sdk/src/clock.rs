//! The time, as the host tells it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time now.
pub fn now() -> Timestamp {
    Timestamp(crate::host::now())
}

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// In a configuration and in an output it is RFC 3339, read with any offset and written in UTC.
///
/// ```
/// # use millwork_sdk::clock::Timestamp;
/// let time: Timestamp = "2030-01-01T02:00:00+02:00".parse()?;
/// assert_eq!(time.to_string(), "2030-01-01T00:00:00Z");
/// # Ok::<(), millwork_sdk::clock::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// From seconds since 1970-01-01T00:00:00Z.
    pub const fn from_secs(secs: u64) -> Timestamp {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// In microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This much later; the last point in time there is where that would be past it.
    pub fn saturating_add(self, span: Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub const fn saturating_since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000);
        match time.ok().and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            // Past the year 9999 there is no RFC 3339.
            None => write!(f, "{} µs after 1970", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    /// A time before 1970 becomes the first moment of 1970: in the past it is either way.
    fn from_str(text: &str) -> Result<Timestamp, ParseError> {
        let time =
            OffsetDateTime::parse(text, &Rfc3339).map_err(|_| ParseError(text.to_owned()))?;
        Ok(Timestamp(
            u64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(0),
        ))
    }
}

/// The text is no point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an RFC 3339 time with an offset, such as \"2030-01-31T09:00:00Z\"",
            self.0
        )
    }
}

impl std::error::Error for ParseError {}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(time.0)
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 becomes the first moment of 1970.
    fn from(time: SystemTime) -> Timestamp {
        Timestamp(0).saturating_add(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}
