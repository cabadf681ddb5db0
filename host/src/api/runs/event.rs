//! An event of a run's journal, as the API shows it. What the journal keeps for the machine alone (a plugin's state) is left out.

use std::collections::BTreeMap;

use millwork_core::event::{End, Event, LogLine, Pin, Record, Seq, Wait};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::Wake;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::json::Time;
use super::origin::StartedBy;
use super::status::RunStatus;
use super::step::LogEntry;
use super::view::ParentStep;
use super::waiting::StepFailure;

/// Something that happened to a run. What an event of its type does not have is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunEvent)]
pub(in crate::api) struct EventView<'a> {
    /// Its place in the run's journal, from 0.
    #[schema(example = 3)]
    pub(super) seq: Seq,
    /// When it was decided.
    at: Time,
    /// What happened: `run-created`, `step-succeeded`, …
    #[schema(example = "step-succeeded")]
    pub(super) r#type: &'static str,
    /// The step that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "fetch")]
    step: Option<&'a str>,
    /// Which iteration of it, from 0, where it is a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u32>,
    /// Which attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    attempt: Option<u32>,
    /// When the attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    /// The step's result; any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    output: Option<&'a RawValue>,
    /// What the trigger or the signal carried; any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    payload: Option<&'a RawValue>,
    /// What a loop goes through: a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>)]
    items: Option<&'a RawValue>,
    /// How many iterations of a loop are under way at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10)]
    parallel: Option<u32>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StepFailure<'a>>,
    /// Whether the run goes on all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    continued: Option<bool>,
    /// When the clock has something to do about it: the next attempt, or the end of a wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    /// The signal's name, where one is waited for or has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "approved")]
    signal: Option<&'a str>,
    /// What woke the step: `timer`, `signal` or `signal-timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "timer")]
    woken_by: Option<&'static str>,
    /// The run that the step waits for, or waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    run_id: Option<RunId>,
    /// How that run ended, or how this one will.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<RunStatus>,
    /// Why that run failed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// The steps that are done again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["charge", "reserve[3]"]))]
    steps: Option<Vec<String>>,
    /// What was said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "the order was taken back")]
    reason: Option<&'a str>,
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// The version of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_version: Option<u32>,
    /// What started the run, where nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<StartedBy<'a>>,
    /// The step of another run that the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ParentStep>,
    /// The exact plugin of each `type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugins: Option<BTreeMap<&'a str, PinView<'a>>>,
    /// What the step's plugin said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    log: Vec<LogEntry<'a>>,
}

/// The exact plugin that a run uses for a `type`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunPlugin)]
struct PinView<'a> {
    /// The SHA-256 of its bytes.
    digest: String,
    /// The action.
    #[schema(example = "request")]
    action: &'a str,
}

impl<'a> EventView<'a> {
    /// Shows a record.
    pub(super) fn of(seq: Seq, record: &'a Record) -> Self {
        let view = Self::new(seq, record.at, name(&record.event));
        match &record.event {
            Event::RunCreated(created) => Self {
                payload: Some(created.payload.raw()),
                workflow_id: Some(created.workflow),
                workflow_version: Some(created.version),
                until: created.deadline.map(Time),
                started_by: created.origin.as_ref().map(StartedBy::of),
                parent: created.parent.as_ref().map(ParentStep::of),
                plugins: Some(pins(&created.plugins)),
                ..view
            },
            Event::RunAdmitted {} => view,
            Event::StepStarted { step, attempt } => view.of_step(step, *attempt),
            Event::StepSuspended {
                step,
                attempt,
                started_at,
                wait,
                log,
                ..
            } => {
                let (signal, run_id) = match wait {
                    Wait::Time { .. } => (None, None),
                    Wait::Signal { name, .. } => (Some(name.as_str()), None),
                    Wait::Run { run } => (None, Some(*run)),
                };
                Self {
                    until: wait.due().map(Time),
                    signal,
                    run_id,
                    ..view.of_attempt(step, *attempt, *started_at, log)
                }
            }
            Event::StepResumed { step, wake } => {
                let (woken_by, signal, payload) = match wake {
                    Wake::Timer => ("timer", None, None),
                    Wake::Signal { name, payload } => {
                        ("signal", Some(name.as_str()), Some(payload.raw()))
                    }
                    Wake::SignalTimeout => ("signal-timeout", None, None),
                };
                Self {
                    woken_by: Some(woken_by),
                    signal,
                    payload,
                    ..view.at_step(step)
                }
            }
            Event::StepSucceeded {
                step,
                attempt,
                started_at,
                output,
                log,
            } => Self {
                output: Some(output.raw()),
                ..view.of_attempt(step, *attempt, *started_at, log)
            },
            Event::StepRetryScheduled {
                step,
                attempt,
                started_at,
                failure,
                due,
                log,
            } => Self {
                failure: Some(StepFailure::of(failure)),
                until: Some(Time(*due)),
                ..view.of_attempt(step, *attempt, *started_at, log)
            },
            Event::StepFailed {
                step,
                attempt,
                started_at,
                failure,
                continued,
                log,
            } => Self {
                failure: Some(StepFailure::of(failure)),
                continued: continued.then_some(true),
                ..view.of_attempt(step, *attempt, *started_at, log)
            },
            Event::LoopStarted {
                step,
                items,
                parallel,
            } => Self {
                items: Some(items.raw()),
                parallel: Some(*parallel),
                ..view.at_step(step)
            },
            Event::StepSkipped { step } | Event::StepCancelled { step } => view.at_step(step),
            Event::SignalReceived { name, payload, .. } => Self {
                signal: Some(name),
                payload: Some(payload.raw()),
                ..view
            },
            Event::ChildEnded {
                step,
                run,
                status,
                output,
                error,
            } => Self {
                run_id: Some(*run),
                status: Some((*status).into()),
                output: output.as_ref().map(Json::raw),
                error: error.as_deref(),
                ..view.at_step(step)
            },
            Event::EndBegan { end } => view.of_end(end),
            Event::RunSucceeded { output } => Self {
                output: output.as_ref().map(Json::raw),
                ..view
            },
            Event::RunFailed {
                step,
                code,
                message,
            } => Self {
                failure: Some(StepFailure { code, message }),
                ..view.at_some_step(step.as_ref())
            },
            Event::RunPaused { reason }
            | Event::RunCancelled { reason }
            | Event::RunKilled { reason } => Self {
                reason: reason.as_deref(),
                ..view
            },
            Event::RunResumed {} => view,
            Event::RunRetried {
                reset,
                version,
                plugins,
                deadline,
            } => Self {
                steps: Some(reset.iter().map(ToString::to_string).collect()),
                workflow_version: *version,
                plugins: plugins.as_deref().map(pins),
                until: deadline.map(Time),
                ..view
            },
        }
    }

