//! A span of time in a configuration.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// A span of time in a configuration: a number of seconds, or text such as `500ms`, `90s` or `1h30m`. Ten years at most.
///
/// It is the grammar that the platform uses wherever a workflow gives a duration.
///
/// ```
/// # use std::time::Duration;
/// # use millwork_sdk::Span;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Config {
///     every: Span,
/// }
/// let config: Config = serde_json::from_str(r#"{"every": "1.5h"}"#)?;
/// assert_eq!(Duration::from(config.every), Duration::from_secs(5400));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    length: Duration,
    seconds: Number,
}

impl Span {
    /// The longest there is: ten years of 366 days.
    pub const MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

    /// In seconds: the number that the configuration gives, where it gives one, as it is written there.
    pub fn seconds(&self) -> &Number {
        &self.seconds
    }

    fn read(value: Value) -> Result<Span, String> {
        let length = match &value {
            Value::Number(seconds) => from_seconds(seconds)?,
            Value::String(text) => from_text(text)?,
            _ => return Err(unreadable()),
        };
        if length > Span::MAX {
            return Err(format!(
                "must not be longer than ten years ({} seconds)",
                Span::MAX.as_secs()
            ));
        }
        Ok(match value {
            Value::Number(seconds) => Span { length, seconds },
            _ => Span::from(length),
        })
    }
}

fn from_seconds(seconds: &Number) -> Result<Duration, String> {
    if let Some(whole) = seconds.as_u64() {
        return Ok(Duration::from_secs(whole));
    }
    match seconds.as_f64() {
        Some(seconds) if seconds < 0.0 => Err("must not be negative".to_owned()),
        // Past what a duration can hold it is past ten years, too.
        Some(seconds) => Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        None => Err(unreadable()),
    }
}

fn from_text(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| unreadable())?;
    Duration::try_from(span).map_err(|_| "must not be negative".to_owned())
}

fn unreadable() -> String {
    "must be seconds as a number, or text such as \"500ms\", \"20s\" or \"1h30m\"".to_owned()
}

impl From<Duration> for Span {
    fn from(length: Duration) -> Span {
        let seconds = if length.subsec_nanos() == 0 {
            Number::from(length.as_secs())
        } else {
            Number::from_f64(length.as_secs_f64()).expect("a duration is finite")
        };
        Span { length, seconds }
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        span.length
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seconds", self.seconds)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        Span::read(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.seconds.serialize(serializer)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The bounds of a number say nothing about text, and the other way round.
        json_schema!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": Span::MAX.as_secs(),
            "minLength": 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<(Duration, String), String> {
        Span::read(value).map(|span| (span.length, span.seconds.to_string()))
    }

    #[test]
    fn a_number_is_seconds_and_stays_as_it_is_written() {
        assert_eq!(read(json!(1)), Ok((Duration::from_secs(1), "1".to_owned())));
        assert_eq!(
            read(json!(1.5)),
            Ok((Duration::from_millis(1500), "1.5".to_owned()))
        );
        assert_eq!(read(json!(0)), Ok((Duration::ZERO, "0".to_owned())));
        assert_eq!(
            read(json!(2.0)),
            Ok((Duration::from_secs(2), "2.0".to_owned()))
        );
    }

    #[test]
    fn text_is_read_with_its_units_and_shown_in_seconds() {
        for (text, millis, seconds) in [
            ("90s", 90_000, "90"),
            ("1h30m", 5_400_000, "5400"),
            ("1.5h", 5_400_000, "5400"),
            ("1h 500ms", 3_600_500, "3600.5"),
        ] {
            assert_eq!(
                read(json!(text)),
                Ok((Duration::from_millis(millis), seconds.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_rule() {
        for value in [
            json!("soon"),
            json!("10"),
            json!(""),
            json!(true),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(read(value), Err(unreadable()));
        }
        for value in [json!(-1), json!(-0.5), json!("-1s")] {
            assert_eq!(read(value), Err("must not be negative".to_owned()));
        }
        for value in [
            json!(316_224_001),
            json!(1e300),
            json!(u64::MAX),
            json!("100000h"),
        ] {
            assert_eq!(
                read(value),
                Err("must not be longer than ten years (316224000 seconds)".to_owned())
            );
        }
        assert!(read(json!(316_224_000)).is_ok());
    }
}
