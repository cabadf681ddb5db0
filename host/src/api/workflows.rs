//! Workflows: creating one, reading one; and in the files beside this one: lists, versions, changes.

mod change;
mod list;
mod versions;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Members};
use super::guard::Target;
use super::json::{Time, answer};
use super::openapi::{
    Body as BodyProblems, InvalidDefinition, InvalidRequest, Unavailable, UnknownWorkflow,
};
use super::problem::Problem;
use super::query::Id;
use crate::engine::WorkflowView;

pub(super) use change::{
    __path_remove, __path_restore, __path_update, __path_validate, remove, restore, update,
    validate,
};
pub(super) use list::{__path_list, list};
pub(super) use versions::{
    __path_diff, __path_show_version, __path_versions, diff, show_version, versions,
};

/// A workflow.
#[derive(ToSchema)]
#[schema(as = Definition, example = json!({
    "id": "order-paid",
    "name": "Order paid",
    "steps": [
        {"name": "cool-off", "type": "delay", "config": {"duration": 60}},
        {"name": "tell", "type": "webhook", "config": {"url": "https://shop.example/told/${payload.order_id}", "method": "POST"}},
    ],
}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
pub(super) struct Definition {
    /// An identifier of your own, by which the command line finds the workflow. It need not be unique.
    id: Option<String>,
    /// The name, for people.
    #[schema(max_length = 128)]
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Words to find it and its runs by.
    labels: Option<std::collections::HashMap<String, String>>,
    /// The JSON Schema of the payload.
    #[schema(value_type = Option<Object>)]
    input: Option<()>,
    /// What is done. A step without `needs` waits for the one above it.
    #[schema(max_items = 1000)]
    steps: Vec<StepDefinition>,
    /// What is done when the run fails, after what had succeeded is undone. `failure` is in scope.
    on_failure: Option<Vec<StepDefinition>>,
    /// What is done at the end, however the run ends.
    finally: Option<Vec<StepDefinition>>,
    /// The result of a run that succeeds: any JSON. Texts may hold `${…}`.
    #[schema(value_type = Option<Value>)]
    output: Option<()>,
    /// How long a run may take.
    #[schema(example = "24h")]
    timeout: Option<Span>,
    /// How many runs with the same key may be under way at a time.
    concurrency: Option<ConcurrencyDefinition>,
    /// How many runs with the same key may begin in a span of time.
    rate_limit: Option<RateLimitDefinition>,
    /// Which of the runs that wait goes first: 1 before 5.
    #[schema(minimum = 1, maximum = 5, example = 3)]
    priority: Option<u8>,
    /// What starts a run besides a request: `{"type": "schedule", "cron", "timezone", "missed", "payload"}`,
    /// `{"type": "webhook", "path", "verify", "headers", "dedupe"}`, `{"type": "kafka", "topic", "filter"}`.
    #[schema(max_items = 32, value_type = Option<Vec<Object>>)]
    triggers: Option<()>,
}

/// How many runs with the same key may be under way at a time.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
struct ConcurrencyDefinition {
    /// Runs with the same key share the limit; all runs of the workflow where there is none.
    #[schema(example = "${payload.customer}")]
    key: Option<String>,
    /// How many.
    #[schema(minimum = 1, example = 1)]
    limit: u32,
    /// What becomes of a run for which there is no room: `queue` (the default), `reject`, `cancel-running` or `cancel-new`.
    #[schema(example = "queue")]
    when_full: Option<String>,
}

/// How many runs with the same key may begin in a span of time.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
struct RateLimitDefinition {
    /// Runs with the same key share the limit; all runs of the workflow where there is none.
    #[schema(example = "${payload.customer}")]
    key: Option<String>,
    /// How many.
    #[schema(minimum = 1, example = 100)]
    limit: u32,
    /// The span.
    #[schema(example = "1m")]
    per: Span,
}