    const fn new(seq: Seq, at: Timestamp, r#type: &'static str) -> Self {
        Self {
            seq,
            at: Time(at),
            r#type,
            step: None,
            iteration: None,
            attempt: None,
            started_at: None,
            output: None,
            payload: None,
            items: None,
            parallel: None,
            failure: None,
            continued: None,
            until: None,
            signal: None,
            woken_by: None,
            run_id: None,
            status: None,
            error: None,
            steps: None,
            reason: None,
            workflow_id: None,
            workflow_version: None,
            started_by: None,
            parent: None,
            plugins: None,
            log: Vec::new(),
        }
    }

    fn at_step(self, step: &'a StepKey) -> Self {
        Self {
            step: Some(&step.name),
            iteration: step.iteration,
            ..self
        }
    }

    fn at_some_step(self, step: Option<&'a StepKey>) -> Self {
        match step {
            Some(step) => self.at_step(step),
            None => self,
        }
    }

    fn of_end(self, end: &'a End) -> Self {
        use millwork_core::run::RunStatus::{Cancelled, Failed, Success};
        let of = |view: Self, status: millwork_core::run::RunStatus| Self {
            status: Some(status.into()),
            ..view
        };
        match end {
            End::Succeeded { output } => Self {
                output: output.as_ref().map(Json::raw),
                ..of(self, Success)
            },
            End::Failed {
                step,
                code,
                message,
            } => Self {
                failure: Some(StepFailure { code, message }),
                ..of(self.at_some_step(step.as_ref()), Failed)
            },
            End::Cancelled { reason } => Self {
                reason: reason.as_deref(),
                ..of(self, Cancelled)
            },
        }
    }

    fn of_step(self, step: &'a StepKey, attempt: u32) -> Self {
        Self {
            attempt: Some(attempt),
            ..self.at_step(step)
        }
    }

    fn of_attempt(
        self,
        step: &'a StepKey,
        attempt: u32,
        started_at: Timestamp,
        log: &'a [LogLine],
    ) -> Self {
        Self {
            started_at: Some(Time(started_at)),
            log: log.iter().map(LogEntry::of).collect(),
            ..self.of_step(step, attempt)
        }
    }
}

