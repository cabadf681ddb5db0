//! Spans, for OpenTelemetry: of requests to the API, of runs, their steps, the calls of plugins, and the requests that plugins send.
//!
//! A span is told when it has ended, by whoever sees its end, after that is durable. Its identifier is made of what it is about, and
//! the trace of a run stands in its first event: so nobody has to remember either, and what was begun in one process and ended days
//! later in another fits together. Where nobody collects spans, all of this is one question whether there is something to do.

mod export;

pub use export::{Error, Options};

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millwork_core::event::{Event, Record};
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::outcome::Failure;
use millwork_core::run::{Phase, Run, RunStatus};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use millwork_plugin::{CallTrace, Invocation, SentRequest};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, TraceId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};

use crate::clock::Clock;
use crate::random;

/// Where spans go; nowhere, where nobody collects them. Cheap to clone: every clone is the same one.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Collected>>);

struct Collected {
    processor: Box<dyn SpanProcessor>,
    scope: InstrumentationScope,
    clock: Arc<dyn Clock>,
    /// Of so many traces that begin here, one is recorded.
    one_in: u32,
}

/// A span that has ended.
struct Span {
    /// Its own place.
    at: TraceContext,
    /// The span that it is a part of.
    parent: Option<u64>,
    kind: SpanKind,
    name: String,
    began: Timestamp,
    ended: Timestamp,
    attributes: Vec<KeyValue>,
    failure: Option<String>,
}

/// A call of a plugin that is under way.
pub(crate) struct Calling {
    at: TraceContext,
    /// The place of its step.
    within: TraceContext,
    run: RunId,
    /// The step's `type`.
    kind: String,
    attempt: u32,
    began: Timestamp,
}

/// A request to the API that is under way.
pub(crate) struct Asking {
    /// Its place.
    pub(crate) at: TraceContext,
    /// What the caller said.
    parent: Option<TraceContext>,
    began: Timestamp,
}

impl Traces {
    /// Hands spans to a processor. Of so many traces that begin here, one is recorded; of those that come from elsewhere, the ones
    /// that are said to be.
    #[must_use]
    pub fn to(processor: Box<dyn SpanProcessor>, one_in: u32, clock: Arc<dyn Clock>) -> Self {
        let scope = InstrumentationScope::builder("millwork")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self(Some(Arc::new(Collected {
            processor,
            scope,
            clock,
            one_in: one_in.max(1),
        })))
    }