/// A step of a workflow.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
struct StepDefinition {
    /// Its name, unique in the workflow.
    #[schema(max_length = 128, example = "fetch")]
    name: String,
    /// What it does: a plugin, with an optional action and version.
    #[schema(example = "webhook")]
    r#type: String,
    /// For the plugin, which brings a JSON Schema for it. Texts may hold `${…}`.
    #[schema(value_type = Option<Object>)]
    config: Option<()>,
    /// The steps it waits for; the one above it where nothing is said.
    needs: Option<Vec<String>>,
    /// An expression that has to hold, or the step is skipped.
    #[schema(example = "${payload.total > 100}")]
    r#if: Option<Condition>,
    /// What it is done for, once for each: a list, or an expression that gives one. `item` and `index` are in scope.
    #[schema(value_type = Option<Value>, example = "${payload.items}")]
    foreach: Option<()>,
    /// How many items are worked on at a time.
    #[schema(minimum = 1, maximum = 1000, example = 10)]
    max_parallel: Option<u32>,
    /// What its failure means: the run fails (`fail`), or goes on with the failure for an output (`continue`).
    #[schema(example = "fail")]
    on_error: Option<String>,
    /// What undoes it, should the run fail or be cancelled after it has succeeded.
    compensate: Option<CompensateDefinition>,
    /// How it is tried again.
    retry: Option<RetryDefinition>,
    /// How long an attempt may take.
    #[schema(example = "20s")]
    timeout: Option<Span>,
    /// What a crash in the middle of an attempt means: the attempt is made again (`at-least-once`), or the step fails (`at-most-once`).
    #[schema(example = "at-least-once")]
    delivery: Option<String>,
}

/// What undoes a step.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
struct CompensateDefinition {
    /// What it does: a plugin, with an optional action and version.
    #[schema(example = "webhook")]
    r#type: String,
    /// For the plugin. Texts may hold `${…}`.
    #[schema(value_type = Option<Object>)]
    config: Option<()>,
    /// How it is tried again.
    retry: Option<RetryDefinition>,
    /// How long an attempt may take.
    timeout: Option<Span>,
    /// As of a step.
    delivery: Option<String>,
}

/// How a step is tried again.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
struct RetryDefinition {
    /// Attempts in all.
    #[schema(minimum = 1, maximum = 1000, example = 6)]
    max_attempts: Option<u32>,
    /// The wait before the second attempt.
    #[schema(example = "1s")]
    initial: Option<Span>,
    /// How much longer each further wait is.
    #[schema(minimum = 1, maximum = 100, example = 2)]
    factor: Option<f64>,
    /// The longest wait.
    #[schema(example = "1m")]
    max: Option<Span>,
    /// `full` draws each wait at random up to its length, `none` does not.
    #[schema(example = "full")]
    jitter: Option<String>,
}

/// A span of time: seconds as a number, or a text such as `500ms`, `20s` or `1h30m`.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
enum Span {
    Seconds(f64),
    Text(String),
}

/// An expression, with or without its `${…}`, or a constant.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the core"
)]
enum Condition {
    Expression(String),
    Constant(bool),
}

/// A workflow that has been created.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowCreated)]
pub(super) struct Created {
    /// Always the same sentence.
    #[schema(example = "Workflow created successfully")]
    message: &'static str,
    /// The workflow's identifier.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
}

/// Create a workflow
///
/// The definition is checked whole, each configuration by its plugin; what is refused is refused with everything that is wrong.
#[utoipa::path(
    post,
    path = "/api/v1/workflows",
    operation_id = "create_workflow",
    tag = "workflows",
    request_body(content = Definition, content_type = "application/json"),
    responses(
        (status = 200, description = "The workflow is there", body = Created),
        BodyProblems, InvalidDefinition, Unavailable,
    ),
)]
pub(super) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, api.definition_limit(), api.body_timeout()).await?;
    let workflow_id = api.engine().create_workflow(body::document(&body)?).await?;
    let created = Created {
        message: "Workflow created successfully",
        workflow_id,
    };
    Ok(Target::of(answer(StatusCode::OK, &created), &workflow_id))
}

