//! What belongs to no noun: the root, the metrics, and the pages about problems.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::{answer, respond};
use super::openapi::UnknownRoute;
use super::problem::{Kind, Problem};
use super::query::Id;

/// A sign of life.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hello {
    /// Always the same.
    #[schema(example = "Hello World")]
    message: &'static str,
}

/// Say hello
#[utoipa::path(
    get,
    path = "/",
    operation_id = "hello",
    tag = "operation",
    responses((status = 200, description = "Hello", body = Hello)),
)]
pub(super) async fn hello() -> Response {
    answer(
        StatusCode::OK,
        &Hello {
            message: "Hello World",
        },
    )
}

/// Read the metrics
///
/// In the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    respond(
        StatusCode::OK,
        content_type,
        Bytes::from(api.render_metrics()),
    )
}

/// What is said about the codes with which runs fail: one page for all of them.
const FAILED_RUNS: (&str, &str) = (
    "failed-runs",
    include_str!("../../../docs/guide/failures.md"),
);

/// Read about a problem
///
/// The page that a problem's `type` leads to; under `failed-runs` the page about the codes with which runs fail.
#[utoipa::path(
    get,
    path = "/docs/errors/{kind}",
    operation_id = "problem_page",
    tag = "operation",
    params(("kind" = String, Path, description = "The last part of a problem's `type`", example = "unknown-run")),
    responses((status = 200, description = "The page, in Markdown", body = String, content_type = "text/markdown"), UnknownRoute),
)]
pub(super) async fn problem_page(Id(slug): Id<String>) -> Result<Response, Problem> {
    let (failed_runs, text) = FAILED_RUNS;
    if slug == failed_runs {
        return Ok(page(text));
    }
    let kind = Kind::find(&slug).ok_or_else(|| {
        Problem::new(
            Kind::UnknownRoute,
            format!("there is no kind of problem \"{slug}\""),
        )
    })?;
    Ok(page(kind.text()))
}

fn page(text: &'static str) -> Response {
    let content_type = HeaderValue::from_static("text/markdown; charset=utf-8");
    respond(
        StatusCode::OK,
        content_type,
        Bytes::from_static(text.as_bytes()),
    )
}
