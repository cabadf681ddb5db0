//! A plugin that takes more than it may costs one attempt, and the failure names the limit and its setting.

use std::time::{Duration, Instant};

use millwork_core::outcome::{FailureKind, Outcome, Until};
use millwork_plugin::{Limits, Options, PluginRuntime as _, Plugins};
use serde_json::json;

use crate::support::Guest;

fn small() -> Limits {
    Limits {
        cpu_max_ms: 100,
        memory_max_bytes: 16 << 20,
        ..Limits::default()
    }
}

#[tokio::test]
async fn whatever_a_plugin_does_wrong_becomes_a_failure_that_says_so() {
    let guest = Guest::limited(small()).await;
    let cases = [
        (
            "spin",
            FailureKind::Timeout,
            "plugin-timeout",
            "its limit of 100 (plugins.limits.cpu_max_ms) ms",
        ),
        (
            "spin-in-host",
            FailureKind::Timeout,
            "plugin-timeout",
            "plugins.limits.cpu_max_ms",
        ),
        (
            "memory-bomb",
            FailureKind::Retryable,
            "plugin-out-of-memory",
            "its limit of 16777216 (plugins.limits.memory_max_bytes)",
        ),
        (
            "recurse",
            FailureKind::Retryable,
            "plugin-stack-overflow",
            "its limit of 524288 (plugins.limits.stack_max_bytes)",
        ),
        (
            "recurse-wide",
            FailureKind::Retryable,
            "plugin-trapped",
            "a recursion too deep",
        ),
        (
            "panic",
            FailureKind::Retryable,
            "plugin-panicked",
            "on purpose, with {}",
        ),
        ("exit", FailureKind::Retryable, "plugin-exited", "status 1"),
        (
            "trap",
            FailureKind::Retryable,
            "plugin-trapped",
            "gave up without a word",
        ),
        (
            "giant-output",
            FailureKind::Permanent,
            "plugin-output-too-large",
            "its limit of 1048576 (plugins.limits.output_max_bytes)",
        ),
        (
            "garbage-output",
            FailureKind::Permanent,
            "plugin-output-invalid",
            "not JSON",
        ),
        (
            "deep-output",
            FailureKind::Permanent,
            "plugin-output-invalid",
            "nests deeper than 96 levels",
        ),
        (
            "giant-state",
            FailureKind::Permanent,
            "plugin-state-too-large",
            "its limit of 262144 (plugins.limits.state_max_bytes)",
        ),
        (
            "nameless-signal",
            FailureKind::Permanent,
            "plugin-output-invalid",
            "the name of a signal",
        ),
        (
            "garbage-details",
            FailureKind::Permanent,
            "plugin-failed",
            "no (its details are left out",
        ),
        (
            "nothing",
            FailureKind::Permanent,
            "unknown-action",
            "no action \"nothing\"",
        ),
    ];
    for (action, kind, code, message) in cases {
        let failure = guest.failure(action).await;
        assert_eq!(
            (failure.kind, failure.code.as_str()),
            (kind, code),
            "{action}: {}",
            failure.message
        );
        assert!(
            failure.message.contains(message),
            "{action}: {}",
            failure.message
        );
        guest.is_well().await;
    }
}

