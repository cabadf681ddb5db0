//! Why an invocation did not work, and what the host should make of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Why an invocation did not work. It says itself whether another attempt is worth it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    kind: FailureKind,
    code: String,
    message: String,
    /// Boxed, since a failure is the other half of most results.
    details: Option<Box<Value>>,
}

/// What the host should make of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Another attempt may work.
    Retryable,
    /// Another attempt may work, after this long where the other side said so.
    RateLimited(Option<Duration>),
    /// Another attempt would fail the same way.
    Permanent,
    /// It took too long; treated as retryable.
    Timeout,
    /// None of these; treated as permanent. The code says more.
    Other,
}

impl Failure {
    /// A failure of a kind. `code` is a word for programs (`http-404`), `message` a sentence for people.
    pub fn new(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            code: code.into(),
            message: message.into(),
            details: None,
        }
    }

    /// Another attempt may work.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Retryable, code, message)
    }

    /// Another attempt may work, after this long where the other side said so.
    pub fn rate_limited(
        after: Option<Duration>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Failure {
        Failure::new(FailureKind::RateLimited(after), code, message)
    }

    /// Another attempt would fail the same way.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Permanent, code, message)
    }

    /// It took too long.
    pub fn timeout(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Timeout, code, message)
    }

    /// None of the other kinds; treated as permanent.
    pub fn other(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Other, code, message)
    }

    /// Adds what else there is to say, in place of what was there. What does not serialize is left out: a failure
    /// must get through.
    pub fn with_details(mut self, details: impl Serialize) -> Failure {
        self.details = serde_json::to_value(details).ok().map(Box::new);
        self
    }

    /// What the host should make of it.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The word for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What else there is to say.
    pub fn details(&self) -> Option<&Value> {
        self.details.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}
