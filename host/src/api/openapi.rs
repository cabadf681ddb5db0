//! The description of the API, made from the code that serves it: `/openapi.json`, and `docs/openapi.json` beside the code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response as Described;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::guard::SCHEME;
use super::json::respond;
use super::problem::{Kind, ProblemBody};
use super::runs::{IterationResult, Iterations};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millwork",
        description = "A durable workflow platform with sandboxed WebAssembly connectors.\n\n\
            Identifiers are UUIDs, shown with dashes and read with or without. Times are RFC 3339, in UTC, with microseconds. \
            What is refused is answered with a problem (RFC 9457), whose `type` leads to a page about it. \
            Every answer carries `X-Request-Id`: the one that was sent, or one that was made.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "workflows", description = "What is to be done"),
        (name = "runs", description = "The lives of workflows"),
        (name = "events", description = "What the world is told of runs that end"),
        (name = "plugins", description = "What steps are made of"),
        (name = "access", description = "Who may do what, and who did"),
        (name = "operation", description = "For who runs the server"),
    ),
    components(schemas(ProblemBody, Iterations, IterationResult)),
    modifiers(&BearerToken),
)]
pub(super) struct Document;

/// Adds the way in.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of `millwork token create` or `POST /api/v1/tokens`. Each operation names the scope that it takes; \
                 `admin` is every scope. A server that only its own machine reaches may do without.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    }
}

/// Declares sets of problems that requests may be answered with.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = [$($kind:ident),*];)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Described>> {
                describe(&[$(Kind::$kind),*])
            }
        }
    )*};
}

problems! {
    UnknownWorkflow = [UnknownWorkflow];
    UnknownVersion = [UnknownWorkflow, UnknownVersion];
    WorkflowChanged = [WorkflowChanged];
    WorkflowInUse = [WorkflowInUse];
    UnknownRun = [UnknownRun];
    TooManyStreams = [TooManyStreams];
    UnknownDelivery = [UnknownDelivery];
    UnknownJob = [UnknownJob];
    TooManyJobs = [TooManyJobs];
    UnknownToken = [UnknownToken];
    /// What a caller may be told who is not let in.
    NotAdmitted = [Unauthenticated, Forbidden];
    RunFinished = [RunFinished];
    UnknownPlugin = [UnknownPlugin];
    PluginRefused = [PluginVersionTaken, PluginRefused];
    PluginInUse = [PluginInUse];
    PluginConfigured = [PluginConfigured];
    UnknownSecret = [UnknownSecret];
    SecretRefused = [SecretRefused];
    SignalRefused = [RunFinished, TooManySignals];
    CancelRefused = [RunFinished, RunEnding];
    RetryRefused = [RunNotFinished, NothingToRetry, PluginMissing, WorkflowArchived];
    TriggerRefused = [WorkflowArchived, IdempotencyKeyReused, PluginMissing];
    /// What may be wrong with any body.
    Body = [MalformedJson, BodyTimeout, TooLarge, WrongContentType];
    UnknownRoute = [UnknownRoute];
    InvalidRequest = [InvalidRequest];
    InvalidDefinition = [InvalidDefinition];
    LimitReached = [LimitReached];
    Overloaded = [Overloaded, ShuttingDown, Unavailable];
    Unavailable = [ShuttingDown, Unavailable];
    /// What may always happen.
    Internal = [Internal];
}

/// Describes problems, those of one status together.
fn describe(kinds: &[Kind]) -> BTreeMap<String, RefOr<Described>> {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for &kind in kinds {
        by_status
            .entry(kind.status().as_u16())
            .or_default()
            .push(kind);
    }
    let described = by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), RefOr::T(describe_status(&kinds))));
    described.collect()
}

fn describe_status(kinds: &[Kind]) -> Described {
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let examples = kinds.iter().map(|kind| {
        let example = ExampleBuilder::new()
            .summary(kind.title())
            .value(Some(example(*kind)))
            .build();
        (kind.slug().to_owned(), RefOr::T(example))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples.collect::<Vec<_>>())
        .build();
    ResponseBuilder::new()
        .description(titles.join("; "))
        .content("application/problem+json", content)
        .build()
}

fn example(kind: Kind) -> Value {
    let mut problem = json!({
        "type": kind.page(),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "detail": kind.example(),
        "request_id": "5f0c3a9e2b7d4e11-2a",
    });
    // The detail names the first place that is listed.
    if let Some((_, first)) = kind.example().split_once("does not hold: ") {
        let (path, message) = first.split_once(": ").unwrap_or(("", first));
        problem["errors"] = json!([{ "path": path, "message": message }]);
    }
    problem
}

/// The description, as JSON.
#[must_use]
pub fn document() -> String {
    let (_, mut document) = super::routes(None).split_for_parts();
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.responses.responses.extend(Internal::responses());
        }
    }
    let mut text = document
        .to_pretty_json()
        .expect("texts, numbers and maps by name can be written as JSON");
    text.push('\n');
    text
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// The description of this API
///
/// In `OpenAPI` 3.1. The pages under `/docs` show it to people.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operation",
    responses((status = 200, description = "An OpenAPI document", body = Object)),
)]
pub(super) async fn openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document()));
    respond(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        DOCUMENT.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated;

    #[test]
    fn the_description_beside_the_code_is_what_the_code_says() {
        generated::check("docs/openapi.json", &document());
    }

    #[test]
    fn every_operation_has_a_summary_a_tag_and_its_problems() {
        let document: Value = serde_json::from_str(&document()).expect("it is JSON");
        assert_eq!(document["openapi"], "3.1.0");
        for (path, item) in document["paths"].as_object().expect("there are paths") {
            for (method, operation) in item.as_object().expect("there are operations") {
                let name = format!("{method} {path}");
                for field in ["operationId", "summary", "tags"] {
                    assert!(!operation[field].is_null(), "{name} has no {field}");
                }
                assert!(!operation["responses"]["500"].is_null(), "{name}");
                assert!(
                    !path.contains("_id}") || !operation["responses"]["422"].is_null(),
                    "{name}"
                );
                let has_body = !operation["requestBody"].is_null();
                for status in ["400", "413", "415"] {
                    assert_eq!(
                        has_body,
                        !operation["responses"][status].is_null(),
                        "{name}: {status}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members
                        .values()
                        .for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(&document()).expect("it is JSON");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("it is in this document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
