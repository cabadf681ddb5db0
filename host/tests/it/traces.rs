//! Spans: what a request led to is seen together, whoever did it and however long it took.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millwork::clock::ManualClock;
use millwork::engine::{Options, RetryFrom, RetryWith, Trigger};
use millwork::traces::Traces;
use millwork_bench::api::{Api, run_id};
use millwork_bench::client::Request;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::sink::{Sink, Temper};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome};
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use opentelemetry::trace::Status;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanProcessor};
use prost::Message as _;
use serde_json::json;

use crate::plugins::pause;
use crate::support::harness::{Harness, Setup, workflow};
use crate::support::scripted::Scripted;

/// What a caller says.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps spans, for a look.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().expect("nobody panics").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Kept {
    fn all(&self) -> Vec<SpanData> {
        self.0.lock().expect("nobody panics").clone()
    }

    /// The spans of a name.
    fn named(&self, name: &str) -> Vec<SpanData> {
        let mut all = self.all();
        all.retain(|span| span.name == name);
        all
    }

    /// The one span of a name.
    fn one(&self, name: &str) -> SpanData {
        let mut named = self.named(name);
        assert_eq!(named.len(), 1, "{name}: {:#?}", self.all());
        named.remove(0)
    }
}

fn is_part_of(part: &SpanData, whole: &SpanData) -> bool {
    part.span_context.trace_id() == whole.span_context.trace_id()
        && part.parent_span_id == whole.span_context.span_id()
}

fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|of| of.key.as_str() == name);
    found.map(|of| of.value.to_string()).unwrap_or_default()
}

fn took(span: &SpanData) -> Duration {
    let took = span.end_time.duration_since(span.start_time);
    took.expect("it ends after it began")
}

/// A host in memory whose spans are kept.
fn host(plugins: Scripted, one_in: u32) -> (Harness, Kept) {
    let kept = Kept::default();
    let clock = ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000));
    let traces = Traces::to(Box::new(kept.clone()), one_in, Arc::new(clock.clone()));
    let host = Harness::with(Setup {
        options: Options {
            traces,
            ..Options::default()
        },
        plugins,
        clock,
        ..Setup::default()
    });
    (host, kept)
}

async fn trigger(host: &Harness, workflow: WorkflowId, trace: Option<&str>) -> RunId {
    let trigger = Trigger {
        workflow,
        version: None,
        payload: Json::from(json!({})),
        idempotency_key: None,
        labels: BTreeMap::new(),
        trace: trace.map(|text| text.parse().expect("it is one")),
    };
    host.engine.trigger(trigger).await.expect("it is accepted")
}

fn caller() -> TraceContext {
    CALLER.parse().expect("it is one")
}

#[tokio::test]
async fn a_run_its_steps_and_their_calls_are_parts_of_what_the_caller_said() {
    for plugins in [
        Scripted::new(),
        Scripted::new().with_pure(
            "echo",
            |call| async move { Ok(Outcome::Completed(call.config)) },
        ),
    ] {
        let (host, kept) = host(plugins, 1);
        let steps = json!([
            {"name": "a", "type": "echo"},
            {"name": "b", "type": "echo", "needs": ["a"]},
        ]);
        let workflow = host.create(workflow(&steps)).await;
        let run = trigger(&host, workflow, Some(CALLER)).await;
        host.succeeded(run).await;
        host.settle().await;
        let whole = kept.one("run");
        let trace = u128::from_be_bytes(whole.span_context.trace_id().to_bytes());
        assert_eq!(trace, caller().trace());
        let parent = u64::from_be_bytes(whole.parent_span_id.to_bytes());
        assert_eq!(parent, caller().span());
        assert_eq!(attribute(&whole, "millwork.run.id"), run.to_string());
        assert_eq!(attribute(&whole, "millwork.run.status"), "success");
        for name in ["a", "b"] {
            let step = kept.one(&format!("step {name}"));
            assert!(is_part_of(&step, &whole), "{step:#?}");
            let calls = kept.named("call echo");
            assert_eq!(calls.len(), 2, "{calls:#?}");
            let of_it = calls.iter().filter(|call| is_part_of(call, &step));
            assert_eq!(of_it.count(), 1, "{calls:#?}");
        }
        // What the plugin was told is the place of its call.
        let told = host.plugins.calls()[0].trace.expect("it is traced");
        let first = kept.named("call echo")[0].span_context.span_id();
        assert_eq!(told.at.span(), u64::from_be_bytes(first.to_bytes()));
        assert!(told.is_recorded);
    }
}

