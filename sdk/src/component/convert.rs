//! Between the crate's types and those of the contract, in one place.

use std::time::Duration;

use serde_json::Value;

use super::bindings::millwork::connector::types as wit;
use crate::clock::Timestamp;
use crate::{
    ActionManifest, Ask, Context, Example, Failure, FailureKind, FieldError, Manifest, Outcome,
    Resume, Signal, Then, Traits, Until, Wake,
};

/// Milliseconds, rounded up: a wait may end late, never early.
pub(super) fn millis_ceil(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A value as JSON. `Value::to_string` would bring a second writer of JSON into every component.
fn text(value: &Value) -> String {
    serde_json::to_string(value).expect("a value is JSON already")
}

impl From<Manifest> for wit::Manifest {
    fn from(manifest: Manifest) -> wit::Manifest {
        let mut asks = Vec::new();
        // What came after the variant of asks was frozen is asked for by annotations.
        let (mut directories, mut variables) = (Vec::new(), Vec::new());
        for ask in manifest.asks {
            match ask {
                Ask::Http(pattern) => asks.push(wit::Ask::Http(pattern)),
                Ask::Secret(name) => asks.push(wit::Ask::Secret(name)),
                Ask::Kv => asks.push(wit::Ask::Kv),
                Ask::Directory(name) => directories.push(Value::from(name)),
                Ask::Variable(name) => variables.push(Value::from(name)),
            }
        }
        let annotations = [("directories", directories), ("variables", variables)];
        let annotations = annotations
            .into_iter()
            .filter(|(_, names)| !names.is_empty());
        let annotations =
            annotations.map(|(name, names)| (name.to_owned(), text(&Value::Array(names))));
        wit::Manifest {
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            actions: manifest.actions.into_iter().map(Into::into).collect(),
            asks,
            annotations: annotations.collect(),
        }
    }
}

impl From<ActionManifest> for wit::Action {
    fn from(action: ActionManifest) -> wit::Action {
        wit::Action {
            name: action.name,
            title: action.title,
            description: action.description,
            config_schema: text(&action.config_schema),
            output_schema: text(&action.output_schema),
            examples: action.examples.into_iter().map(Into::into).collect(),
            traits: action.traits.into(),
            timeout: action.timeout.map(millis_ceil),
            max_attempts: action.attempts_max,
            annotations: Vec::new(),
        }
    }
}

impl From<Traits> for wit::ActionTraits {
    fn from(traits: Traits) -> wit::ActionTraits {
        let mut flags = wit::ActionTraits::empty();
        flags.set(wit::ActionTraits::READ_ONLY, traits.is_read_only());
        flags.set(wit::ActionTraits::IDEMPOTENT, traits.is_idempotent());
        flags.set(wit::ActionTraits::DESTRUCTIVE, traits.is_destructive());
        flags
    }
}

impl From<Example> for wit::Example {
    fn from(example: Example) -> wit::Example {
        wit::Example {
            title: example.title,
            config: text(&example.config),
        }
    }
}

impl From<FieldError> for wit::FieldError {
    fn from(error: FieldError) -> wit::FieldError {
        wit::FieldError {
            path: error.path,
            message: error.message,
        }
    }
}

impl From<wit::Context> for Context {
    fn from(context: wit::Context) -> Context {
        Context {
            run_id: context.run_id,
            workflow: context.workflow,
            step: context.step,
            iteration: context.iteration,
            attempt: context.attempt,
            idempotency_key: context.idempotency_key,
            deadline: Timestamp::from_micros(context.deadline),
            trace_parent: context.trace_parent,
            resumed: context.resumed.map(|resumed| Resume {
                cause: resumed.cause.into(),
                state: resumed.state,
            }),
        }
    }
}

impl From<wit::Wake> for Wake {
    fn from(wake: wit::Wake) -> Wake {
        match wake {
            wit::Wake::Timer => Wake::Timer,
            wit::Wake::Signal(signal) => Wake::Signal(Signal {
                name: signal.name,
                payload: serde_json::from_str(&signal.payload).expect("the host hands JSON over"),
            }),
            wit::Wake::SignalTimeout => Wake::SignalTimeout,
        }
    }
}

impl From<Outcome<String>> for wit::Outcome {
    fn from(outcome: Outcome<String>) -> wit::Outcome {
        let suspension = match outcome {
            Outcome::Completed(output) => return wit::Outcome::Completed(output),
            Outcome::Suspended(suspension) => suspension,
        };
        wit::Outcome::Suspended(wit::Suspension {
            until: match suspension.until {
                Until::At(time) => wit::Until::At(time.as_micros()),
                Until::After(span) => wit::Until::After(millis_ceil(span)),
                Until::Signal(name, timeout) => wit::Until::Signal(wit::SignalWait {
                    name,
                    timeout: timeout.map(millis_ceil),
                }),
            },
            state: suspension.state,
            then: match suspension.then {
                Then::CallAgain => wit::Then::CallAgain,
                Then::Complete(output) => wit::Then::Complete(output),
            },
        })
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> wit::Failure {
        wit::Failure {
            kind: match failure.kind() {
                FailureKind::Retryable => wit::FailureKind::Retryable,
                FailureKind::RateLimited(after) => {
                    wit::FailureKind::RateLimited(after.map(millis_ceil))
                }
                FailureKind::Permanent => wit::FailureKind::Permanent,
                FailureKind::Timeout => wit::FailureKind::Timeout,
                FailureKind::Other => wit::FailureKind::Other,
            },
            code: failure.code().to_owned(),
            message: failure.message().to_owned(),
            details: failure.details().map(text),
        }
    }
}
