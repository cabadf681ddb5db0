//! What a run or a step of it waits for.

use std::borrow::Cow;

use millwork_core::event::Wait;
use millwork_core::id::RunId;
use millwork_core::outcome::Failure;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::json::Time;

/// What a run or a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct WaitingFor<'a> {
    /// A time that the step asked for, a signal, the next attempt after a failed one, the end of another run, or somebody
    /// who lets a paused run go on.
    kind: WaitKind,
    /// When the clock ends the wait; null where it never does.
    #[schema(required)]
    until: Option<Time>,
    /// The step that waits; absent where the whole run does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cool-off")]
    step: Option<Cow<'a, str>>,
    /// The run whose end it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Since when the run is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    /// Which attempt is waited for, where it is the next after a failed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// The signal's name, where it waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    /// Why the last attempt failed, where the next one is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<StepFailure<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WaitKind)]
enum WaitKind {
    Time,
    Signal,
    Retry,
    Run,
    Paused,
}

/// Why an attempt at a step failed, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct StepFailure<'a> {
    /// A word for programs.
    #[schema(example = "http-503")]
    pub(super) code: &'a str,
    /// A sentence for people.
    #[schema(example = "GET https://shop.example/orders/7 answered 503 Service Unavailable")]
    pub(super) message: &'a str,
}

impl<'a> WaitingFor<'a> {
    /// It waits, as a step.
    fn new(kind: WaitKind, step: &StepKey) -> Self {
        Self {
            kind,
            until: None,
            step: Some(Cow::Owned(step.to_string())),
            run: None,
            since: None,
            attempt: None,
            signal: None,
            failure: None,
        }
    }

    pub(super) fn of(step: &StepKey, wait: &'a Wait) -> Self {
        let until = wait.due().map(Time);
        match wait {
            Wait::Time { .. } => Self {
                until,
                ..Self::new(WaitKind::Time, step)
            },
            Wait::Signal { name, .. } => Self {
                until,
                signal: Some(name),
                ..Self::new(WaitKind::Signal, step)
            },
            Wait::Run { run } => Self {
                run: Some(*run),
                ..Self::new(WaitKind::Run, step)
            },
        }
    }

    pub(super) fn next_attempt(
        step: &StepKey,
        attempt: u32,
        due: Timestamp,
        failure: &'a Failure,
    ) -> Self {
        Self {
            until: Some(Time(due)),
            attempt: Some(attempt),
            failure: Some(StepFailure::of(failure)),
            ..Self::new(WaitKind::Retry, step)
        }
    }

    /// The whole run is held.
    pub(super) fn held(since: Timestamp) -> Self {
        Self {
            kind: WaitKind::Paused,
            until: None,
            step: None,
            run: None,
            since: Some(Time(since)),
            attempt: None,
            signal: None,
            failure: None,
        }
    }

    /// When it ends, at the latest.
    pub(super) fn is_until(&self) -> Timestamp {
        self.until.map_or(Timestamp::MAX, |until| until.0)
    }
}

impl<'a> StepFailure<'a> {
    pub(super) fn of(failure: &'a Failure) -> Self {
        Self {
            code: &failure.code,
            message: &failure.message,
        }
    }
}
