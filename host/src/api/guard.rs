//! The door before each route: whether the caller may come in; and a note of every change in the audit log.
//!
//! A route is registered with what it takes ([`open`] or [`needs`]), so that none can be forgotten.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures::future::Either;
use millwork_core::access::Scope;
use millwork_store::AuditOutcome;
use tower::{Layer, Service};
use utoipa::IntoResponses as _;
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::UtoipaMethodRouter;

use super::Api;
use super::observe::{Observe, REQUEST_ID};
use super::openapi::{self, NotAdmitted};
use super::problem::{Kind, Problem};
use crate::access::{Deed, Gate, Refusal};

/// The name of the way in, in the description of the API.
pub(super) const SCHEME: &str = "token";

/// Registers a route that is for everybody.
pub(super) fn open((schemas, paths, handlers): UtoipaMethodRouter<Api>) -> UtoipaMethodRouter<Api> {
    let path = paths.paths.keys().next().cloned().unwrap_or_default();
    (schemas, paths, handlers.layer(Observe::new(path)))
}

/// Registers a route that takes a scope. Without a gate it can be described, and must not be served.
pub(super) fn needs(
    scope: Scope,
    gate: Option<&Arc<Gate>>,
    (schemas, mut paths, handlers): UtoipaMethodRouter<Api>,
) -> UtoipaMethodRouter<Api> {
    let mut action = String::new();
    for operation in paths.paths.values_mut().flat_map(openapi::operations) {
        let requirement = SecurityRequirement::new(SCHEME, [scope.as_str()]);
        operation.security.get_or_insert_default().push(requirement);
        let problems = NotAdmitted::responses();
        operation.responses.responses.extend(problems);
        action.clone_from(operation.operation_id.get_or_insert_default());
    }
    let handlers = match gate {
        None => handlers,
        Some(gate) => handlers.layer(Guard {
            gate: Arc::clone(gate),
            scope,
            action: action.into(),
        }),
    };
    open((schemas, paths, handlers))
}

/// The layer around one route.
#[derive(Clone)]
struct Guard {
    gate: Arc<Gate>,
    scope: Scope,
    action: Arc<str>,
}

impl Guard {
    /// Whether a request is a change that is noted. A trigger is not: its run's journal says more.
    fn notes(&self, method: &Method) -> bool {
        matches!(self.scope, Scope::Write | Scope::Admin) && !method.is_safe()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            guard: self.clone(),
        }
    }
}

/// A route with the door before it.
#[derive(Clone)]
struct Guarded<S> {
    inner: S,
    guard: Guard,
}

type Answer = Result<Response, Infallible>;

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone,
    S: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let notes = self.guard.notes(request.method());
        // Where everybody may come in and nothing is noted, there is nothing to do.
        if !notes && !self.guard.gate.is_closed() {
            return Either::Left(self.inner.call(request));
        }
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let guard = self.guard.clone();
        Either::Right(Box::pin(async move {
            let answer = guard.pass(inner, request, notes).await;
            Ok(answer.unwrap_or_else(IntoResponse::into_response))
        }))
    }
}

impl Guard {
    async fn pass<S>(
        &self,
        mut inner: S,
        request: Request,
        notes: bool,
    ) -> Result<Response, Refused>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let bearer = bearer(request.headers());
        let caller = self.gate.admit(bearer, self.scope).await?;
        if !notes {
            let Ok(response) = inner.call(request).await;
            return Ok(response);
        }
        let deed = Deed {
            action: &self.action,
            path: request.uri().path(),
            request: request_id(request.headers()),
        };
        let noted = self.gate.note(&caller, deed).await;
        let noted = noted.map_err(|error| Refused(error.into(), None))?;
        let Ok(mut response) = inner.call(request).await;
        let target = response.extensions_mut().remove::<Target>();
        let outcome = AuditOutcome {
            status: response.status().as_u16(),
            target: target.map(|Target(target)| target),
        };
        self.gate.note_outcome(noted, outcome).await;
        Ok(response)
    }
}

/// What a change was made to, where the path does not say: an answer brings it along for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Target(pub(super) String);

impl Target {
    pub(super) fn of(mut response: Response, target: &impl ToString) -> Response {
        response.extensions_mut().insert(Self(target.to_string()));
        response
    }
}

/// What stands behind `Bearer`; also what stands there alone is looked at, and refused as a token that is not known.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ => Some(value),
    }
}

fn request_id(headers: &HeaderMap) -> &str {
    let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    id.unwrap_or_default()
}

/// A problem, and what would let the caller in (RFC 6750).
struct Refused(Problem, Option<HeaderValue>);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let unknown =
            || HeaderValue::from_static("Bearer realm=\"millwork\", error=\"invalid_token\"");
        let (kind, challenge) = match &refusal {
            Refusal::Missing => (
                Kind::Unauthenticated,
                HeaderValue::from_static("Bearer realm=\"millwork\""),
            ),
            Refusal::Unknown | Refusal::Expired(..) | Refusal::Revoked(..) => {
                (Kind::Unauthenticated, unknown())
            }
            Refusal::NotAllowed { scope, .. } => {
                let challenge = format!(
                    "Bearer realm=\"millwork\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                let challenge = HeaderValue::try_from(challenge);
                (Kind::Forbidden, challenge.unwrap_or_else(|_| unknown()))
            }
            Refusal::Store(_) => {
                let problem = Problem::new(Kind::Unavailable, detail).caused_by(refusal);
                return Self(problem, None);
            }
        };
        Self(Problem::new(kind, detail), Some(challenge))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(problem, challenge) = self;
        let mut response = problem.into_response();
        if let Some(challenge) = challenge {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_its_scheme() {
        let of = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        for value in ["Bearer abc", "bearer  abc ", "abc"] {
            assert_eq!(of(value), Some("abc".to_owned()), "{value}");
        }
        assert_eq!(of("Basic abc"), Some("Basic abc".to_owned()));
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