/// A workflow: the definition as it was written, and what the server knows of it.
#[derive(ToSchema)]
#[schema(as = Workflow)]
#[expect(
    dead_code,
    reason = "it only describes the answer, which is the definition as it was written"
)]
pub(super) struct WorkflowDocument {
    /// The workflow's identifier.
    #[schema(value_type = Uuid)]
    uuid: WorkflowId,
    /// The author's own label.
    #[schema(required)]
    id: Option<String>,
    /// The name, for people.
    name: String,
    /// What it is for.
    #[schema(required)]
    description: Option<String>,
    /// What is done.
    steps: Vec<StepDefinition>,
    /// The version that is shown: the newest.
    #[schema(example = 1)]
    version: u32,
    /// When this version was created.
    created_at: Time,
    /// Since when the workflow takes no new runs, where it was set aside.
    #[schema(required)]
    archived_at: Option<Time>,
}

/// Read a workflow
///
/// The newest version, as it was written.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}",
    operation_id = "get_workflow",
    tag = "workflows",
    params(("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes")),
    responses((status = 200, description = "The workflow", body = WorkflowDocument), UnknownWorkflow, InvalidRequest, Unavailable),
)]
pub(super) async fn show(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
) -> Result<Response, Problem> {
    let view = api.engine().find_workflow(id, None).await?;
    show_view(&view)
}

fn show_view(view: &WorkflowView) -> Result<Response, Problem> {
    let definition = serde_json::from_str(&view.workflow.definition)
        .map_err(|error| Problem::internal().caused_by(error))?;
    Ok(answer(StatusCode::OK, &Shown { view, definition }))
}

/// The definition's own members, with ours around them.
struct Shown<'a> {
    view: &'a WorkflowView,
    definition: Members<'a>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            view: WorkflowView { workflow, head },
            definition: Members(members),
        } = self;
        let find = |name| {
            members
                .iter()
                .find(|(member, _)| member == name)
                .map(|(_, value)| *value)
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uuid", &workflow.id)?;
        for name in ["id", "name", "description"] {
            map.serialize_entry(name, find(name).unwrap_or(RawValue::NULL))?;
        }
        let ours = [
            "uuid",
            "id",
            "name",
            "description",
            "version",
            "created_at",
            "archived_at",
        ];
        for (name, value) in members.iter().filter(|(name, _)| !ours.contains(&&**name)) {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("version", &workflow.version)?;
        map.serialize_entry("created_at", &Time(workflow.created_at))?;
        map.serialize_entry("archived_at", &head.archived_at.map(Time))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use millwork_core::time::Timestamp;
    use millwork_store::{Labels, Workflow, WorkflowHead};

    use super::*;

    #[test]
    fn a_workflow_is_shown_as_it_was_written_with_what_the_server_knows() {
        let workflow = Workflow {
            id: WorkflowId::from_bytes([2; 16]),
            version: 1,
            name: "n".to_owned(),
            definition: r#"{"steps":[{"name":"a","type":"delay","config":{"duration":1.50}}],"name":"n","uuid":"theirs"}"#.to_owned(),
            created_at: Timestamp::from_micros(5),
        };
        let head = WorkflowHead {
            id: workflow.id,
            newest: 1,
            name: "n".to_owned(),
            label: None,
            labels: Labels::new(),
            created_at: workflow.created_at,
            updated_at: workflow.created_at,
            archived_at: None,
        };
        let view = WorkflowView { workflow, head };
        let definition = serde_json::from_str(&view.workflow.definition).expect("it is an object");
        let view = &view;
        let shown = serde_json::to_string(&Shown { view, definition }).expect("it is JSON");
        insta::assert_snapshot!(shown, @r#"{"uuid":"02020202-0202-0202-0202-020202020202","id":null,"name":"n","description":null,"steps":[{"name":"a","type":"delay","config":{"duration":1.50}}],"version":1,"created_at":"1970-01-01T00:00:00.000005Z","archived_at":null}"#);
    }
}
