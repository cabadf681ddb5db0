//! What every request goes through: it gets an identifier, its time is taken, a panic becomes an answer, and a problem
//! gets its body.
//!
//! One layer, written by hand and put around each route: it knows its route's name without looking, and what it counts
//! into is found once. A stack of ready-made layers costs more than everything else that a trigger does here.

use std::any::Any;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use metrics::Histogram;
use tower::{Layer, Service};

use super::problem::{Kind, Problem};
use crate::telemetry::HTTP_REQUEST_SECONDS;

/// The header that carries a request's identifier, in and out.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of an identifier that a caller may send.
const REQUEST_ID_MAX: usize = 128;

/// The layer around one route.
#[derive(Clone, Debug)]
pub(super) struct Observe(Arc<Route>);

#[derive(Debug)]
struct Route {
    /// As it is registered: `/api/v1/runs/{run_id}`.
    path: String,
    /// One histogram for each method and status.
    seconds: [[OnceLock<Histogram>; STATUSES.len() + 1]; METHODS.len() + 1],
}

/// Methods that are counted by name; the others share one.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::HEAD,
    Method::DELETE,
];

/// Statuses that are counted by number; the others share one.
const STATUSES: [u16; 17] = [
    200, 201, 202, 304, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503,
];

impl Observe {
    pub(super) fn new(path: impl Into<String>) -> Self {
        Self(Arc::new(Route {
            path: path.into(),
            seconds: Default::default(),
        }))
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            route: Arc::clone(&self.0),
        }
    }
}

/// A route with the layer around it.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    route: Arc<Route>,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let request_id = request_id(request.headers());
        // For whoever behind this layer wants to name the request.
        let headers = request.headers_mut();
        headers.insert(REQUEST_ID, request_id.clone());
        let method = request.method().clone();
        let route = Arc::clone(&self.route);
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let Ok(mut response) = answer.await.unwrap_or_else(|panic| Ok(panicked(&*panic)));
            finish(&mut response, &request_id, &route.path);
            let took = started.elapsed();
            route.count(&method, response.status(), took);
            tracing::debug!(
                request.id = request_id.to_str().unwrap_or_default(),
                http.method = %method,
                http.route = route.path,
                http.status = response.status().as_u16(),
                duration_ms = took.as_secs_f64() * 1_000.0,
                "answered a request"
            );
            response.headers_mut().insert(REQUEST_ID, request_id);
            Ok(response)
        })
    }
}

impl Route {
    fn count(&self, method: &Method, status: StatusCode, took: Duration) {
        let by_method = METHODS
            .iter()
            .position(|known| known == method)
            .unwrap_or(METHODS.len());
        let by_status = STATUSES
            .binary_search(&status.as_u16())
            .unwrap_or(STATUSES.len());
        let seconds = self.seconds[by_method][by_status].get_or_init(|| {
            let method = METHODS.get(by_method).map_or("other", Method::as_str).to_owned();
            let status = STATUSES.get(by_status).map_or_else(|| "other".to_owned(), u16::to_string);
            metrics::histogram!(HTTP_REQUEST_SECONDS, "route" => self.path.clone(), "method" => method, "status" => status)
        });
        seconds.record(took.as_secs_f64());
    }
}

/// Takes the caller's identifier, if it is harmless in a log line, or makes one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|sent| {
        let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        (1..=REQUEST_ID_MAX).contains(&sent.len()) && sent.as_bytes().iter().all(is_harmless)
    });
    sent.cloned().unwrap_or_else(make_request_id)
}

/// Makes an identifier: a number for this process, which nobody else has, and a counter.
fn make_request_id() -> HeaderValue {
    // The standard library seeds its hashers at random: enough to tell one process from another.
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let text = format!(
        "{:016x}-{:x}",
        *PROCESS,
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    HeaderValue::try_from(text).expect("digits and a dash may stand in a header")
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let cause = std::io::Error::other(format!("panicked: {}", message.unwrap_or("without words")));
    Problem::internal().caused_by(cause).into_response()
}

/// Gives a problem its body, and tells the log what only the log may know.
fn finish(response: &mut Response, request_id: &HeaderValue, route: &str) {
    if response.status().as_u16() < 400 {
        return;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // The router's own refusals come without a body.
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            Kind::MethodNotAllowed,
            "this path has other methods; the header Allow names them",
        ),
        None if response.status() == StatusCode::NOT_FOUND => Problem::new(
            Kind::UnknownRoute,
            "nothing is served under this path; /docs shows every path there is",
        ),
        None => return,
    };
    let request_id = request_id.to_str().unwrap_or_default();
    if let Some(cause) = problem.cause() {
        if response.status().is_server_error() {
            tracing::error!(
                request.id = request_id,
                problem = problem.kind().slug(),
                http.route = route,
                error = cause,
                "could not answer: {}",
                problem.detail()
            );
        } else {
            tracing::debug!(
                request.id = request_id,
                problem = problem.kind().slug(),
                http.route = route,
                error = cause,
                "refused: {}",
                problem.detail()
            );
        }
    }
    *response.body_mut() = problem.body(request_id).into();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.remove(header::CONTENT_LENGTH);
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(
        router: &Router,
        method: Method,
        path: &str,
        request_id: Option<&str>,
    ) -> (Response<()>, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(request_id) = request_id {
            request = request.header(REQUEST_ID, request_id);
        }
        let request = request.body(Body::empty()).expect("it is a request");
        let Ok(response) = router.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000)
            .await
            .expect("it has a body");
        (
            Response::from_parts(head, ()),
            String::from_utf8(body.to_vec()).expect("it is text"),
        )
    }

    fn router() -> Router {
        async fn panic() -> &'static str {
            panic!("the secret is xyzzy")
        }
        Router::new()
            .route(
                "/fine",
                get(|| async { "fine" }).layer(Observe::new("/fine")),
            )
            .route("/panic", get(panic).layer(Observe::new("/panic")))
    }

    #[tokio::test]
    async fn an_answer_carries_the_request_identifier_sent_or_made() {
        let id = |response: &Response<()>| {
            response.headers()[REQUEST_ID]
                .to_str()
                .expect("it is text")
                .to_owned()
        };
        let router = router();
        let (response, body) = ask(&router, Method::GET, "/fine", Some("a/b-1")).await;
        assert_eq!((id(&response).as_str(), body.as_str()), ("a/b-1", "fine"));
        let too_long = "x".repeat(REQUEST_ID_MAX + 1);
        for bad in [None, Some("two words"), Some(too_long.as_str()), Some("")] {
            let (response, _) = ask(&router, Method::GET, "/fine", bad).await;
            assert_ne!(Some(id(&response).as_str()), bad);
            assert!(id(&response).len() > 17, "{}", id(&response));
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer_that_tells_nothing() {
        let (response, body) = ask(&router(), Method::GET, "/panic", Some("r-1")).await;
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert!(
            body.contains("\"request_id\":\"r-1\"") && !body.contains("xyzzy"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn a_method_that_is_not_allowed_is_a_problem_that_names_the_others() {
        let (response, body) = ask(&router(), Method::DELETE, "/fine", Some("r-1")).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(
            response.headers()[header::CONTENT_LENGTH],
            body.len().to_string()
        );
        assert!(body.contains("/docs/errors/method-not-allowed"), "{body}");
    }

    #[test]
    fn statuses_are_in_order_since_they_are_searched() {
        assert!(STATUSES.is_sorted());
    }
}
