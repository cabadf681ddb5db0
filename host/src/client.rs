//! A client of the API, for the command line.

mod stream;

pub use stream::{EventStream, Message};

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 << 20;

/// Talks to one server.
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    token: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at an address such as `http://127.0.0.1:8002`.
    ///
    /// # Errors
    /// Where that is no address, or the token cannot be sent.
    pub fn new(base: &str, token: Option<&str>) -> Result<Self> {
        let uri: Uri = base
            .parse()
            .with_context(|| format!("{base:?} is not an address such as http://127.0.0.1:8002"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            bail!("{base:?} is not an address such as http://127.0.0.1:8002");
        }
        let token = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .context("the token (MILLWORK_TOKEN) holds what cannot be sent")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .context("could not start TLS")?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            token: token.transpose()?,
        })
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// Where nobody answers; or with what the server has to say against it.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        self.converse(method, path, None, body).await
    }

    async fn converse(
        &self,
        method: Method,
        path: &str,
        header: Option<(HeaderName, HeaderValue)>,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Value> {
        let base = &self.base;
        let exchange = async {
            let answer = self.request(method, path, "application/json", header, body);
            let answer = answer.await?;
            let status = answer.status().as_u16();
            let text = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let text = text.map_err(anyhow::Error::from_boxed)?;
            anyhow::Ok((status, text.to_bytes()))
        };
        let (status, text) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .with_context(|| format!("no answer from {base} within {PATIENCE:?}"))?
            .with_context(|| {
                format!("no answer from {base}: start a server with `millwork serve`, or name another one with --url")
            })?;
        let answer: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{base} answered {status}, and what is not JSON"))?;
        if status < 400 {
            return Ok(answer);
        }
        bail!("{}", refusal(status, &answer))
    }

    /// Asks under an idempotency key, and reads the answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_once(
        &self,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let key = key.map(|key| {
            let value = HeaderValue::try_from(key);
            let value = value.context("the idempotency key holds what cannot be sent")?;
            anyhow::Ok((HeaderName::from_static("idempotency-key"), value))
        });
        self.converse(Method::POST, path, key.transpose()?, body)
            .await
    }

    /// Posts what is no JSON, and reads the answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn send(
        &self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
        header: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Value> {
        self.converse(Method::POST, path, header, Some((content_type, body)))
            .await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        header: Option<(HeaderName, HeaderValue)>,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, accept);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let body = match body {
            None => Bytes::new(),
            Some((content_type, body)) => {
                request = request.header(CONTENT_TYPE, content_type);
                body
            }
        };
        Ok(self.http.request(request.body(Full::new(body))?).await?)
    }
}

/// What a problem says, with every place that it complains of.
fn refusal(status: u16, problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or("nothing was said");
    let places = problem["errors"].as_array().map(Vec::as_slice);
    let places = places.unwrap_or_default().iter().map(|error| {
        let part = |name| error[name].as_str().unwrap_or_default();
        format!("\n  {}: {}", part("path"), part("message"))
    });
    format!(
        "the server answered {status}: {detail}{}",
        places.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_everything_that_the_server_said() {
        let problem = json!({"detail": "the request does not hold: /a: is missing (and 1 more)", "errors": [
            {"path": "/a", "message": "is missing"}, {"path": "/b", "message": "must be a string"},
        ]});
        insta::assert_snapshot!(refusal(422, &problem), @r"
        the server answered 422: the request does not hold: /a: is missing (and 1 more)
          /a: is missing
          /b: must be a string
        ");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for base in ["", "127.0.0.1:8002", "ftp://x", "http://", "/api"] {
            assert!(Client::new(base, None).is_err(), "{base}");
        }
        assert!(Client::new("http://127.0.0.1:8002/", Some("a\nb")).is_err());
        assert!(Client::new("https://millwork.example", Some("mw_x")).is_ok());
    }
}