#[tokio::test]
async fn a_step_that_waits_through_a_crash_is_one_span() {
    let (host, kept) = host(Scripted::new(), 1);
    let steps = json!([{"name": "nap", "type": "delay", "config": {"duration": 3600}}]);
    let workflow = host.create(workflow(&steps)).await;
    let run = trigger(&host, workflow, None).await;
    host.until(run, "the wait", |view| view.run.wake_at().is_some())
        .await;
    assert_eq!(kept.named("step nap").len(), 0);
    let host = host.crash_after(Duration::from_secs(3600)).await;
    host.succeeded(run).await;
    host.settle().await;
    let (whole, step, call) = (
        kept.one("run"),
        kept.one("step nap"),
        kept.one("call delay"),
    );
    assert!(is_part_of(&step, &whole) && is_part_of(&call, &step));
    assert!(took(&step) >= Duration::from_secs(3600), "{step:#?}");
    assert!(took(&call) < Duration::from_secs(60), "{call:#?}");
    assert_eq!(
        whole.parent_span_id,
        opentelemetry::SpanId::INVALID,
        "nobody said anything: it begins the trace"
    );
}

#[tokio::test]
async fn every_attempt_is_a_call_and_a_run_that_is_done_again_is_another_span() {
    let plugins = Scripted::new().with("flaky", |call| async move {
        match call.attempt {
            3 => Err(Failure::permanent("refused", "no more")),
            _ => Err(Failure::retryable("busy", "come back")),
        }
    });
    let (host, kept) = host(plugins, 1);
    let retry = json!({"max_attempts": 3, "initial": "1s", "jitter": "none"});
    let steps = json!([{"name": "a", "type": "flaky", "retry": retry}]);
    let workflow = host.create(workflow(&steps)).await;
    let run = trigger(&host, workflow, Some(CALLER)).await;
    for _ in 0..2 {
        host.until(run, "the wait", |view| view.run.wake_at().is_some())
            .await;
        host.clock.advance(Duration::from_secs(10));
        host.settle().await;
    }
    let view = host.finished(run).await;
    assert_eq!(view.run.status(), RunStatus::Failed);
    host.settle().await;
    let step = kept.one("step a");
    let calls = kept.named("call flaky");
    let failures: Vec<_> = calls.iter().map(|of| attribute(of, "error.type")).collect();
    assert_eq!(failures, ["busy", "busy", "refused"]);
    assert!(calls.iter().all(|call| is_part_of(call, &step)));
    let error = |span: &SpanData| span.status == Status::error("no more");
    assert!(error(&calls[2]) && error(&step), "{calls:#?}");
    let whole = kept.one("run");
    assert!(matches!(whole.status, Status::Error { .. }), "{whole:#?}");

    host.clock.advance(Duration::from_secs(100));
    let again = host
        .engine
        .retry_run(run, RetryFrom::Failure, RetryWith::Pinned);
    again.await.expect("it failed");
    host.until(run, "the wait", |view| view.run.wake_at().is_some())
        .await;
    host.engine
        .cancel_run(run, None)
        .await
        .expect("it is under way");
    host.settle().await;
    let runs = kept.named("run");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_ne!(
        runs[0].span_context.span_id(),
        runs[1].span_context.span_id()
    );
    assert_eq!(runs[0].parent_span_id, runs[1].parent_span_id);
    assert_eq!(attribute(&runs[1], "millwork.run.retries"), "1");
    assert!(took(&runs[1]) < Duration::from_secs(60), "{runs:#?}");
    let steps = kept.named("step a");
    assert!(is_part_of(&steps[1], &runs[1]), "{steps:#?}");
    assert_eq!(attribute(&steps[1], "millwork.step.status"), "cancelled");
}

