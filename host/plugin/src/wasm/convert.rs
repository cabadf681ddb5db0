//! Between the words of the contract and the words of the core: the one place where a guest's answer is judged.

use std::time::Duration;

use millwork_core::json::{Json, ParseJsonError};
use millwork_core::outcome::{
    Failure, FailureKind, Outcome, Resume, Suspension, Then, Until, Wake,
};
use millwork_core::time::Timestamp;

use super::bindings::types as wit;
use super::trap::bounded;
use crate::imports::clock::micros;
use crate::limits::{self, Limits};
use crate::{FieldError, Invocation};

/// The code of a failure is a word.
const CODE_MAX_BYTES: usize = 64;
/// Nobody can fix more at once.
const FIELD_ERRORS_MAX: usize = 50;
/// The name of a signal.
const SIGNAL_MAX_BYTES: usize = 256;

/// Tells the guest where it runs. Takes the texts out of the call; the configuration travels beside it.
pub(crate) fn context(call: Invocation, allowed: Duration) -> wit::Context {
    wit::Context {
        run_id: call.run.to_string(),
        workflow: call.workflow,
        step: call.step,
        iteration: call.iteration,
        attempt: call.attempt,
        idempotency_key: call.idempotency_key,
        deadline: micros(call.now.after(allowed)),
        trace_parent: call.trace.map(|trace| trace.at.to_string()),
        resumed: call.resumed.map(resume),
    }
}

fn resume(resume: Resume) -> wit::Resume {
    let cause = match resume.wake {
        Wake::Timer => wit::Wake::Timer,
        Wake::Signal { name, payload } => wit::Wake::Signal(wit::SignalReceived {
            name,
            payload: payload.text().to_owned(),
        }),
        Wake::SignalTimeout => wit::Wake::SignalTimeout,
    };
    wit::Resume {
        cause,
        state: resume.state,
    }
}

/// Judges what an invocation came to.
pub(crate) fn result(
    answer: Result<wit::Outcome, wit::Failure>,
    limits: &Limits,
) -> Result<Outcome, Failure> {
    match answer {
        Ok(wit::Outcome::Completed(text)) => json(text, limits).map(Outcome::Completed),
        Ok(wit::Outcome::Suspended(suspension)) => {
            self::suspension(suspension, limits).map(Outcome::Suspended)
        }
        Err(reported) => Err(failure(reported, limits)),
    }
}

fn json(text: String, limits: &Limits) -> Result<Json, Failure> {
    let max = limits.output_max_bytes;
    if text.len() > max {
        let limit = limits::reached("output_max_bytes", max);
        return Err(Failure::permanent(
            "plugin-output-too-large",
            format!(
                "the plugin's output of {} bytes is larger than {limit} bytes",
                text.len()
            ),
        ));
    }
    Json::from_text(text).map_err(|error| match error {
        ParseJsonError::Syntax(_) | ParseJsonError::TooDeep => {
            invalid(&format!("its output is {error}"))
        }
    })
}

fn invalid(why: &str) -> Failure {
    Failure::permanent(
        "plugin-output-invalid",
        format!("the plugin's answer breaks the contract: {}", bounded(why)),
    )
}

fn suspension(suspension: wit::Suspension, limits: &Limits) -> Result<Suspension, Failure> {
    let wit::Suspension { until, state, then } = suspension;
    if state.len() > limits.state_max_bytes {
        let limit = limits::reached("state_max_bytes", limits.state_max_bytes);
        return Err(Failure::permanent(
            "plugin-state-too-large",
            format!(
                "the plugin's state of {} bytes is larger than {limit} bytes",
                state.len()
            ),
        ));
    }
    let until = match until {
        wit::Until::At(micros) => Until::At(Timestamp::from_micros(
            i64::try_from(micros).unwrap_or(i64::MAX),
        )),
        wit::Until::After(millis) => Until::After(Duration::from_millis(millis)),
        wit::Until::Signal(wait) => {
            if wait.name.is_empty() || wait.name.len() > SIGNAL_MAX_BYTES {
                return Err(invalid(&format!(
                    "the name of a signal has 1 to {SIGNAL_MAX_BYTES} bytes, not {}",
                    wait.name.len()
                )));
            }
            Until::Signal {
                name: wait.name,
                timeout: wait.timeout.map(Duration::from_millis),
            }
        }
    };
    let then = match then {
        wit::Then::CallAgain => Then::CallAgain,
        wit::Then::Complete(text) => Then::Complete(json(text, limits)?),
    };
    Ok(Suspension { until, state, then })
}