    /// Whether somebody collects spans.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Hands over what still waits. Blocks, for so long at most.
    pub fn shut_down(&self, at_most: Duration) {
        if let Some(collected) = &self.0
            && let Err(error) = collected.processor.shutdown_with_timeout(at_most)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last spans were not handed over"
            );
        }
    }

    /// A request begins, below what its caller said, or as the beginning of a trace; nothing, where nobody collects spans.
    pub(crate) fn begin_request(&self, parent: Option<TraceContext>) -> Option<Asking> {
        let collected = self.0.as_ref()?;
        let (trace, span) = random::trace();
        let at = match parent {
            Some(parent) => parent.below(span),
            None => TraceContext::new(trace, span, collected.is_chosen(trace)),
        };
        Some(Asking {
            at,
            parent,
            began: collected.clock.now(),
        })
    }

    /// What the first event of a run says of its trace, where nobody who started it said something. The span in it is none, and
    /// tells that the run begins the trace.
    pub(crate) fn beginning(&self, run: RunId) -> Option<TraceContext> {
        let collected = self.0.as_ref()?;
        let (trace, _) = random::trace();
        let is_chosen = collected.is_chosen(trace);
        Some(TraceContext::new(trace, nobody(run), is_chosen))
    }

    /// What others are told of the trace of a run: the place of the run itself, or what was said when it was started.
    pub(crate) fn of_run(&self, run: &Run) -> Option<TraceContext> {
        let said = run.created().trace?;
        Some(match self.is_on() {
            true => place_of_run(run.id(), run.round(), said),
            false => said,
        })
    }

    /// What a run is told that a step of another is.
    pub(crate) fn of_step(&self, run: &Run, step: &StepKey) -> Option<TraceContext> {
        let said = self.of_run(run)?;
        Some(match self.is_on() {
            true => place_of_step(said, step),
            false => said,
        })
    }

    /// What a call of a plugin for a step is told of its trace.
    pub(crate) fn of_call(&self, step: TraceContext, attempt: u32, at: Timestamp) -> CallTrace {
        match self.is_on() && step.is_sampled() {
            true => CallTrace {
                // An attempt that waits is called again, and after a crash it is made again.
                at: step.child(&format!("call {attempt} {}", at.as_micros())),
                is_recorded: true,
            },
            false => CallTrace {
                at: step,
                is_recorded: false,
            },
        }
    }

    /// Tells of a request to the API.
    pub(crate) fn tell_request(&self, request: &Asking, method: &str, route: &str, status: u16) {
        let Some(collected) = self.for_sampled(Some(request.at)) else {
            return;
        };
        collected.tell(Span {
            at: request.at,
            parent: request.parent.map(|parent| parent.span()),
            kind: SpanKind::Server,
            name: format!("{method} {route}"),
            began: request.began,
            ended: collected.clock.now(),
            attributes: vec![
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ],
            failure: (status >= 500).then(|| format!("answered with {status}")),
        });
    }

    /// Tells of what a run has come to by events that are durable now: of steps that have ended.
    pub(crate) fn tell_steps(&self, run: &Run, records: &[Record]) {
        let Some(collected) = self.for_sampled(run.created().trace) else {
            return;
        };
        let Some(at) = self.of_run(run) else {
            return;
        };
        for record in records {
            let (Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepCancelled { step, .. }) = &record.event
            else {
                continue;
            };
            let Some(found) = run.step(step) else {
                continue;
            };
            let (status, failure) = match &found.phase {
                Phase::Failed { failure, .. } => ("failed", Some(failure.message.clone())),
                Phase::Cancelled => ("cancelled", None),
                _ => ("success", None),
            };
            let mut attributes = vec![
                KeyValue::new("millwork.run.id", run.id().to_string()),
                KeyValue::new("millwork.step.name", step.name.to_string()),
                KeyValue::new("millwork.step.status", status),
                KeyValue::new("millwork.step.attempts", i64::from(found.attempt)),
            ];
            if let Some(iteration) = step.iteration {
                attributes.push(KeyValue::new(
                    "millwork.step.iteration",
                    i64::from(iteration),
                ));
            }
            collected.tell(Span {
                at: place_of_step(at, step),
                parent: Some(at.span()),
                kind: SpanKind::Internal,
                name: format!("step {}", step.name),
                began: found.started_at.unwrap_or(record.at),
                ended: record.at,
                attributes,
                failure,
            });
        }
    }

    /// Tells of a run that has ended.
    pub(crate) fn tell_run(&self, run: &Run) {
        let (Some(collected), Some(said), Some(ended)) = (
            self.for_sampled(run.created().trace),
            run.created().trace,
            run.completed_at(),
        ) else {
            return;
        };
        let created = run.created();
        let failure = (run.status() == RunStatus::Failed).then(|| {
            let error = run.error().map(|error| error.message.clone());
            error.unwrap_or_default()
        });
        let mut attributes = vec![
            KeyValue::new("millwork.run.id", run.id().to_string()),
            KeyValue::new("millwork.workflow.id", created.workflow.to_string()),
            KeyValue::new("millwork.workflow.version", i64::from(run.version())),
            KeyValue::new("millwork.run.status", run.status().as_str()),
            KeyValue::new("millwork.run.retries", i64::from(run.round())),
        ];
        if let Some(error) = run.error() {
            attributes.push(KeyValue::new("error.type", error.code.clone()));
        }
        // A run that is done again begins with its retry, and then with the first attempt that came of it.
        let began = match run.round() {
            0 => run.created_at(),
            _ => run.reopened_at().unwrap_or_else(|| run.created_at()),
        };
        collected.tell(Span {
            at: place_of_run(run.id(), run.round(), said),
            parent: (said.span() != nobody(run.id())).then(|| said.span()),
            kind: SpanKind::Internal,
            name: "run".to_owned(),
            began,
            ended,
            attributes,
            failure,
        });
    }

    /// A call of a plugin for a step begins; nothing, where nobody wants to know.
    pub(crate) fn begin_call(
        &self,
        call: &Invocation,
        within: TraceContext,
        graph: &Graph,
        step: &StepKey,
    ) -> Option<Calling> {
        let trace = call.trace.filter(|trace| trace.is_recorded)?;
        let node = graph.find(&step.name)?;
        Some(Calling {
            at: trace.at,
            within,
            run: call.run,
            kind: graph.node(node).connector.clone(),
            attempt: call.attempt,
            began: call.now,
        })
    }

    /// Tells of a call of a plugin, and of the requests that it sent.
    pub(crate) fn tell_call(
        &self,
        call: &Calling,
        failure: Option<&Failure>,
        sent: Vec<SentRequest>,
    ) {
        let Some(collected) = self.for_sampled(Some(call.at)) else {
            return;
        };
        let mut attributes = vec![
            KeyValue::new("millwork.run.id", call.run.to_string()),
            KeyValue::new("millwork.type", call.kind.clone()),
            KeyValue::new("millwork.attempt", i64::from(call.attempt)),
        ];
        if let Some(failure) = failure {
            attributes.push(KeyValue::new("error.type", failure.code.clone()));
        }
        collected.tell(Span {
            at: call.at,
            parent: Some(call.within.span()),
            kind: SpanKind::Internal,
            name: format!("call {}", call.kind),
            began: call.began,
            ended: collected.clock.now(),
            attributes,
            failure: failure.map(|failure| failure.message.clone()),
        });
        for sent in sent {
            collected.tell(outgoing(sent, &call.at));
        }
    }

    fn for_sampled(&self, trace: Option<TraceContext>) -> Option<&Collected> {
        let collected = self.0.as_deref()?;
        trace
            .is_some_and(|trace| trace.is_sampled())
            .then_some(collected)
    }
}