#[tokio::test]
async fn a_run_that_is_a_step_is_a_part_of_that_step() {
    let (host, kept) = host(Scripted::new(), 1);
    let inner = json!({"id": "inner", "name": "inner", "steps": [{"name": "x", "type": "echo"}]});
    host.create(inner).await;
    let steps = json!([{"name": "sub", "type": "workflow", "config": {"workflow": "inner"}}]);
    let outer = host.create(workflow(&steps)).await;
    let run = trigger(&host, outer, Some(CALLER)).await;
    host.succeeded(run).await;
    host.settle().await;
    let step = kept.one("step sub");
    let runs = kept.named("run");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    let child = runs.iter().find(|of| is_part_of(of, &step));
    let child = child.expect("the child is a part of the step");
    assert!(is_part_of(&kept.one("step x"), child));
}

#[tokio::test]
async fn what_is_not_recorded_is_passed_on_and_not_told() {
    let (host, kept) = host(Scripted::new(), 1);
    let steps = json!([{"name": "a", "type": "echo"}]);
    let id = host.create(workflow(&steps)).await;
    let unsampled = CALLER.replace("-01", "-00");
    let run = trigger(&host, id, Some(&unsampled)).await;
    host.succeeded(run).await;
    let told = host.plugins.calls()[0].trace.expect("it is passed on");
    assert_eq!(told.at.trace(), caller().trace());
    assert!(!told.is_recorded && !told.at.is_sampled());
    assert!(kept.all().is_empty(), "{:#?}", kept.all());

    // Where nobody collects spans, what a caller says is passed on as it is, and nothing else.
    let host = Harness::new();
    let id = host.create(workflow(&steps)).await;
    for trace in [Some(CALLER), None] {
        let run = trigger(&host, id, trace).await;
        host.succeeded(run).await;
        let told = host.plugins.calls().pop().expect("it was called").trace;
        assert_eq!(told.map(|told| told.at), trace.map(|_| caller()));
    }
}

#[tokio::test]
async fn of_many_traces_that_begin_here_one_is_recorded() {
    let (host, kept) = host(Scripted::new(), 4);
    let steps = json!([{"name": "a", "type": "echo"}]);
    let id = host.create(workflow(&steps)).await;
    for _ in 0..400 {
        let run = trigger(&host, id, None).await;
        host.succeeded(run).await;
    }
    host.settle().await;
    let (runs, steps) = (kept.named("run").len(), kept.named("step a").len());
    assert_eq!(runs, steps, "a trace is recorded as a whole");
    // 100 expected; less than 50 or more than 150 comes about once in a hundred million times.
    assert!((50..150).contains(&runs), "{runs}");
}

