//! A request: built, then sent.

use std::time::Duration;

use serde::Serialize;

use super::{Error, Response};
use crate::Context;

/// How many redirects are followed where the request does not say.
const REDIRECTS_DEFAULT: u32 = 10;

/// A `GET` request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `POST` request.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A `PUT` request.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// A `PATCH` request.
pub fn patch(url: impl Into<String>) -> Request {
    Request::new("PATCH", url)
}

/// A `DELETE` request.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

/// A request: what is wrong with it is told by [`send`](Request::send).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) redirects: u32,
    unsendable: Option<String>,
}

impl Request {
    /// A request with any method to an absolute `http` or `https` URL.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            redirects: REDIRECTS_DEFAULT,
            unsendable: None,
        }
    }

    /// Adds a parameter to the query of the URL, encoded.
    pub fn query(mut self, name: &str, value: &str) -> Request {
        let fragment = self.url.find('#').map(|at| self.url.split_off(at));
        self.url
            .push(if self.url.contains('?') { '&' } else { '?' });
        self.url
            .extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.url.push('=');
        self.url
            .extend(form_urlencoded::byte_serialize(value.as_bytes()));
        self.url.extend(fragment);
        self
    }

    /// Adds a header; a name may come twice. `host`, `content-length` and the hop-by-hop names belong to the host.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a header unless there is one of that name, in whatever case.
    pub fn header_if_absent(self, name: impl Into<String>, value: impl Into<String>) -> Request {
        let name = name.into();
        if self.header_value(&name).is_some() {
            self
        } else {
            self.header(name, value)
        }
    }

    /// Adds `authorization: Bearer …`; the token is usually a [placeholder](crate::secrets::placeholder).
    pub fn bearer(self, token: &str) -> Request {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds `idempotency-key`, the same over all attempts, so that the other side can tell a second one.
    pub fn idempotency_key(self, cx: &Context) -> Request {
        self.header_if_absent("idempotency-key", cx.idempotency_key())
    }

    /// Sends a value as JSON, as `application/json` unless the request says otherwise already.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Request {
        match serde_json::to_vec(value) {
            Ok(body) => self
                .header_if_absent("content-type", "application/json")
                .body(body),
            Err(error) => Request {
                unsendable: Some(format!("the body does not serialize: {error}")),
                ..self
            },
        }
    }

    /// Sends a form (`application/x-www-form-urlencoded`).
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Request {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.header_if_absent("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Sends text, as `text/plain; charset=utf-8` unless the request says otherwise already.
    pub fn text(self, text: impl Into<String>) -> Request {
        self.header_if_absent("content-type", "text/plain; charset=utf-8")
            .body(text.into())
    }

    /// Sends bytes, and says nothing of what they are.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// Bounds the whole exchange, redirects included. The deadline of the call bounds it too.
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = Some(timeout);
        self
    }

    /// How many redirects to follow, ten where nothing is said. The host has a limit of its own.
    pub fn redirects(mut self, count: u32) -> Request {
        self.redirects = count;
        self
    }

    /// Sends it, and comes back when all of the answer has arrived. An answer of any status is an answer.
    pub fn send(self) -> Result<Response, Error> {
        match self.unsendable {
            Some(reason) => Err(Error::InvalidRequest(reason)),
            None => crate::host::http_send(self),
        }
    }

    /// Its method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its headers, in order.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of a name, in whatever case.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// Its body.
    pub fn body_bytes(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Its bound on the whole exchange.
    pub fn timeout_value(&self) -> Option<Duration> {
        self.timeout
    }

    /// How many redirects it follows.
    pub fn redirects_max(&self) -> u32 {
        self.redirects
    }
}

/// The first header of a name, in whatever case.
pub(super) fn first<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_encoded_and_stand_before_the_fragment() {
        let request = get("https://x.example/a#top")
            .query("q", "a b&c")
            .query("ü", "1");
        assert_eq!(request.url(), "https://x.example/a?q=a+b%26c&%C3%BC=1#top");
    }

    #[test]
    fn a_content_type_of_ones_own_replaces_the_default() {
        let request = post("https://x.example")
            .header("Content-Type", "application/vnd.x+json")
            .json(&1);
        assert_eq!(
            request.headers(),
            [(
                "Content-Type".to_owned(),
                "application/vnd.x+json".to_owned()
            )]
        );
        assert_eq!(request.body_bytes(), Some(&b"1"[..]));
    }

    #[test]
    fn a_form_is_encoded() {
        let request = post("https://x.example").form([("a", "1 2"), ("b", "&")]);
        assert_eq!(request.body_bytes(), Some(&b"a=1+2&b=%26"[..]));
    }

    #[test]
    fn a_body_that_does_not_serialize_is_told_by_send() {
        let odd = std::collections::BTreeMap::from([(vec![1], 1)]);
        let error = post("https://x.example")
            .json(&odd)
            .send()
            .expect_err("a list is no key");
        assert!(matches!(error, Error::InvalidRequest(_)), "{error}");
    }
}
