//! Spans of time in the configuration: text such as `500ms`, `20s`, `1h30m` or `30d`.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer, de};

/// What the schema says of a span.
pub(super) struct Text;

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Reads a span; days count 24 hours.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()?
        .try_into()
        .ok()
}

fn show(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| "forever".to_owned(), |span| format!("{span:#}"))
}

pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*span))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        de::Error::custom(format_args!(
            "{text:?} is not a span of time such as \"500ms\", \"20s\" or \"1h30m\""
        ))
    })
}

/// A span, or for ever.
pub(super) mod or_forever {
    use super::*;

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(in super::super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, serializer),
            None => serializer.serialize_str("forever"),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text == "forever" {
            return Ok(None);
        }
        parse(&text).map(Some).ok_or_else(|| {
            de::Error::custom(format_args!(
                "{text:?} is neither \"forever\" nor a span of time such as \"30d\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_in_the_units_that_people_write() {
        let seconds = |text| parse(text).map(|span| span.as_secs_f64());
        assert_eq!(seconds("500ms"), Some(0.5));
        assert_eq!(seconds("20s"), Some(20.0));
        assert_eq!(seconds("1h30m"), Some(5_400.0));
        assert_eq!(seconds(" 30d "), Some(2_592_000.0));
        for text in ["", "20", "-1s", "soon", "1 parsec"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_span_is_shown_as_it_can_be_read() {
        for span in [
            Duration::from_millis(200),
            Duration::from_secs(20),
            Duration::from_secs(86_400),
        ] {
            assert_eq!(parse(&show(span)), Some(span), "{}", show(span));
        }
    }
}
