//! What becomes of a call that did not return: the failure that says what happened, which limit it was and which
//! setting changes it.

use std::time::Duration;

use millwork_core::outcome::{Failure, FailureKind};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::state::{Refused, State};
use crate::limits::{self, Limits};

/// How long a message may be that comes out of a guest.
const MESSAGE_MAX_BYTES: usize = 4 << 10;

/// The call was not done in time.
pub(crate) fn timed_out(allowed: Duration, limits: &Limits) -> Failure {
    let message = if allowed >= limits.call_max() {
        format!(
            "the call took longer than {} ms",
            limits::reached("call_max_ms", limits.call_max_ms)
        )
    } else {
        format!(
            "the call took longer than the {} ms that it is allowed",
            allowed.as_millis()
        )
    };
    Failure::new(FailureKind::Timeout, "plugin-timeout", message)
}

/// Says why a guest did not return. Writes the backtrace of a trap into the log.
pub(crate) fn explain(error: &wasmtime::Error, state: &mut State) -> Failure {
    state.gather_output();
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>()
        && !backtrace.frames().is_empty()
    {
        state.log.add(
            "debug",
            bounded(&format!("the plugin's call stack:\n{backtrace}")),
        );
    }
    let limits = &state.outfit.limits;
    if let Some(refused) = state.limiter.refused {
        return ran_out(refused, limits);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let limit = limits::reached("calls_in_flight_max", limits.calls_in_flight_max);
        return Failure::retryable(
            "plugin-busy",
            format!("no instance is free: the calls in flight take more than {limit} provides for"),
        );
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return Failure::retryable(
            "plugin-exited",
            format!("the plugin ended itself with status {status} instead of answering"),
        );
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let limit = limits::reached("cpu_max_ms", limits.cpu_max_ms);
            Failure::new(
                FailureKind::Timeout,
                "plugin-timeout",
                format!("the plugin used more processor time than {limit} ms"),
            )
        }
        Some(Trap::StackOverflow) => {
            let limit = limits::reached("stack_max_bytes", limits.stack_max_bytes);
            Failure::retryable(
                "plugin-stack-overflow",
                format!(
                    "the plugin's call stack grew past {limit} bytes: it calls itself too deep"
                ),
            )
        }
        Some(Trap::UnreachableCodeReached) => match state.log.panic_message() {
            Some(message) => Failure::retryable(
                "plugin-panicked",
                format!("the plugin {}", bounded(&message)),
            ),
            None => trapped("it gave up without a word"),
        },
        // A Rust guest keeps large variables below its data, so that a recursion too deep ends here.
        Some(Trap::MemoryOutOfBounds) => {
            trapped("it touched memory that it does not have, as a recursion too deep does")
        }
        Some(trap) => trapped(&trap.to_string()),
        None => unknown(error, state),
    }
}

fn trapped(why: &str) -> Failure {
    Failure::retryable("plugin-trapped", format!("the plugin trapped: {why}"))
}

fn ran_out(refused: Refused, limits: &Limits) -> Failure {
    match refused {
        Refused::Memory => {
            let limit = limits::reached("memory_max_bytes", limits.memory_max_bytes);
            Failure::retryable(
                "plugin-out-of-memory",
                format!("the plugin wanted more memory than {limit} bytes"),
            )
        }
        Refused::TableElements => {
            let limit = limits::reached("table_elements_max", limits.table_elements_max);
            Failure::retryable(
                "plugin-out-of-memory",
                format!("the plugin wanted a larger table than {limit} elements"),
            )
        }
    }
}

fn unknown(error: &wasmtime::Error, state: &State) -> Failure {
    let limits = &state.outfit.limits;
    let text = format!("{error:#}");
    note_instantiation(&text);
    // wasmtime keeps the type of this error to itself.
    if text.contains("hostcall fuel") || text.contains("too much data") {
        let output = limits::reached("output_max_bytes", limits.output_max_bytes);
        return Failure::permanent(
            "plugin-output-too-large",
            format!("the plugin handed over far more at once than {output} bytes"),
        );
    }
    if text.contains("resource table has no free keys") {
        let limit = match state.outfit.handed.has_directories() {
            true => limits::reached("files_max", limits.files_max),
            false => limits::reached("handles_max", limits.handles_max),
        };
        return Failure::retryable(
            "plugin-out-of-handles",
            format!(
                "the plugin holds more of the host's resources, such as open files, than {limit}"
            ),
        );
    }
    Failure::retryable(
        "plugin-trapped",
        format!("the plugin trapped: {}", bounded(&text)),
    )
}

/// What a component is made of is counted before it runs; wasmtime says it in words.
fn note_instantiation(text: &str) {
    if !text.contains("resource limit exceeded") {
        return;
    }
    for (word, limit) in [
        ("instance", "instances_max"),
        ("table", "tables_max"),
        ("memory", "memories_max"),
    ] {
        if text.contains(&format!("{word} count too high")) {
            limits::note(limit);
        }
    }
}

/// Cuts a text from a guest to a length that fits into a message.
pub(crate) fn bounded(text: &str) -> String {
    if text.len() <= MESSAGE_MAX_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MESSAGE_MAX_BYTES)])
}
