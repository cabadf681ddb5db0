//! Events of every kind, and the words that the format knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millwork_core::bounds::{Bounds, ConcurrencyBound, RateBound};
use millwork_core::definition::WhenFull;
use millwork_core::digest::Digest;
use millwork_core::event::{End, Event, LogLevel, LogLine, Origin, Parent, Pin, RunCreated, Wait};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, FailureKind, Then, Wake};
use millwork_core::run::RunStatus;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;

pub(crate) const AT: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const EARLIER: Timestamp = Timestamp::from_micros(1_767_225_599_250_000);
const LATER: Timestamp = Timestamp::from_micros(1_767_225_660_000_001);

/// At least one event of each kind, with and without what may be absent.
pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let step = || StepKey::of("fetch");
    let iteration = || StepKey {
        name: "reserve".into(),
        iteration: Some(3),
    };
    let child = |n| RunId::from_parts(AT, [n; 10]);
    let json = |text: &str| Json::from_text(text).expect("it is JSON");
    let line = |level| LogLine {
        at: EARLIER,
        level,
        message: format!("something of the level {level:?}"),
    };
    let failure = |kind| Failure::new(kind, "http-503", "the shop is busy");
    let log = || {
        [
            LogLevel::Trace,
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Warn,
            LogLevel::Error,
        ]
        .map(line)
        .to_vec()
    };
    let retry = |failure| Event::StepRetryScheduled {
        step: step(),
        attempt: 1,
        started_at: EARLIER,
        failure,
        due: LATER,
        log: Vec::new(),
    };
    let failed = |failure, log| Event::StepFailed {
        step: step(),
        attempt: 3,
        started_at: EARLIER,
        failure,
        continued: false,
        log,
    };
    let suspended = |wait, state: &[u8], then, log| Event::StepSuspended {
        step: step(),
        attempt: 1,
        started_at: EARLIER,
        wait,
        state: state.to_vec(),
        then,
        log,
    };
    let created = |plugins: &[(&str, Pin)]| {
        Event::RunCreated(Arc::new(RunCreated {
            workflow: WorkflowId::from_parts(AT, [1; 10]),
            version: 2,
            payload: json(r#"{"order": 7, "total": 12.50, "big": 12345678901234567890123}"#),
            plugins: plugins
                .iter()
                .map(|(name, pin)| ((*name).to_owned(), pin.clone()))
                .collect(),
            bounds: None,
            origin: None,
            deadline: None,
            parent: None,
            labels: BTreeMap::new(),
            trace: None,
        }))
    };
    let of_child = |waits| {
        let Event::RunCreated(created) = created(&[]) else {
            unreachable!("it is one")
        };
        Event::RunCreated(Arc::new(RunCreated {
            deadline: Some(LATER),
            parent: Some(Parent {
                run: child(9),
                step: iteration(),
                depth: 2,
                waits,
            }),
            ..RunCreated::clone(&created)
        }))
    };
    let begun = |bounds, origin| {
        Event::RunCreated(Arc::new(RunCreated {
            workflow: WorkflowId::from_parts(AT, [1; 10]),
            version: 2,
            payload: Json::empty_object(),
            plugins: BTreeMap::new(),
            bounds,
            origin,
            deadline: None,
            parent: None,
            labels: BTreeMap::new(),
            trace: None,
        }))
    };
    let concurrency = |when_full| ConcurrencyBound {
        key: "customer-7".to_owned(),
        limit: 2,
        when_full,
    };
    let bounds = |concurrency, rate| {
        let bounds = Bounds {
            concurrency,
            rate,
            priority: 3,
        };
        begun(Some(bounds), None)
    };
    let pin = |timeout_ms, attempts_max| Pin {
        digest: Digest::from_bytes([0xab; 32]),
        action: "request".to_owned(),
        timeout_ms,
        attempts_max,
    };
    let rate_limited = |after_ms| failure(FailureKind::RateLimited { after_ms });
    vec![
        (
            "run-created",
            created(&[
                ("delay", pin(None, None)),
                ("webhook@1", pin(Some(20_000), Some(5))),
            ]),
        ),
        ("run-created.empty", created(&[])),
        ("run-created.child", of_child(true)),
        ("run-created.child-not-waited-for", of_child(false)),
        (
            "step-started",
            Event::StepStarted {
                step: step(),
                attempt: 1,
            },
        ),
        (
            "step-started.iteration",
            Event::StepStarted {
                step: StepKey {
                    name: "reserve".into(),
                    iteration: Some(3),
                },
                attempt: 2,
            },
        ),
        (
            "step-suspended.time",
            suspended(
                Wait::Time { due: LATER },
                b"",
                Then::Complete(json(r#"{"duration": 60}"#)),
                Vec::new(),
            ),
        ),
        (
            "step-suspended.signal",
            suspended(
                Wait::Signal {
                    name: "approved".to_owned(),
                    deadline: Some(LATER),
                },
                b"\x00\xff state",
                Then::CallAgain,
                log(),
            ),
        ),
        (
            "step-suspended.signal-for-ever",
            suspended(
                Wait::Signal {
                    name: "approved".to_owned(),
                    deadline: None,
                },
                b"s",
                Then::CallAgain,
                Vec::new(),
            ),
        ),
        (
            "step-suspended.run",
            suspended(
                Wait::Run { run: child(4) },
                b"",
                Then::CallAgain,
                Vec::new(),
            ),
        ),
        (
            "step-resumed.timer",
            Event::StepResumed {
                step: step(),
                wake: Wake::Timer,
            },
        ),
        (
            "step-resumed.signal",
            Event::StepResumed {
                step: step(),
                wake: Wake::Signal {
                    name: "approved".to_owned(),
                    payload: json(r#"{"by": "Ada"}"#),
                },
            },
        ),
        (
            "step-resumed.signal-timeout",
            Event::StepResumed {
                step: step(),
                wake: Wake::SignalTimeout,
            },
        ),
        (
            "step-succeeded",
            Event::StepSucceeded {
                step: step(),
                attempt: 2,
                started_at: EARLIER,
                output: json(r#"{"status_code": 200, "text": "\u00e9 \"quoted\""}"#),
                log: log(),
            },
        ),
        (
            "step-succeeded.quiet",
            Event::StepSucceeded {
                step: step(),
                attempt: 1,
                started_at: EARLIER,
                output: Json::null(),
                log: Vec::new(),
            },
        ),
        (
            "step-retry-scheduled",
            retry(failure(FailureKind::Retryable)),
        ),
        (
            "step-retry-scheduled.rate-limited",
            retry(rate_limited(Some(90_000))),
        ),
        (
            "step-retry-scheduled.rate-limited-without-wait",
            retry(rate_limited(None)),
        ),
        (
            "step-retry-scheduled.timeout",
            retry(failure(FailureKind::Timeout)),
        ),
        (
            "step-failed",
            failed(
                Failure {
                    details: Some(json(r#"{"field": "sku"}"#)),
                    ..failure(FailureKind::Permanent)
                },
                log(),
            ),
        ),
        (
            "step-failed.null-details",
            failed(
                Failure {
                    details: Some(Json::null()),
                    ..failure(FailureKind::Permanent)
                },
                Vec::new(),
            ),
        ),
        (
            "step-failed.cancelled",
            failed(failure(FailureKind::Cancelled), Vec::new()),
        ),
        (
            "step-failed.outcome-unknown",
            failed(failure(FailureKind::OutcomeUnknown), Vec::new()),
        ),
        (
            "step-failed.continued",
            Event::StepFailed {
                step: iteration(),
                attempt: 1,
                started_at: EARLIER,
                failure: failure(FailureKind::Permanent),
                continued: true,
                log: Vec::new(),
            },
        ),
        (
            "loop-started",
            Event::LoopStarted {
                step: StepKey::of("reserve"),
                items: json(r#"[{"sku": "a"}, 1.50, null]"#),
                parallel: 10,
            },
        ),
        ("step-skipped", Event::StepSkipped { step: step() }),
        (
            "run-created.bounds",
            bounds(
                Some(concurrency(WhenFull::Queue)),
                Some(RateBound {
                    key: String::new(),
                    limit: 100,
                    per_ms: 60_000,
                }),
            ),
        ),
        (
            "run-created.bounds-reject",
            bounds(Some(concurrency(WhenFull::Reject)), None),
        ),
        (
            "run-created.bounds-cancel-running",
            bounds(Some(concurrency(WhenFull::CancelRunning)), None),
        ),
        (
            "run-created.bounds-cancel-new",
            bounds(Some(concurrency(WhenFull::CancelNew)), None),
        ),
        (
            "run-created.schedule",
            begun(
                None,
                Some(Origin::Schedule {
                    cron: "0 9 * * 1-5".to_owned(),
                    at: LATER,
                }),
            ),
        ),
        (
            "run-created.webhook",
            begun(
                None,
                Some(Origin::Webhook {
                    path: "shop/orders".to_owned(),
                    delivery: Some("72d3162e".to_owned()),
                }),
            ),
        ),
        (
            "run-created.kafka",
            begun(
                None,
                Some(Origin::Kafka {
                    topic: "orders".to_owned(),
                    partition: 3,
                    offset: 1_234_567,
                }),
            ),
        ),
        ("run-admitted", Event::RunAdmitted {}),
        ("step-cancelled", Event::StepCancelled { step: step() }),
        (
            "signal-received",
            Event::SignalReceived {
                name: "approved".to_owned(),
                payload: json(r#"{"by": "Ada"}"#),
                key: Some("click-7".to_owned()),
            },
        ),
        (
            "signal-received.without-key",
            Event::SignalReceived {
                name: "approved".to_owned(),
                payload: Json::null(),
                key: None,
            },
        ),
        (
            "child-ended",
            Event::ChildEnded {
                step: step(),
                run: child(4),
                status: RunStatus::Success,
                output: Some(json(r#"{"shipped": true}"#)),
                error: None,
            },
        ),
        (
            "child-ended.null",
            Event::ChildEnded {
                step: iteration(),
                run: child(4),
                status: RunStatus::Success,
                output: Some(Json::null()),
                error: None,
            },
        ),
        (
            "child-ended.failed",
            Event::ChildEnded {
                step: step(),
                run: child(4),
                status: RunStatus::Failed,
                output: None,
                error: Some("step \"ship\" failed: no van".to_owned()),
            },
        ),
        (
            "run-paused",
            Event::RunPaused {
                reason: Some("look first".to_owned()),
            },
        ),
        (
            "run-paused.without-reason",
            Event::RunPaused { reason: None },
        ),
        ("run-resumed", Event::RunResumed {}),
        (
            "end-began.success",
            Event::EndBegan {
                end: End::Succeeded {
                    output: Some(json(r#"{"total": 12.50}"#)),
                },
            },
        ),
        (
            "end-began.success-without-output",
            Event::EndBegan {
                end: End::Succeeded { output: None },
            },
        ),
        (
            "end-began.failed",
            Event::EndBegan {
                end: End::Failed {
                    step: Some(iteration()),
                    code: "http-404".to_owned(),
                    message: "there is no such order".to_owned(),
                },
            },
        ),
        (
            "end-began.timeout",
            Event::EndBegan {
                end: End::Failed {
                    step: None,
                    code: "run-timeout".to_owned(),
                    message: "the run has taken too long".to_owned(),
                },
            },
        ),
        (
            "end-began.cancelled",
            Event::EndBegan {
                end: End::Cancelled {
                    reason: Some("wrong order".to_owned()),
                },
            },
        ),
        (
            "end-began.cancelled-without-reason",
            Event::EndBegan {
                end: End::Cancelled { reason: None },
            },
        ),
        ("run-succeeded", Event::RunSucceeded { output: None }),
        (
            "run-succeeded.output",
            Event::RunSucceeded {
                output: Some(json(r#"{"total": 12.50}"#)),
            },
        ),
        (
            "run-succeeded.null",
            Event::RunSucceeded {
                output: Some(Json::null()),
            },
        ),
        (
            "run-failed",
            Event::RunFailed {
                step: Some(step()),
                code: "http-404".to_owned(),
                message: "there is no such order".to_owned(),
            },
        ),
        (
            "run-failed.without-step",
            Event::RunFailed {
                step: None,
                code: "run-timeout".to_owned(),
                message: "the run has taken too long".to_owned(),
            },
        ),
        (
            "run-cancelled",
            Event::RunCancelled {
                reason: Some("wrong order".to_owned()),
            },
        ),
        (
            "run-cancelled.without-reason",
            Event::RunCancelled { reason: None },
        ),
        (
            "run-killed",
            Event::RunKilled {
                reason: Some("it hangs".to_owned()),
            },
        ),
        (
            "run-killed.without-reason",
            Event::RunKilled { reason: None },
        ),
        (
            "run-retried",
            Event::RunRetried {
                reset: vec![step(), iteration()],
                version: None,
                plugins: None,
                deadline: None,
            },
        ),
        (
            "run-retried.newest",
            Event::RunRetried {
                reset: Vec::new(),
                version: Some(3),
                plugins: Some(Arc::new([("delay".to_owned(), pin(None, None))].into())),
                deadline: Some(LATER),
            },
        ),
    ]
}

/// Every variant that the format knows.
pub(crate) const WORDS: [&str; 43] = [
    "run-created",
    "run-admitted",
    "step-started",
    "step-suspended",
    "step-resumed",
    "step-succeeded",
    "step-retry-scheduled",
    "step-failed",
    "step-skipped",
    "step-cancelled",
    "signal-received",
    "loop-started",
    "child-ended",
    "run-paused",
    "run-resumed",
    "end-began",
    "run-succeeded",
    "run-failed",
    "run-cancelled",
    "run-killed",
    "run-retried",
    "end succeeded",
    "end failed",
    "end cancelled",
    "wait time",
    "wait signal",
    "wait run",
    "then call-again",
    "then complete",
    "wake timer",
    "wake signal",
    "wake signal-timeout",
    "failure retryable",
    "failure rate-limited",
    "failure permanent",
    "failure timeout",
    "failure cancelled",
    "failure outcome-unknown",
    "log trace",
    "log debug",
    "log info",
    "log warn",
    "log error",
];

/// Written without a single `_ =>`: a new variant makes the compiler ask for its word, and the word for a sample.
pub(crate) fn collect_words(event: &Event, words: &mut BTreeSet<&'static str>) {
    let word = match event {
        Event::RunCreated(_) => "run-created",
        Event::StepStarted { .. } => "step-started",
        Event::StepSuspended {
            wait, then, log, ..
        } => {
            words.insert(match wait {
                Wait::Time { .. } => "wait time",
                Wait::Signal { .. } => "wait signal",
                Wait::Run { .. } => "wait run",
            });
            words.insert(match then {
                Then::CallAgain => "then call-again",
                Then::Complete(_) => "then complete",
            });
            words.extend(log.iter().map(level_word));
            "step-suspended"
        }
        Event::StepResumed { wake, .. } => {
            words.insert(match wake {
                Wake::Timer => "wake timer",
                Wake::Signal { .. } => "wake signal",
                Wake::SignalTimeout => "wake signal-timeout",
            });
            "step-resumed"
        }
        Event::StepSucceeded { .. } => "step-succeeded",
        Event::StepRetryScheduled { failure, .. } => {
            words.insert(failure_word(failure));
            "step-retry-scheduled"
        }
        Event::StepFailed { failure, .. } => {
            words.insert(failure_word(failure));
            "step-failed"
        }
        Event::StepSkipped { .. } => "step-skipped",
        Event::StepCancelled { .. } => "step-cancelled",
        Event::RunAdmitted {} => "run-admitted",
        Event::SignalReceived { .. } => "signal-received",
        Event::LoopStarted { .. } => "loop-started",
        Event::ChildEnded { .. } => "child-ended",
        Event::RunPaused { .. } => "run-paused",
        Event::RunResumed {} => "run-resumed",
        Event::EndBegan { end } => {
            words.insert(match end {
                End::Succeeded { .. } => "end succeeded",
                End::Failed { .. } => "end failed",
                End::Cancelled { .. } => "end cancelled",
            });
            "end-began"
        }
        Event::RunKilled { .. } => "run-killed",
        Event::RunRetried { .. } => "run-retried",
        Event::RunSucceeded { .. } => "run-succeeded",
        Event::RunFailed { .. } => "run-failed",
        Event::RunCancelled { .. } => "run-cancelled",
    };
    words.insert(word);
}

fn failure_word(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::Retryable => "failure retryable",
        FailureKind::RateLimited { .. } => "failure rate-limited",
        FailureKind::Permanent => "failure permanent",
        FailureKind::Timeout => "failure timeout",
        FailureKind::Cancelled => "failure cancelled",
        FailureKind::OutcomeUnknown => "failure outcome-unknown",
    }
}

fn level_word(line: &LogLine) -> &'static str {
    match line.level {
        LogLevel::Trace => "log trace",
        LogLevel::Debug => "log debug",
        LogLevel::Info => "log info",
        LogLevel::Warn => "log warn",
        LogLevel::Error => "log error",
    }
}
