//! Every way to wait, with a state of its own over all calls.

use serde_json::{Value, json};

use crate::bindings::millwork::clock::clock;
use crate::bindings::millwork::connector::types::{
    Context, Failure, FailureKind, Outcome, SignalWait, Suspension, Then, Until, Wake,
};
use crate::bindings::millwork::kv::kv::{self, Expectation};

fn suspended(until: Until, state: &str, then: Then) -> Outcome {
    Outcome::Suspended(Suspension {
        until,
        state: state.as_bytes().to_vec(),
        then,
    })
}

/// What woke it, and the state that it left.
fn woken(context: &Context) -> Option<Outcome> {
    let resume = context.resumed.as_ref()?;
    let (cause, payload) = match &resume.cause {
        Wake::Timer => ("timer", Value::Null),
        Wake::SignalTimeout => ("signal-timeout", Value::Null),
        Wake::Signal(signal) => (
            signal.name.as_str(),
            serde_json::from_str(&signal.payload).unwrap_or_default(),
        ),
    };
    let state = String::from_utf8_lossy(&resume.state).into_owned();
    let output = json!({"cause": cause, "payload": payload, "state": state});
    Some(Outcome::Completed(output.to_string()))
}

/// Waits until a point in time.
pub(crate) fn until(context: &Context, config: &Value) -> Outcome {
    woken(context).unwrap_or_else(|| {
        let at = clock::now() + config["ms"].as_u64().unwrap_or_default() * 1_000;
        suspended(Until::At(at), "the state of wait-until", Then::CallAgain)
    })
}

/// Waits for the signal `go`.
pub(crate) fn signal(context: &Context, config: &Value) -> Outcome {
    woken(context).unwrap_or_else(|| {
        let wait = SignalWait {
            name: "go".to_owned(),
            timeout: config["timeout_ms"].as_u64(),
        };
        suspended(
            Until::Signal(wait),
            "the state of wait-signal",
            Then::CallAgain,
        )
    })
}

/// Completes by waking, without another call.
pub(crate) fn complete_later(config: &Value) -> Outcome {
    let after = Until::After(config["ms"].as_u64().unwrap_or_default());
    let output = json!({"completed": "later"}).to_string();
    suspended(after, "", Then::Complete(output))
}

/// Comes again and again: counts its calls in its state, and in a kept value that it writes by compare-and-set.
pub(crate) fn poll(context: &Context, config: &Value) -> Result<Outcome, Failure> {
    let state = context
        .resumed
        .as_ref()
        .map(|resume| resume.state.as_slice());
    let calls = state.map_or(0, number) + 1;
    let kept = count()?;
    if calls >= config["times"].as_u64().unwrap_or(1) {
        let output = json!({"calls": calls, "kept": kept});
        return Ok(Outcome::Completed(output.to_string()));
    }
    let after = Until::After(config["every_ms"].as_u64().unwrap_or_default());
    Ok(suspended(after, &calls.to_string(), Then::CallAgain))
}

/// Counts what is kept on by one; whoever was quicker is counted, too.
fn count() -> Result<u64, Failure> {
    loop {
        let entry = kv::get("polls").map_err(denied)?;
        let count = entry.as_ref().map_or(0, |entry| number(&entry.value)) + 1;
        let expected = entry.map_or(Expectation::Absent, |entry| {
            Expectation::Version(entry.version)
        });
        match kv::set("polls", count.to_string().as_bytes(), expected) {
            Ok(_) => return Ok(count),
            Err(kv::Error::Conflict(_)) => {}
            Err(error) => return Err(denied(error)),
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn denied(error: kv::Error) -> Failure {
    Failure {
        kind: FailureKind::Permanent,
        code: "kv-failed".to_owned(),
        message: format!("{error:?}"),
        details: None,
    }
}
