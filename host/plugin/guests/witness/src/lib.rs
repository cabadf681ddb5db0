//! A connector that does each thing of the contract once, and tells what came of it.
//!
//! Written against the contract itself, in version 1.0.0, and not with the SDK, which chooses among its words. What is tested
//! is not built from here: it is the component in `tests/frozen`, which was built once and for all.

// Only ever a component.
#![cfg(target_arch = "wasm32")]

mod imports;
mod manifest;
mod waits;

use bindings::exports::millwork::connector::plugin::Guest;
use bindings::millwork::connector::types::{
    Context, Failure, FailureKind, FieldError, Manifest, Outcome,
};
use serde_json::{Value, json};

mod bindings {
    #![expect(
        unsafe_code,
        reason = "a component's exports are functions of the C ABI"
    )]

    wit_bindgen::generate!({
        world: "connector",
        path: "../../../../wit",
        generate_all,
    });

    export!(Witness with_types_in self);

    use super::Witness;
}

struct Witness;

impl Guest for Witness {
    fn describe() -> Manifest {
        manifest::manifest()
    }

    fn validate(action: String, config: String) -> Vec<FieldError> {
        let config: Value = serde_json::from_str(&config).unwrap_or_default();
        match config.get("wrong") {
            Some(_) => vec![FieldError {
                path: "/wrong".to_owned(),
                message: format!("is wrong for {action}"),
            }],
            None => Vec::new(),
        }
    }

    fn invoke(context: Context, action: String, config: String) -> Result<Outcome, Failure> {
        let config: Value = serde_json::from_str(&config).unwrap_or_default();
        let output = match action.as_str() {
            "echo" => config,
            "context" => self::context(&context),
            "fail" => return Err(failure(&config)),
            "wait-until" => return Ok(waits::until(&context, &config)),
            "wait-signal" => return Ok(waits::signal(&context, &config)),
            "complete-later" => return Ok(waits::complete_later(&config)),
            "poll" => return waits::poll(&context, &config),
            "http" => imports::http(&config),
            "kv" => imports::kv(),
            "secrets" => imports::secrets(),
            "log" => imports::log(),
            "random" => imports::random(),
            "clock" => imports::clock(),
            other => {
                return Err(Failure {
                    kind: FailureKind::Other,
                    code: "unknown-action".to_owned(),
                    message: format!("there is no action {other}"),
                    details: None,
                });
            }
        };
        Ok(Outcome::Completed(output.to_string()))
    }
}

/// All that a call is told.
fn context(context: &Context) -> Value {
    json!({
        "run_id": context.run_id,
        "workflow": context.workflow,
        "step": context.step,
        "iteration": context.iteration,
        "attempt": context.attempt,
        "idempotency_key": context.idempotency_key,
        "deadline": context.deadline,
        "trace_parent": context.trace_parent,
        "resumed": context.resumed.is_some(),
    })
}

/// A failure of the kind that is asked for.
fn failure(config: &Value) -> Failure {
    let kind = match config["kind"].as_str().unwrap_or_default() {
        "retryable" => FailureKind::Retryable,
        "rate-limited" => FailureKind::RateLimited(config["after_ms"].as_u64()),
        "permanent" => FailureKind::Permanent,
        "timeout" => FailureKind::Timeout,
        _ => FailureKind::Other,
    };
    Failure {
        kind,
        code: "on-purpose".to_owned(),
        message: "it was asked for".to_owned(),
        details: Some(config.to_string()),
    }
}
