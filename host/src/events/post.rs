//! PORT Post: sends one request to a webhook. The operator has said where: so no address is refused, and nothing is followed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Uri};

use crate::outgoing;

/// Bytes of an answer that are read: what it says is nobody's business, and a short one lets the connection be used again.
const ANSWER_MAX: usize = 16 << 10;

/// PORT: sends one request to a webhook.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// Sends it, and waits for the answer so long at most. An error says in words why there is none.
    async fn post(&self, request: Request, at_most: Duration) -> Result<Answer, String>;
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where.
    pub url: Uri,
    /// Its headers, besides those of every request.
    pub headers: Vec<(&'static str, String)>,
    /// What.
    pub body: String,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long to wait before the next request, where the answer says so.
    pub retry_after: Option<Duration>,
}

/// Sends by HTTP and HTTPS.
#[derive(Debug)]
pub struct HttpPost {
    client: outgoing::Client,
}

impl HttpPost {
    /// One that trusts the authorities of the web.
    ///
    /// # Errors
    /// Where TLS cannot be started.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            client: outgoing::client()?,
        })
    }

    async fn send(&self, request: Request) -> Result<Answer, String> {
        let mut sent = hyper::Request::builder()
            .method(Method::POST)
            .uri(request.url)
            .header(CONTENT_TYPE, millwork_bus::event::STRUCTURED_CONTENT_TYPE)
            .header(USER_AGENT, concat!("millwork/", env!("CARGO_PKG_VERSION")));
        for (name, value) in request.headers {
            let value = HeaderValue::try_from(value).map_err(|error| format!("{name}: {error}"))?;
            sent = sent.header(HeaderName::from_static(name), value);
        }
        let sent = sent
            .body(Full::new(Bytes::from(request.body)))
            .map_err(|error| error.to_string())?;
        let answer = self
            .client
            .request(sent)
            .await
            .map_err(|error| words(&error))?;
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        // What it says does not matter, only that it is over.
        let _ = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        Ok(Answer {
            status,
            retry_after,
        })
    }
}

#[async_trait]
impl Post for HttpPost {
    async fn post(&self, request: Request, at_most: Duration) -> Result<Answer, String> {
        match tokio::time::timeout(at_most, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!(
                "no answer within {} s (events.timeout)",
                at_most.as_secs_f64()
            )),
        }
    }
}

/// Seconds only: a date would have to be compared with a clock that the other side does not know.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_an_answer_asks_for_is_read_in_seconds() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("it is one"));
            retry_after(&headers)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(wait("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
