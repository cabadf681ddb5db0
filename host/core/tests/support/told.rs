//! Events, effects and runs as short lines.

use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanPrinter};
use millwork_core::effect::Effect;
use millwork_core::event::{End, Event, LogLine, Record, Wait};
use millwork_core::id::RunId;
use millwork_core::outcome::{Failure, FailureKind, Then, Wake};
use millwork_core::run::{Phase, Run, Step};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;

use crate::world::START;

/// A span of time, as a definition would write it.
pub(crate) fn span(span: Duration) -> String {
    let span = jiff::SignedDuration::try_from(span).expect("it is short");
    SpanPrinter::new()
        .spacing(Spacing::None)
        .duration_to_string(&span)
}

/// A point in time, as the span since the story began.
pub(crate) fn time(at: Timestamp) -> String {
    span(at.since(START))
}

pub(crate) fn event(record: &Record) -> String {
    match &record.event {
        Event::RunCreated(created) => format!("+ run-created {}", created.payload),
        Event::StepStarted { step, attempt } => format!("+ step-started {}", call(step, *attempt)),
        Event::StepSuspended {
            step,
            attempt,
            started_at: _,
            wait,
            state,
            then,
            log,
        } => format!(
            "+ step-suspended {} {}{}, then {}{}",
            call(step, *attempt),
            waiting(wait),
            left(state),
            next(then),
            said(log)
        ),
        Event::StepResumed { step, wake } => format!("+ step-resumed {step} by {}", woken(wake)),
        Event::StepSucceeded {
            step,
            attempt,
            started_at: _,
            output,
            log,
        } => {
            format!(
                "+ step-succeeded {} {output}{}",
                call(step, *attempt),
                said(log)
            )
        }
        Event::StepRetryScheduled {
            step,
            attempt,
            started_at: _,
            failure,
            due,
            log,
        } => {
            let due = time(*due);
            format!(
                "+ step-retry-scheduled {} due {due}: {}{}",
                call(step, *attempt),
                why(failure),
                said(log)
            )
        }
        Event::StepFailed {
            step,
            attempt,
            started_at: _,
            failure,
            continued,
            log,
        } => {
            format!(
                "+ step-failed {}{}: {}{}",
                call(step, *attempt),
                if *continued {
                    ", and the run goes on"
                } else {
                    ""
                },
                why(failure),
                said(log)
            )
        }
        Event::LoopStarted {
            step,
            items,
            parallel,
        } => format!("+ loop-started {step} {items}, {parallel} at a time"),
        Event::StepSkipped { step } => format!("+ step-skipped {step}"),
        Event::StepCancelled { step } => format!("+ step-cancelled {step}"),
        Event::SignalReceived { name, payload, key } => {
            let key = key.as_ref().map(|key| format!(" key {key:?}"));
            format!(
                "+ signal-received {name:?} {payload}{}",
                key.unwrap_or_default()
            )
        }
        Event::RunAdmitted {} => "+ run-admitted".to_owned(),
        Event::ChildEnded {
            step,
            run,
            status,
            output,
            error,
        } => {
            let output = output.as_ref().map(|output| format!(" {output}"));
            let error = error.as_ref().map(|error| format!(" {error:?}"));
            format!(
                "+ child-ended {step}, run {} {status}{}{}",
                child(*run),
                output.unwrap_or_default(),
                error.unwrap_or_default()
            )
        }
        Event::RunPaused { reason } => format!("+ run-paused{}", quoted(reason)),
        Event::RunResumed {} => "+ run-resumed".to_owned(),
        Event::EndBegan { end } => format!("+ end-began: {}", end_of(end)),
        Event::RunSucceeded { output } => {
            let output = output.as_ref().map(|output| format!(" {output}"));
            format!("+ run-succeeded{}", output.unwrap_or_default())
        }
        Event::RunFailed {
            step,
            code,
            message,
        } => format!("+ run-failed{}: {code} {message:?}", at(step)),
        Event::RunCancelled { reason } => format!("+ run-cancelled{}", quoted(reason)),
        Event::RunKilled { reason } => format!("+ run-killed{}", quoted(reason)),
        Event::RunRetried {
            reset,
            version,
            plugins,
            deadline,
        } => {
            let reset: Vec<_> = reset.iter().map(ToString::to_string).collect();
            let version = version.map(|version| format!(", version {version}"));
            let plugins = plugins.as_ref().map(|_| ", other plugins".to_owned());
            let deadline = deadline.map(|at| format!(", until {}", time(at)));
            let more: String = [version, plugins, deadline].into_iter().flatten().collect();
            format!("+ run-retried [{}]{more}", reset.join(" "))
        }
    }
}

fn quoted(reason: &Option<String>) -> String {
    let reason = reason.as_ref().map(|reason| format!(" {reason:?}"));
    reason.unwrap_or_default()
}

fn at(step: &Option<StepKey>) -> String {
    let step = step.as_ref().map(|step| format!(" at {step}"));
    step.unwrap_or_default()
}

fn end_of(end: &End) -> String {
    match end {
        End::Succeeded { output: None } => "success".to_owned(),
        End::Succeeded {
            output: Some(output),
        } => format!("success {output}"),
        End::Failed {
            step,
            code,
            message,
        } => format!("failed{}: {code} {message:?}", at(step)),
        End::Cancelled { reason } => format!("cancelled{}", quoted(reason)),
    }
}

/// A run that a step waits for. Stories name it by a number.
fn child(run: RunId) -> u8 {
    run.as_bytes()[15]
}

pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::InvokePlugin(invoke) => {
            let resumed = invoke.resumed.as_ref();
            let resumed = resumed.map(|resume| {
                format!(
                    ", resumed by {}{}",
                    woken(&resume.wake),
                    left(&resume.state)
                )
            });
            format!(
                "> invoke {} {} within {}{}{}",
                call(&invoke.step, invoke.attempt),
                invoke.config,
                span(invoke.timeout),
                resumed.unwrap_or_default(),
                another_key(&invoke.key)
            )
        }
        Effect::StartRun(start) => format!(
            "> start-run {} {:?} {}{}{}",
            call(&start.step, start.attempt),
            start.workflow,
            start.payload,
            if start.waits { "" } else { ", not waited for" },
            another_key(&start.key)
        ),
        Effect::CancelRun { run } => format!("> cancel-run {}", child(*run)),
        Effect::StopAttempts => "> stop-attempts".to_owned(),
    }
}

/// Where a step acts under another key than in the first round.
fn another_key(key: &str) -> String {
    let (_, after_run) = key.split_once('/').unwrap_or_default();
    match after_run.rsplit_once('~') {
        None => String::new(),
        Some((_, used)) => format!(", key ~{used}"),
    }
}

/// Where the run and each of its steps stands.
pub(crate) fn run(run: &Run) -> Vec<String> {
    let output = run.output().map(|output| format!(" {output}"));
    let mut lines = vec![format!(
        "= {} {}{}",
        run.status(),
        times(run.started_at(), run.completed_at()),
        output.unwrap_or_default()
    )];
    lines.extend(
        run.ending()
            .filter(|_| !run.status().is_finished())
            .map(|end| format!("= ends: {}", end_of(end))),
    );
    lines.extend(
        run.error()
            .map(|error| format!("= {error} ({})", error.code)),
    );
    lines.extend(
        run.steps()
            .map(|(key, step)| format!("= {}", stands(key, step))),
    );
    lines
}

fn stands(key: &StepKey, step: &Step) -> String {
    let Step {
        phase,
        attempt,
        started_at,
        completed_at,
        log,
    } = step;
    let phase = match phase {
        Phase::Running { resume: None } => "runs".to_owned(),
        Phase::Running {
            resume: Some(resume),
        } => format!("runs, resumed by {}", woken(&resume.wake)),
        Phase::Suspended { wait, state, then } => {
            format!(
                "sleeps {}{}, then {}",
                waiting(wait),
                left(state),
                next(then)
            )
        }
        Phase::Retrying {
            due,
            failure,
            resume: _,
        } => {
            format!("is tried again at {}: {}", time(*due), why(failure))
        }
        Phase::Succeeded { output } => format!("succeeded {output}"),
        Phase::Failed {
            failure,
            continued: false,
        } => format!("failed: {}", why(failure)),
        Phase::Failed {
            failure,
            continued: true,
        } => format!("failed, and the run goes on: {}", why(failure)),
        Phase::Skipped => "skipped".to_owned(),
        Phase::Cancelled => "cancelled".to_owned(),
    };
    format!(
        "{} {} {phase}{}",
        call(key, *attempt),
        times(*started_at, *completed_at),
        said(log)
    )
}

fn times(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let show = |at: Option<Timestamp>| at.map(time).unwrap_or_default();
    format!("{}..{}", show(from), show(to))
}

fn call(step: &StepKey, attempt: u32) -> String {
    format!("{step}#{attempt}")
}

fn waiting(wait: &Wait) -> String {
    match wait {
        Wait::Time { due } => format!("until {}", time(*due)),
        Wait::Signal {
            name,
            deadline: None,
        } => format!("for signal {name:?}"),
        Wait::Signal {
            name,
            deadline: Some(deadline),
        } => format!("for signal {name:?} until {}", time(*deadline)),
        Wait::Run { run } => format!("for run {}", child(*run)),
    }
}

fn next(then: &Then) -> String {
    match then {
        Then::CallAgain => "call-again".to_owned(),
        Then::Complete(output) => format!("complete {output}"),
    }
}

fn woken(wake: &Wake) -> String {
    match wake {
        Wake::Timer => "timer".to_owned(),
        Wake::Signal { name, payload } => format!("signal {name:?} {payload}"),
        Wake::SignalTimeout => "signal-timeout".to_owned(),
    }
}

fn left(state: &[u8]) -> String {
    if state.is_empty() {
        String::new()
    } else {
        format!(" with state {:?}", String::from_utf8_lossy(state))
    }
}

fn why(failure: &Failure) -> String {
    let kind = match failure.kind {
        FailureKind::Retryable => "retryable".to_owned(),
        FailureKind::RateLimited { after_ms: None } => "rate-limited".to_owned(),
        FailureKind::RateLimited {
            after_ms: Some(after_ms),
        } => {
            format!(
                "rate-limited after {}",
                span(Duration::from_millis(after_ms))
            )
        }
        FailureKind::Permanent => "permanent".to_owned(),
        FailureKind::Timeout => "timeout".to_owned(),
        FailureKind::Cancelled => "cancelled".to_owned(),
        FailureKind::OutcomeUnknown => "outcome-unknown".to_owned(),
    };
    let details = failure
        .details
        .as_ref()
        .map(|details| format!(" {details}"))
        .unwrap_or_default();
    format!("{kind} {} {:?}{details}", failure.code, failure.message)
}

fn said(log: &[LogLine]) -> String {
    log.iter()
        .map(|line| format!(", said {:?}", line.message))
        .collect()
}
