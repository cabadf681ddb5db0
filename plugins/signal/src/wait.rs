//! Waits for a signal, and results in what it carries.

use std::time::Duration;

use millwork_sdk::{
    Action, Context, Draft, Example, Failure, FieldError, Outcome, Span, Traits, Wake,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Waits for a named signal to the run. What the signal carries is the output of the step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the signal, as `POST /api/v1/runs/{run_id}/signals/{name}` has it. The name of the step where it is
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 128))]
    name: Option<String>,
    /// How long to wait; for ever where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    timeout: Option<Span>,
    /// The output where no signal comes in time. Without it the step fails then.
    #[serde(
        default,
        deserialize_with = "even_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Value")]
    default: Option<Value>,
}

/// Null is a value here, and not the absence of one.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Waits for a signal.
pub struct Wait;

impl Action for Wait {
    type Config = Config;
    type Output = Value;

    const NAME: &'static str = "wait";
    const TITLE: &'static str = "Wait for a signal";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "Wait until a payment is reported",
                json!({"name": "paid", "timeout": "72h"}),
            ),
            Example::new(
                "Go on with a default where nobody says anything within ten minutes",
                json!({"name": "colour", "timeout": "10m", "default": {"colour": "grey"}}),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let mut problems: Vec<_> = crate::check_name(draft).into_iter().collect();
        let is_known = |pointer: &str| draft.value().pointer(pointer).is_some();
        if draft.is_whole() && is_known("/default") && !draft.has("/timeout") {
            let message =
                "is never used without a `timeout`, since the wait goes on until a signal comes";
            problems.push(FieldError::new("/default", message));
        }
        problems
    }

    fn invoke(cx: &Context, config: Config) -> Result<Outcome<Value>, Failure> {
        let Config {
            name,
            timeout,
            default,
        } = config;
        let name = crate::name_of(cx, name)?;
        match cx.resumed().map(|resume| resume.cause()) {
            Some(Wake::Signal(signal)) => Ok(Outcome::completed(signal.payload.clone())),
            Some(Wake::SignalTimeout) => default.map(Outcome::completed).ok_or_else(|| {
                let waited = timeout.map_or_else(String::new, |span| format!(" within {span}"));
                Failure::permanent("signal-timeout", format!("no signal {name:?} came{waited}"))
            }),
            // It suspends for nothing but its signal.
            Some(Wake::Timer) | None => {
                Ok(Outcome::wait_for_signal(name, timeout.map(Duration::from)).into())
            }
        }
    }
}
