//! An answer, and what its status says about another attempt.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::request::first;
use crate::clock::{self, Timestamp};
use crate::{Failure, FailureKind};

/// How much of an answer a failure carries along.
const EXCERPT_MAX_BYTES: usize = 4 * 1024;

/// An answer, of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, in order, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Where the answer came from, after redirects.
    pub url: String,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The body as text. What is not UTF-8 shows as `�`.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::permanent(
                "invalid-response",
                format!("the answer of {} does not read: {error}", self.url),
            )
            .with_details(json!({ "status": self.status, "response": self.excerpt() }))
        })
    }

    /// The answer itself where the status is 2xx, or else a failure:
    ///
    /// | status | kind |
    /// |---|---|
    /// | 408, 425, 429, 5xx | retryable |
    /// | 429 and 503 with `Retry-After` | rate-limited for that long |
    /// | any other | permanent |
    ///
    /// Its code is `http-<status>`, and its details are the status, the URL and the beginning of the answer.
    pub fn error_for_status(self) -> Result<Response, Failure> {
        if self.is_success() {
            return Ok(self);
        }
        Err(self.to_failure())
    }

    /// The failure that the status means, as in [`error_for_status`](Response::error_for_status), whatever the status.
    pub fn to_failure(&self) -> Failure {
        let kind = match (self.status, self.retry_after()) {
            (429 | 503, Some(after)) => FailureKind::RateLimited(Some(after)),
            (408 | 425 | 429 | 500..=599, _) => FailureKind::Retryable,
            _ => FailureKind::Permanent,
        };
        let code = format!("http-{}", self.status);
        let message = format!("{} answered with status {}", self.url, self.status);
        Failure::new(kind, code, message).with_details(json!({
            "status": self.status,
            "url": self.url,
            "response": self.excerpt(),
        }))
    }

    /// How long `Retry-After` asks to wait: a number of seconds, or until a date by the host's clock.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = Timestamp::from(httpdate::parse_http_date(text).ok()?);
        Some(date.saturating_since(clock::now()))
    }

    /// The beginning of the body as text, short enough for a failure to carry.
    pub fn excerpt(&self) -> String {
        let text = self.text();
        let end = text.floor_char_boundary(EXCERPT_MAX_BYTES);
        if end < text.len() {
            format!("{}…", &text[..end])
        } else {
            text.into_owned()
        }
    }
}
