//! What starts a run, besides who asks for one: the clock, an inbound webhook, a message on a topic.

use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::{Problem, Problems};

/// Triggers of a workflow.
pub const TRIGGERS_MAX: usize = 32;

/// Headers of an inbound webhook that a payload may keep.
const HEADERS_MAX: usize = 32;

/// What starts a run. A condition is a text in a definition, and compiled in a graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger<Condition> {
    /// The clock.
    Schedule(ScheduleTrigger),
    /// A request to a path of its own.
    Webhook(WebhookTrigger),
    /// A message on a Kafka topic.
    Kafka(KafkaTrigger<Condition>),
}

/// Times at which a run starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleTrigger {
    /// The times, as cron writes them. Whether they hold is for the catalogue to say.
    pub cron: String,
    /// The time zone in which they are meant, by its IANA name; UTC where absent.
    pub timezone: Option<String>,
    /// What becomes of times that pass while nothing runs.
    pub missed: Missed,
    /// The payload of the runs.
    pub payload: Option<Value>,
}

/// What becomes of times that pass while nothing runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One run for all of them.
    #[default]
    RunOnce,
    /// One run for each.
    RunAll,
}

/// Requests that start a run.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookTrigger {
    /// Where they go: the end of the address.
    pub path: String,
    /// How it is known who sent one; nothing where anybody may, which has to be said.
    pub verify: Option<Verify>,
    /// Headers that become part of the payload, in lower case.
    pub headers: Vec<String>,
    /// A header that is the same in every delivery of one event; the provider's own where the scheme has one.
    pub dedupe: Option<String>,
}

/// How it is known who sent a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Verify {
    /// Whose way of signing.
    pub scheme: Scheme,
    /// The header with the signature, in lower case; the scheme's own where absent.
    pub header: Option<String>,
    /// The name of the secret.
    pub secret: String,
    /// How old a signature may be, where it says when it was made.
    pub tolerance: Option<Duration>,
}

/// A way to sign a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The HMAC-SHA256 of the body, in hexadecimal or Base64.
    HmacSha256,
    /// As GitHub signs.
    Github,
    /// As Stripe signs.
    Stripe,
}

/// Messages that start a run.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaTrigger<Condition> {
    /// The topic.
    pub topic: String,
    /// What has to hold of the `message`; every message starts a run where absent.
    pub filter: Option<Condition>,
}

/// The kinds, in the order in which they are told.
#[derive(Clone, Copy)]
enum Kind {
    Schedule,
    Webhook,
    Kafka,
}

const KINDS: [(&str, Kind); 3] = [
    ("schedule", Kind::Schedule),
    ("webhook", Kind::Webhook),
    ("kafka", Kind::Kafka),
];

pub(super) fn read_all(
    documents: &[Value],
    problems: &mut Problems,
) -> Vec<Option<Trigger<String>>> {
    let mut triggers = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let path = format!("/triggers/{index}");
        let trigger = read(document, &path, problems);
        let same_path = |other: &Option<Trigger<String>>| match (other, &trigger) {
            (Some(Trigger::Webhook(other)), Some(Trigger::Webhook(trigger))) => {
                other.path == trigger.path
            }
            _ => false,
        };
        if triggers.iter().any(same_path) {
            let message = "is the path of another trigger already; each needs its own";
            problems.add(|| Problem::new(format!("{path}/path"), message));
        }
        triggers.push(trigger);
    }
    triggers
}

fn read(document: &Value, path: &str, problems: &mut Problems) -> Option<Trigger<String>> {
    let mut fields = Fields::of(document, path, "a trigger", problems);
    let kind = fields.required_choice("type", &KINDS)?;
    let trigger = match kind {
        Kind::Schedule => Trigger::Schedule(ScheduleTrigger {
            cron: fields.required_text("cron"),
            timezone: fields.text("timezone"),
            missed: fields
                .choice(
                    "missed",
                    &[
                        ("skip", Missed::Skip),
                        ("run-once", Missed::RunOnce),
                        ("run-all", Missed::RunAll),
                    ],
                )
                .unwrap_or_default(),
            payload: fields.any("payload"),
        }),
        Kind::Webhook => {
            let trigger = WebhookTrigger {
                path: fields.required_text("path"),
                verify: None,
                headers: fields.headers("headers", HEADERS_MAX),
                dedupe: fields.header("dedupe"),
            };
            let verify = fields.child("verify");
            fields.finish();
            let verify = read_verify(verify, path, problems);
            if !trigger.path.is_empty() && !is_path(&trigger.path) {
                let message = "must be letters, digits, dashes, dots and underscores, in parts with one slash between them, such as \"shop/orders\"";
                problems.add(|| Problem::new(format!("{path}/path"), message));
            }
            return Some(Trigger::Webhook(WebhookTrigger { verify, ..trigger }));
        }
        Kind::Kafka => {
            let topic = fields.required_text("topic");
            let filter = fields.condition("filter");
            fields.finish();
            if !topic.is_empty() && !is_topic(&topic) {
                let message = "is no name of a Kafka topic: it is at most 249 letters, digits, dots, dashes and underscores";
                problems.add(|| Problem::new(format!("{path}/topic"), message));
            }
            return Some(Trigger::Kafka(KafkaTrigger { topic, filter }));
        }
    };
    fields.finish();
    Some(trigger)
}

/// Nothing where the definition says that anybody may send requests, or something is wrong.
fn read_verify(
    found: Option<(&Value, String)>,
    trigger: &str,
    problems: &mut Problems,
) -> Option<Verify> {
    let Some((document, path)) = found else {
        problems.add(|| {
            let message = "is missing: say how it is known who sends requests, such as {\"scheme\": \"hmac-sha256\", \"header\": \"X-Signature\", \"secret\": \"shop\"}, or {\"scheme\": \"none\"} where anybody may start runs";
            Problem::new(format!("{trigger}/verify"), message)
        });
        return None;
    };
    let schemes = [
        ("hmac-sha256", Some(Scheme::HmacSha256)),
        ("github", Some(Scheme::Github)),
        ("stripe", Some(Scheme::Stripe)),
        ("none", None),
    ];
    let mut fields = Fields::of(document, &path, "a way to verify requests", problems);
    let scheme = fields.required_choice("scheme", &schemes).flatten();
    let Some(scheme) = scheme else {
        // Without a scheme nobody knows which other fields there are.
        if document.get("scheme").and_then(Value::as_str) == Some("none") {
            fields.finish();
        }
        return None;
    };
    let header = match scheme {
        Scheme::HmacSha256 => fields.required_header("header"),
        Scheme::Github | Scheme::Stripe => fields.header("header"),
    };
    let secret = fields.required_text("secret");
    let tolerance = match scheme {
        Scheme::Stripe => fields.time_limit("tolerance"),
        Scheme::HmacSha256 | Scheme::Github => None,
    };
    fields.finish();
    Some(Verify {
        scheme,
        header,
        secret,
        tolerance,
    })
}

/// Whether a text may end the address of an inbound webhook.
fn is_path(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(is_letter) && !part.chars().all(|c| c == '.')
    };
    text.len() <= 200 && text.split('/').all(is_part)
}

/// Whether a text may name a topic, by Kafka's own rule.
fn is_topic(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 249 && text.chars().all(is_letter) && text != "." && text != ".."
}
