#![doc = include_str!("../README.md")]

use std::time::Duration;

use millwork_sdk::clock::{self, Timestamp};
use millwork_sdk::{Action, Context, Draft, Example, Failure, FieldError, Outcome, Span, Traits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, json};

/// Waits for a span of time, or until a point in time; for one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["duration"]}, {"required": ["until"]}]))]
pub struct Config {
    /// How long: a number of seconds, or text such as `500ms`, `90s` or `1h30m`. Ten years at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    duration: Option<Span>,
    /// Until when: RFC 3339 with any offset, such as `2030-01-31T09:00:00+01:00`. In the past, it is over at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Timestamp")]
    until: Option<Timestamp>,
}

/// What the step results in when the wait is over.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Always `delay`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// How long the wait was meant to be, in seconds: the number of the configuration, where it gives one.
    duration: Number,
    /// The same as a sentence.
    message: String,
}

/// The one action of this connector.
pub struct Wait;

impl Action for Wait {
    type Config = Config;
    type Output = Output;

    const NAME: &'static str = "wait";
    const TITLE: &'static str = "Delay";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

    fn examples() -> Vec<Example> {
        vec![
            Example::new("Wait for a minute and a half", json!({"duration": 90})),
            Example::new("Wait for two hours", json!({"duration": "2h"})),
            Example::new(
                "Wait until a morning in Berlin",
                json!({"until": "2030-01-31T09:00:00+01:00"}),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        match (draft.has("/duration"), draft.has("/until")) {
            (true, true) => vec![one_of_two("and not both")],
            // In a draft, an expression may still bring one of them.
            (false, false) if draft.is_whole() => vec![one_of_two("and there is neither")],
            _ => Vec::new(),
        }
    }

    fn invoke(_: &Context, config: Config) -> Result<Outcome<Output>, Failure> {
        // The host waits and completes the step by itself: there is no second call.
        let suspension = match config {
            Config {
                duration: Some(span),
                until: None,
            } => {
                let output = Output::of(&span);
                Outcome::suspend_for(span.into()).then_complete(output)
            }
            Config {
                duration: None,
                until: Some(time),
            } => {
                let wait = time.saturating_since(clock::now());
                if wait > Span::MAX {
                    return Err(too_long(time));
                }
                Outcome::suspend_until(time).then_complete(Output::of(&wait.into()))
            }
            Config {
                duration: Some(_),
                until: Some(_),
            }
            | Config {
                duration: None,
                until: None,
            } => {
                return Err(Failure::permanent(
                    "invalid-config",
                    one_of_two("and no more").message,
                ));
            }
        };
        Ok(suspension.into())
    }
}

impl Output {
    fn of(span: &Span) -> Output {
        Output {
            kind: "delay",
            duration: span.seconds().clone(),
            message: format!("Delayed for {span}"),
        }
    }
}

/// `until` is bounded like `duration`; only a call knows the time that tells.
fn too_long(time: Timestamp) -> Failure {
    let max = Span::MAX.as_secs();
    Failure::permanent(
        "too-long",
        format!("the wait until {time} is longer than ten years ({max} seconds)"),
    )
}

fn one_of_two(found: &str) -> FieldError {
    FieldError::new(
        "",
        format!("give `duration` or `until`, one of the two {found}"),
    )
}

millwork_sdk::export!(connector {
    name: "delay",
    actions: [Wait],
});
