//! What the world is told in the form of CloudEvents 1.0: one form for topics and for webhooks.

use millwork_core::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// An event, as CloudEvents 1.0 has it.
#[derive(Clone, Debug)]
pub struct CloudEvent {
    /// Tells this event from all others of its source. A repeated one has it again.
    pub id: String,
    /// Where it happened: a URI reference.
    pub source: String,
    /// What happened, as in `millwork.run.failed`.
    pub kind: &'static str,
    /// To what.
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// The trace that it belongs to, as W3C Trace Context writes it: the extension "distributed tracing".
    pub traceparent: Option<String>,
    /// What is told of it: JSON.
    pub data: Box<RawValue>,
}

/// The version of the specification that is spoken.
pub const SPEC_VERSION: &str = "1.0";

/// What the data is.
pub const DATA_CONTENT_TYPE: &str = "application/json";

/// What a whole event in one piece is.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

#[derive(Serialize)]
struct Structured<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    datacontenttype: &'a str,
    data: &'a RawValue,
}

impl CloudEvent {
    /// The event in one piece: structured mode, in the JSON format.
    #[must_use]
    pub fn structured(&self) -> String {
        let whole = Structured {
            specversion: SPEC_VERSION,
            id: &self.id,
            source: &self.source,
            kind: self.kind,
            subject: &self.subject,
            time: self.time.to_string(),
            traceparent: self.traceparent.as_deref(),
            datacontenttype: DATA_CONTENT_TYPE,
            data: &self.data,
        };
        serde_json::to_string(&whole).expect("an event is made of texts and of JSON")
    }

    /// The attributes, by the names that they have in the headers of a Kafka message: binary mode, where the data is the value.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("ce_specversion", SPEC_VERSION.to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.kind.to_owned()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.to_string()),
            ("content-type", DATA_CONTENT_TYPE.to_owned()),
        ];
        if let Some(traceparent) = &self.traceparent {
            headers.push(("ce_traceparent", traceparent.clone()));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(traceparent: Option<&str>) -> CloudEvent {
        CloudEvent {
            id: "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11-0".to_owned(),
            source: "/millwork".to_owned(),
            kind: "millwork.run.failed",
            subject: "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11".to_owned(),
            time: Timestamp::from_micros(1_800_000_000_123_456),
            traceparent: traceparent.map(str::to_owned),
            data: RawValue::from_string(r#"{"error":"no"}"#.to_owned()).expect("it is JSON"),
        }
    }

    #[test]
    fn an_event_in_one_piece_has_every_attribute_that_the_specification_requires() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read: Value =
            serde_json::from_str(&event(Some(trace)).structured()).expect("it is JSON");
        let expected = json!({
            "specversion": "1.0",
            "id": "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11-0",
            "source": "/millwork",
            "type": "millwork.run.failed",
            "subject": "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11",
            "time": "2027-01-15T08:00:00.123456Z",
            "traceparent": trace,
            "datacontenttype": "application/json",
            "data": {"error": "no"},
        });
        assert_eq!(read, expected);
        assert!(!event(None).structured().contains("traceparent"));
    }

    #[test]
    fn in_headers_every_attribute_has_its_prefix_and_the_content_type_has_none() {
        let headers = event(None).headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "ce_specversion",
                "ce_id",
                "ce_source",
                "ce_type",
                "ce_subject",
                "ce_time",
                "content-type"
            ]
        );
        let data = event(None).data;
        assert_eq!(data.get(), r#"{"error":"no"}"#);
    }
}
