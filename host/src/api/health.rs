//! Whether the server is well, for machines that ask again and again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::answer;
use super::openapi::Unavailable;
use super::problem::{Fault, Kind, Problem};
use crate::engine::Health;

/// The server is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Healthy)]
pub(super) struct Healthy {
    /// Always `ok`: where something is not, the status of the answer is 503.
    #[schema(example = "ok")]
    status: &'static str,
    /// The server's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

const HEALTHY: Healthy = Healthy {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// Is everything well?
///
/// The same as `/health/ready`.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "operation",
    responses((status = 200, description = "Everything is well", body = Healthy), Unavailable),
)]
pub(super) async fn health(State(api): State<Api>) -> Result<Response, Problem> {
    judge(&api).await
}

/// Is the process alive?
///
/// Asks nothing of anything else. Where it does not answer, start the process again.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "health_live",
    tag = "operation",
    responses((status = 200, description = "The process is alive", body = Healthy)),
)]
pub(super) async fn live() -> Response {
    answer(StatusCode::OK, &HEALTHY)
}

/// Can it take requests?
///
/// Asks the database and the bus. Where it says no, send requests to another server.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "health_ready",
    tag = "operation",
    responses((status = 200, description = "It can take requests", body = Healthy), Unavailable),
)]
pub(super) async fn ready(State(api): State<Api>) -> Result<Response, Problem> {
    judge(&api).await
}

async fn judge(api: &Api) -> Result<Response, Problem> {
    if api.closing().is_cancelled() {
        return Err(Problem::new(
            Kind::ShuttingDown,
            "the server is shutting down",
        ));
    }
    match failing(api.engine().health().await) {
        None => Ok(answer(StatusCode::OK, &HEALTHY)),
        Some(problem) => Err(problem),
    }
}

/// Names what is not well.
fn failing(health: Health) -> Option<Problem> {
    let wrong = health
        .parts
        .into_iter()
        .filter_map(|(part, wrong)| Some(Fault::new(part, wrong?)));
    let faults: Vec<_> = wrong.collect();
    (!faults.is_empty())
        .then(|| Problem::of_faults(Kind::Unavailable, "not everything is well", faults))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_is_named() {
        assert!(
            failing(Health {
                parts: vec![("store", None), ("bus", None)]
            })
            .is_none()
        );
        let parts = vec![("store", Some("does not answer".to_owned())), ("bus", None)];
        let problem = failing(Health { parts }).expect("the store is not well");
        let body: serde_json::Value =
            serde_json::from_slice(&problem.body("r")).expect("it is JSON");
        insta::assert_json_snapshot!(body, @r#"
        {
          "type": "/docs/errors/unavailable",
          "title": "Unavailable",
          "status": 503,
          "detail": "not everything is well: store: does not answer",
          "request_id": "r",
          "errors": [
            {
              "path": "store",
              "message": "does not answer"
            }
          ]
        }
        "#);
    }
}