/// A span as a collector gets it.
#[derive(Debug)]
struct Got {
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: BTreeMap<String, String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: Option<any_value::Value>) -> String {
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// What has come to a collector: the services that it came from, and the spans.
fn got(collector: &Sink) -> (Vec<String>, Vec<Got>) {
    let (mut services, mut spans) = (Vec::new(), Vec::new());
    for call in collector.calls() {
        assert_eq!(call.header("content-type"), ["application/x-protobuf"]);
        assert_eq!(call.header("authorization"), ["Bearer xyzzy"]);
        let request = ExportTraceServiceRequest::decode(&*call.raw_body).expect("it is OTLP");
        for of in request.resource_spans {
            let resource = of.resource.expect("it says what it is");
            let name = resource
                .attributes
                .into_iter()
                .find(|of| of.key == "service.name");
            services.extend(name.map(|of| text(of.value.and_then(|of| of.value))));
            let all = of.scope_spans.into_iter().flat_map(|of| of.spans);
            spans.extend(all.map(|span| {
                Got {
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    attributes: span
                        .attributes
                        .into_iter()
                        .map(|of| (of.key, text(of.value.and_then(|of| of.value))))
                        .collect(),
                }
            }));
        }
    }
    (services, spans)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_a_request_and_all_that_it_led_to() {
    let (collector, target) = (
        Sink::open(Temper::default()).await.expect("it starts"),
        Sink::open(Temper::default()).await.expect("it starts"),
    );
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("millwork.toml");
    std::fs::write(
        &config,
        "[traces]\nheaders.authorization = 'Bearer xyzzy'\n",
    )
    .expect("it is written");
    let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    options.server_args = vec!["--config".to_owned(), config.display().to_string()];
    let base = collector.url("");
    let mut server = Millwork::prepare(&options)
        .expect("it is prepared")
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", base.trim_end_matches('/'))
        .with_variable("OTEL_SERVICE_NAME", "shop-workflows");
    server.start().await.expect("it starts");
    server.ready().await.expect("it is ready");
    let mut api = Api::new(server.address());
    let definition = json!({"name": "tell", "steps": [
        {"name": "tell", "type": "webhook", "config": {"url": target.url("/told/key"), "method": "POST", "body": {"a": 1}}},
    ]});
    let workflow = api.create_workflow(&definition).await.expect("it holds");
    let request = Request::post("/api/v1/trigger")
        .header("traceparent", CALLER)
        .json(&json!({"workflow_id": workflow, "payload": {}}));
    let answer = api.call(&request).await.expect("it is answered");
    let run = run_id(&answer).expect("it is accepted");
    for _ in 0..600 {
        let found = api.find_run(&run).await.expect("it answers");
        if found.is_some_and(|run| run.is_finished()) {
            break;
        }
        pause(50).await;
    }
    // What still waits is handed over when the server ends in good order.
    server.terminate().await.expect("it ends");
    let (services, spans) = got(&collector);
    assert!(
        !services.is_empty() && services.iter().all(|of| of == "shop-workflows"),
        "{services:?}"
    );
    let one = |name: &str| {
        let of_trace = |span: &&Got| span.trace == CALLER[3..35] && span.name == name;
        let found: Vec<_> = spans.iter().filter(of_trace).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:#?}");
        found[0]
    };
    let chain = [
        "POST /api/v1/trigger",
        "run",
        "step tell",
        "call webhook",
        "POST",
    ];
    let mut parent = CALLER[36..52].to_owned();
    for name in chain {
        let span = one(name);
        assert_eq!(span.parent, parent, "{name}: {spans:#?}");
        parent.clone_from(&span.id);
    }
    let sent = one("POST");
    assert_eq!(sent.attributes["http.response.status_code"], "200");
    assert_eq!(sent.attributes["server.address"], "127.0.0.1");
    // Who was asked knows whose part its own spans are.
    let told = &target.calls()[0];
    let marked: TraceContext = told.header("traceparent")[0].parse().expect("it is one");
    assert_eq!(format!("{:016x}", marked.span()), sent.id);
    assert_eq!(format!("{:032x}", marked.trace()), sent.trace);
    // What may hold a secret is not told.
    assert!(!format!("{spans:?}").contains("/told/key"), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_harms_nothing() {
    let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    let mut server = Millwork::prepare(&options)
        .expect("it is prepared")
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    server.start().await.expect("it starts");
    server.ready().await.expect("it is ready");
    let mut api = Api::new(server.address());
    let definition = json!({"name": "nap", "steps": [{"name": "nap", "type": "delay", "config": {"duration": 0}}]});
    let workflow = api.create_workflow(&definition).await.expect("it holds");
    let run = api.trigger(&workflow, &json!({})).await.expect("accepted");
    for _ in 0..600 {
        let found = api.find_run(&run).await.expect("it answers");
        if found.is_some_and(|run| run.is_finished()) {
            server.terminate().await.expect("it ends in good order");
            return;
        }
        pause(50).await;
    }
    panic!("the run has not ended");
}