impl Collected {
    /// By the trace and nothing else, so that whoever is asked says the same.
    fn is_chosen(&self, trace: u128) -> bool {
        trace.is_multiple_of(u128::from(self.one_in))
    }

    fn tell(&self, span: Span) {
        let (began, ended) = (system_time(span.began), system_time(span.ended));
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from(span.at.trace()),
                SpanId::from(span.at.span()),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: span.kind == SpanKind::Server && span.parent.is_some(),
            span_kind: span.kind,
            name: span.name.into(),
            start_time: began,
            end_time: ended.max(began),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match span.failure {
                Some(description) => Status::error(description),
                None => Status::Unset,
            },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn outgoing(sent: SentRequest, call: &TraceContext) -> Span {
    let mut attributes = vec![
        KeyValue::new("http.request.method", sent.method.clone()),
        KeyValue::new("server.address", sent.host),
    ];
    if let Some(port) = sent.port {
        attributes.push(KeyValue::new("server.port", i64::from(port)));
    }
    let failure = match sent.result {
        Ok(status) => {
            attributes.push(KeyValue::new(
                "http.response.status_code",
                i64::from(status),
            ));
            (status >= 400).then(|| format!("answered with {status}"))
        }
        Err(word) => {
            attributes.push(KeyValue::new("error.type", word));
            Some(word.to_owned())
        }
    };
    Span {
        at: sent.at,
        parent: Some(call.span()),
        kind: SpanKind::Client,
        name: sent.method,
        began: sent.began,
        ended: sent.ended,
        attributes,
        failure,
    }
}

fn place_of_run(run: RunId, round: u32, said: TraceContext) -> TraceContext {
    said.child(&format!("run {run} {round}"))
}

fn place_of_step(run: TraceContext, step: &StepKey) -> TraceContext {
    run.child(&format!("step {step}"))
}

/// The span that is none: a part of the run's identifier, which no span has but by chance.
fn nobody(run: RunId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *run.as_uuid().as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
}

fn system_time(at: Timestamp) -> SystemTime {
    // A timestamp is never before 1970.
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0))
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.is_on()).finish()
    }
}