#[tokio::test]
async fn a_guest_cannot_make_the_host_copy_more_than_is_sane() {
    let guest = Guest::limited(Limits {
        http_request_max_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let failure = guest.failure("colossal-output").await;
    assert_eq!(
        (failure.kind, failure.code.as_str()),
        (FailureKind::Permanent, "plugin-output-too-large"),
        "{}",
        failure.message
    );
    guest.is_well().await;
}

#[tokio::test]
async fn a_guest_that_copes_with_less_memory_goes_on() {
    let guest = Guest::limited(small()).await;
    let taken = guest.output("memory-polite", &json!({})).await;
    assert!(
        (10..16).contains(&taken.as_u64().expect("a number")),
        "{taken}"
    );
}

#[tokio::test]
async fn the_deadline_covers_time_in_the_host_and_time_in_the_guest() {
    let guest = Guest::limited(Limits::default()).await;
    for action in ["sleep", "spin", "spin-in-host"] {
        let mut call = guest.call(action, &json!({}));
        call.timeout = Duration::from_millis(100);
        let began = Instant::now();
        let failure = guest
            .plugins
            .invoke(call)
            .await
            .result
            .expect_err("it takes too long");
        assert_eq!(
            (failure.kind, failure.code.as_str()),
            (FailureKind::Timeout, "plugin-timeout"),
            "{action}"
        );
        assert!(failure.message.contains("100 ms"), "{}", failure.message);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{action} took {:?}",
            began.elapsed()
        );
    }
    guest.is_well().await;
}

#[tokio::test]
async fn the_hosts_own_limit_on_a_call_holds_where_the_step_allows_more() {
    let guest = Guest::limited(Limits {
        call_max_ms: 50,
        ..Limits::default()
    })
    .await;
    let failure = guest.failure("sleep").await;
    assert!(
        failure
            .message
            .contains("its limit of 50 (plugins.limits.call_max_ms)"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn what_is_said_past_the_limit_is_dropped_and_the_log_says_so() {
    let guest = Guest::limited(Limits {
        log_max_bytes: 4_096,
        cpu_max_ms: 60_000,
        ..Limits::default()
    })
    .await;
    for action in ["log-flood", "print-flood", "giant-log-line"] {
        let reply = guest.invoke(action).await;
        assert!(reply.result.is_ok(), "{action}: {:?}", reply.result);
        let bytes: usize = reply.log.iter().map(|line| line.message.len()).sum();
        assert!(bytes < 5_000, "{action} left {bytes} bytes");
        let last = reply.log.last().expect("something was said");
        assert!(
            last.message.contains("plugins.limits.log_max_bytes"),
            "{action}: {}",
            last.message
        );
    }
}

#[tokio::test]
async fn what_a_plugin_says_and_prints_is_in_the_log_of_the_call() {
    let guest = Guest::limited(Limits::default()).await;
    let log = guest.invoke("fields").await.log;
    let lines: Vec<_> = log
        .iter()
        .map(|line| (line.level, line.message.as_str()))
        .collect();
    assert_eq!(
        lines,
        [("warn", "told\ntwice n=\"1\""), ("info", "printed")]
    );
}

#[tokio::test]
async fn the_message_of_a_panic_reaches_the_log_and_the_failure() {
    let guest = Guest::limited(Limits::default()).await;
    let reply = guest.invoke("panic").await;
    let failure = reply.result.expect_err("it panics");
    assert!(
        failure.message.starts_with("the plugin panicked at "),
        "{}",
        failure.message
    );
    assert!(
        !failure.message.contains("note: run with"),
        "{}",
        failure.message
    );
    assert!(
        reply
            .log
            .iter()
            .any(|line| line.level == "error" && line.message.contains("on purpose")),
        "{:?}",
        reply.log
    );
}

#[tokio::test]
async fn a_suspension_and_its_state_come_back() {
    let guest = Guest::limited(Limits::default()).await;
    let Ok(Outcome::Suspended(suspension)) = guest.invoke("wait-for-signal").await.result else {
        panic!("it suspends")
    };
    assert_eq!(
        suspension.until,
        Until::Signal {
            name: "go".to_owned(),
            timeout: Some(Duration::from_millis(5))
        }
    );
    assert_eq!(suspension.state, b"state");
}

#[tokio::test]
async fn the_clocks_of_a_guest_start_at_the_time_of_the_call() {
    let guest = Guest::limited(Limits::default()).await;
    let times = guest.output("time", &json!({})).await;
    let at = |i: usize| times[i].as_i64().expect("a number");
    let start = crate::support::NOW.as_micros();
    for clock in [at(0), at(1)] {
        assert!((start..start + 10_000_000).contains(&clock), "{clock}");
    }
    assert_eq!(at(2), start + 30_000_000);
}

#[tokio::test]
async fn where_the_address_space_for_a_pool_cannot_be_had_calls_still_work() {
    // A hundred thousand memories of four GiB are more than a processor can address.
    let limits = Limits {
        calls_in_flight_max: 100_000,
        ..Limits::default()
    };
    let guest = Guest::load(Options {
        limits,
        ..Options::default()
    })
    .await;
    guest.is_well().await;
    assert_eq!(guest.failure("spin").await.code, "plugin-timeout");
}

#[tokio::test]
async fn limits_that_no_sandbox_can_keep_stop_the_start() {
    let limits = Limits {
        stack_max_bytes: usize::MAX,
        ..Limits::default()
    };
    let refused = Plugins::new(Options {
        limits,
        ..Options::default()
    });
    let error = refused.err().expect("it is refused").to_string();
    assert!(error.contains("plugins.limits.stack_max_bytes"), "{error}");
}