/// What an event is called.
const fn name(event: &Event) -> &'static str {
    match event {
        Event::RunCreated(_) => "run-created",
        Event::RunAdmitted {} => "run-admitted",
        Event::StepStarted { .. } => "step-started",
        Event::StepSuspended { .. } => "step-suspended",
        Event::StepResumed { .. } => "step-resumed",
        Event::StepSucceeded { .. } => "step-succeeded",
        Event::StepRetryScheduled { .. } => "step-retry-scheduled",
        Event::StepFailed { .. } => "step-failed",
        Event::LoopStarted { .. } => "loop-started",
        Event::StepSkipped { .. } => "step-skipped",
        Event::StepCancelled { .. } => "step-cancelled",
        Event::SignalReceived { .. } => "signal-received",
        Event::ChildEnded { .. } => "child-ended",
        Event::RunPaused { .. } => "run-paused",
        Event::RunResumed {} => "run-resumed",
        Event::EndBegan { .. } => "end-began",
        Event::RunSucceeded { .. } => "run-succeeded",
        Event::RunFailed { .. } => "run-failed",
        Event::RunCancelled { .. } => "run-cancelled",
        Event::RunKilled { .. } => "run-killed",
        Event::RunRetried { .. } => "run-retried",
    }
}

fn pins(plugins: &BTreeMap<String, Pin>) -> BTreeMap<&str, PinView<'_>> {
    plugins
        .iter()
        .map(|(reference, pin)| {
            let view = PinView {
                digest: pin.digest.to_string(),
                action: &pin.action,
            };
            (reference.as_str(), view)
        })
        .collect()
}

/// What the steps' plugins said in an event: the step, the attempt, and the lines.
pub(super) fn said(event: &Event) -> Option<(&StepKey, u32, &[LogLine])> {
    match event {
        Event::StepSuspended {
            step, attempt, log, ..
        }
        | Event::StepSucceeded {
            step, attempt, log, ..
        }
        | Event::StepRetryScheduled {
            step, attempt, log, ..
        }
        | Event::StepFailed {
            step, attempt, log, ..
        } => Some((step, *attempt, log)),
        Event::RunCreated(_)
        | Event::RunAdmitted {}
        | Event::StepStarted { .. }
        | Event::StepResumed { .. }
        | Event::LoopStarted { .. }
        | Event::StepSkipped { .. }
        | Event::StepCancelled { .. }
        | Event::SignalReceived { .. }
        | Event::ChildEnded { .. }
        | Event::RunPaused { .. }
        | Event::RunResumed {}
        | Event::EndBegan { .. }
        | Event::RunSucceeded { .. }
        | Event::RunFailed { .. }
        | Event::RunCancelled { .. }
        | Event::RunKilled { .. }
        | Event::RunRetried { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let record = Record::decode(text).expect("it is a record");
        let view = EventView::of(7, &record);
        serde_json::to_string(&view).expect("it is JSON")
    }

    #[test]
    fn an_event_shows_what_it_has_and_nothing_that_is_for_the_machine_alone() {
        let records = [
            r#"{"v":1,"at":1,"event":{"run-created":{"workflow":"018bcfe5-6800-7707-8707-07070707abcd","version":2,"payload":{"n":1.10},"plugins":{}}}}"#,
            r#"{"v":1,"at":2,"event":{"step-suspended":{"step":["a",3],"attempt":1,"started_at":1,"wait":{"signal":{"name":"go","deadline":9}},"state":"c2VjcmV0","then":"call-again"}}}"#,
            r#"{"v":1,"at":3,"event":{"step-resumed":{"step":"a","wake":{"signal":{"name":"go","payload":[1]}}}}}"#,
            r#"{"v":1,"at":4,"event":{"step-retry-scheduled":{"step":"a","attempt":2,"started_at":3,"failure":{"kind":"retryable","code":"http-503","message":"no"},"due":8,"log":[{"at":3,"level":"info","message":"m"}]}}}"#,
            r#"{"v":1,"at":5,"event":{"run-cancelled":{"reason":"r"}}}"#,
        ];
        insta::assert_snapshot!(records.map(shown).join("\n"), @r#"
        {"seq":7,"at":"1970-01-01T00:00:00.000001Z","type":"run-created","payload":{"n":1.10},"workflow_id":"018bcfe5-6800-7707-8707-07070707abcd","workflow_version":2,"plugins":{}}
        {"seq":7,"at":"1970-01-01T00:00:00.000002Z","type":"step-suspended","step":"a","iteration":3,"attempt":1,"started_at":"1970-01-01T00:00:00.000001Z","until":"1970-01-01T00:00:00.000009Z","signal":"go"}
        {"seq":7,"at":"1970-01-01T00:00:00.000003Z","type":"step-resumed","step":"a","payload":[1],"signal":"go","woken_by":"signal"}
        {"seq":7,"at":"1970-01-01T00:00:00.000004Z","type":"step-retry-scheduled","step":"a","attempt":2,"started_at":"1970-01-01T00:00:00.000003Z","failure":{"code":"http-503","message":"no"},"until":"1970-01-01T00:00:00.000008Z","log":[{"at":"1970-01-01T00:00:00.000003Z","level":"info","message":"m"}]}
        {"seq":7,"at":"1970-01-01T00:00:00.000005Z","type":"run-cancelled","reason":"r"}
        "#);
    }
}
