//! Answers in JSON, written in one piece; and the few types of them that every answer uses.

use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use millwork_core::time::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::problem::Problem;

/// An answer: a status and what is written as JSON.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => respond(
            status,
            HeaderValue::from_static("application/json"),
            Bytes::from(text),
        ),
        Err(error) => Problem::internal().caused_by(error).into_response(),
    }
}

/// An answer that is written already.
pub(super) fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// A point in time: RFC 3339, in UTC, with microseconds.
#[derive(Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T09:00:00.000000Z")]
pub(super) struct Time(pub(super) Timestamp);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