fn failure(reported: wit::Failure, limits: &Limits) -> Failure {
    let kind = match reported.kind {
        wit::FailureKind::Retryable => FailureKind::Retryable,
        wit::FailureKind::RateLimited(after_ms) => FailureKind::RateLimited { after_ms },
        wit::FailureKind::Permanent | wit::FailureKind::Other => FailureKind::Permanent,
        wit::FailureKind::Timeout => FailureKind::Timeout,
    };
    let mut code = reported.code;
    code.truncate(code.floor_char_boundary(CODE_MAX_BYTES));
    if code.is_empty() {
        "plugin-failed".clone_into(&mut code);
    }
    let mut message = bounded(&reported.message);
    // A failure is never lost over its details.
    let details = reported.details.and_then(|text| match json(text, limits) {
        Ok(details) => Some(details),
        Err(refused) => {
            message.push_str(&format!(" (its details are left out: {})", refused.message));
            None
        }
    });
    Failure {
        kind,
        code,
        message,
        details,
    }
}

/// What a plugin's own `validate` found.
pub(crate) fn field_errors(found: Vec<wit::FieldError>) -> Vec<FieldError> {
    let bound = |error: wit::FieldError| FieldError {
        path: bounded(&error.path),
        message: bounded(&error.message),
    };
    found
        .into_iter()
        .take(FIELD_ERRORS_MAX)
        .map(bound)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            output_max_bytes: 20,
            state_max_bytes: 4,
            ..Limits::default()
        }
    }

    fn completed(text: &str) -> Result<Outcome, Failure> {
        result(Ok(wit::Outcome::Completed(text.to_owned())), &limits())
    }

    fn suspended(until: wit::Until, state: &[u8]) -> Result<Outcome, Failure> {
        let suspension = wit::Suspension {
            until,
            state: state.to_vec(),
            then: wit::Then::CallAgain,
        };
        result(Ok(wit::Outcome::Suspended(suspension)), &limits())
    }

    #[test]
    fn an_output_has_to_be_json_of_a_bounded_size() {
        assert!(completed(r#"{"a":1}"#).is_ok());
        let garbage = completed("{").expect_err("it is no JSON");
        assert_eq!(
            (garbage.code.as_str(), garbage.kind),
            ("plugin-output-invalid", FailureKind::Permanent)
        );
        let large = completed(r#""aaaaaaaaaaaaaaaaaaaaaaaa""#).expect_err("it is too large");
        assert_eq!(large.code, "plugin-output-too-large");
        assert!(
            large
                .message
                .contains("its limit of 20 (plugins.limits.output_max_bytes)"),
            "{}",
            large.message
        );
    }

    #[test]
    fn a_suspension_is_judged_as_well() {
        assert!(suspended(wit::Until::At(u64::MAX), &[1]).is_ok());
        assert_eq!(
            suspended(wit::Until::After(1), &[1; 5])
                .expect_err("too much")
                .code,
            "plugin-state-too-large"
        );
        let nameless = wit::Until::Signal(wit::SignalWait {
            name: String::new(),
            timeout: None,
        });
        assert_eq!(
            suspended(nameless, &[]).expect_err("no name").code,
            "plugin-output-invalid"
        );
    }

    #[test]
    fn a_failure_is_never_lost_over_its_details() {
        let reported = wit::Failure {
            kind: wit::FailureKind::RateLimited(Some(5)),
            code: "é".repeat(100),
            message: "slow down".to_owned(),
            details: Some("nonsense".to_owned()),
        };
        let failure = result(Err(reported), &limits()).expect_err("it is one");
        assert_eq!(failure.kind, FailureKind::RateLimited { after_ms: Some(5) });
        assert_eq!(failure.code.len(), 64);
        assert!(
            failure
                .message
                .starts_with("slow down (its details are left out"),
            "{}",
            failure.message
        );
        assert_eq!(failure.details, None);
    }
}
