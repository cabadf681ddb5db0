//! Spans of requests: each request under `/api` and `/hooks` gets a place in a trace, where somebody collects spans.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use millwork_core::trace::TraceContext;

use crate::traces::Traces;

/// The trace that a request belongs to, as W3C Trace Context says it. What is none is passed over, as the specification asks.
pub(super) fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    headers
        .get(TraceContext::HEADER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Gives a request its place, which it says to whatever is behind it, and tells of it when it is answered.
pub(super) async fn tell(
    State(traces): State<Traces>,
    mut request: Request,
    next: Next,
) -> Response {
    let parent = trace(request.headers());
    let path = request.uri().path();
    let is_told = path.starts_with("/api/") || path.starts_with("/hooks/");
    let Some(asking) = traces.begin_request(parent).filter(|_| is_told) else {
        return next.run(request).await;
    };
    if let Ok(value) = HeaderValue::try_from(asking.at.to_string()) {
        let headers = request.headers_mut();
        headers.insert(TraceContext::HEADER, value);
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("(unknown)", MatchedPath::as_str);
    traces.tell_request(&asking, method.as_str(), route, response.status().as_u16());
    response
}
