//! Every answer that is not a success: `application/problem+json` (RFC 9457).
//!
//! A [`Problem`] says what a caller may know. What only the log may know travels beside it as its cause. The body is
//! written by `observe.rs`, which alone knows the request's identifier.

pub(super) mod from_engine;
pub(super) mod kind;

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use kind::Kind;

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(super) struct Problem(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<Duration>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemError, example = json!({"path": "/workflow_id", "message": "is missing"}))]
pub(super) struct Fault {
    /// Where: a JSON Pointer (RFC 6901) into the body, empty for the whole of it; or the name of a parameter or header.
    path: String,
    /// What is wrong there, and what would be right.
    message: String,
}

impl Fault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// Why a request was not carried out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// Which kind of problem: the address of a page about it.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors/unknown-run")]
    page: String,
    /// The kind of problem, in two or three words.
    #[schema(example = "Unknown run")]
    title: &'a str,
    /// The status of the answer.
    #[schema(example = 404)]
    status: u16,
    /// What happened this time.
    #[schema(example = "Workflow run not found")]
    detail: &'a str,
    /// The request's identifier, which is also in the log.
    #[schema(example = "5f0c3a9e2b7d4e11-2a")]
    request_id: &'a str,
    /// Everything that is wrong with the request, where that can be said by place.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [Fault],
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            cause: None,
        };
        Self(Arc::new(inner))
    }

    /// A request of which parts do not hold.
    pub(super) fn invalid(errors: Vec<Fault>) -> Self {
        Self::of_faults(Kind::InvalidRequest, "the request does not hold", errors)
    }

    /// A problem with many places. The detail names the first one, for those who read no further.
    pub(super) fn of_faults(kind: Kind, what: &str, errors: Vec<Fault>) -> Self {
        let first = errors.first().map(|first| match first.path.as_str() {
            "" => format!(": {}", first.message),
            path => format!(": {path}: {}", first.message),
        });
        let more = match errors.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        Self::new(kind, format!("{what}{}{more}", first.unwrap_or_default()))
            .with(|inner| inner.errors = errors)
    }

    /// Says what it is about, in front of what happened.
    pub(super) fn about(self, what: impl Display) -> Self {
        self.with(|inner| inner.detail = format!("{what}: {}", inner.detail))
    }

    /// Says when to try again.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        self.with(|inner| inner.retry_after = Some(wait))
    }

    /// Adds what only the log may know.
    pub(super) fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.cause = Some(Arc::new(cause)))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(super) fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What only the log may know.
    pub(super) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.0
            .cause
            .as_ref()
            .map(|cause| &**cause as &(dyn Error + 'static))
    }

    /// Writes the body.
    pub(super) fn body(&self, request_id: &str) -> Vec<u8> {
        let Inner {
            kind,
            detail,
            errors,
            ..
        } = &*self.0;
        let status = kind.status().as_u16();
        let body = ProblemBody {
            page: kind.page(),
            title: kind.title(),
            status,
            detail,
            request_id,
            errors,
        };
        serde_json::to_vec(&body).expect("texts and a number can be written as JSON")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.kind.status().into_response();
        if let Some(wait) = self.0.retry_after {
            // Whole seconds, at least one: zero would ask for a busy loop.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.body("r-1")).expect("it is JSON")
    }

    #[test]
    fn a_problem_says_what_happened_and_not_what_the_log_knows() {
        let cause = std::io::Error::other("connection to 10.0.0.3 refused");
        let problem = Problem::new(Kind::Unavailable, "could not read the run").caused_by(cause);
        insta::assert_json_snapshot!(body(&problem), @r#"
        {
          "type": "/docs/errors/unavailable",
          "title": "Unavailable",
          "status": 503,
          "detail": "could not read the run",
          "request_id": "r-1"
        }
        "#);
        assert_eq!(
            problem.cause().map(ToString::to_string),
            Some("connection to 10.0.0.3 refused".to_owned())
        );
    }

    #[test]
    fn every_fault_is_listed_and_the_first_is_in_the_detail() {
        let faults = vec![
            Fault::new("/workflow_id", "is missing"),
            Fault::new("/payload", "must be an object"),
        ];
        insta::assert_json_snapshot!(body(&Problem::invalid(faults)), @r#"
        {
          "type": "/docs/errors/invalid-request",
          "title": "Invalid request",
          "status": 422,
          "detail": "the request does not hold: /workflow_id: is missing (and 1 more)",
          "request_id": "r-1",
          "errors": [
            {
              "path": "/workflow_id",
              "message": "is missing"
            },
            {
              "path": "/payload",
              "message": "must be an object"
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (wait, header) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let problem =
                Problem::new(Kind::Overloaded, "later").retry_after(Duration::from_millis(wait));
            assert_eq!(
                problem.into_response().headers()[header::RETRY_AFTER],
                header
            );
        }
    }
}
