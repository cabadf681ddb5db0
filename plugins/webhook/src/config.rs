//! What a step configures. A value that exists is valid: each type refuses what could not be sent.

mod headers;
mod method;
mod redirects;
mod status;
mod url;

use millwork_sdk::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use headers::Headers;
use method::Method;
use redirects::Redirects;
use status::StatusRange;
use url::Url;

/// Sends an HTTP request and takes the answer for the step's output. An answer outside 2xx fails the step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to: an absolute `http` or `https` URL.
    pub(crate) url: Url,
    /// Any HTTP method; where left out, `POST` with a body and `GET` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Method")]
    method: Option<Method>,
    /// Headers, by name. One of them replaces what would be sent by default under that name.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub(crate) headers: Headers,
    /// What to send: text as it is, null as no body, anything else as JSON.
    #[serde(default)]
    pub(crate) body: Value,
    /// How long the whole exchange may take: a number of seconds, or text such as `500ms` or `1m30s`; 30 seconds where
    /// left out. The timeout of the step bounds it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    pub(crate) timeout: Option<Span>,
    /// The statuses that do not fail the step, in place of 2xx: numbers (`404`), ranges (`"400-404"`) and classes
    /// (`"2xx"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<StatusRange>")]
    accept_status: Option<Vec<StatusRange>>,
    /// Whether to follow redirects, or how many at most; `true`, where left out, means 10.
    #[serde(default, skip_serializing_if = "Redirects::is_default")]
    pub(crate) follow_redirects: Redirects,
}

impl Config {
    /// The method that is sent.
    pub(crate) fn method(&self) -> String {
        match &self.method {
            Some(method) => method.clone().into(),
            None if self.body.is_null() => "GET".to_owned(),
            None => "POST".to_owned(),
        }
    }

    /// Whether an answer of a status leaves the step unharmed.
    pub(crate) fn accepts(&self, status: u16) -> bool {
        match &self.accept_status {
            None => (200..300).contains(&status),
            Some(ranges) => ranges.iter().any(|range| range.holds(status)),
        }
    }
}

/// Whether a text is a token (RFC 9110), as the names of methods and headers are.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The pattern of a token, for schemas.
const TOKEN: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
