//! A request as the bytes that go over the wire: built once, sent as often as needed.

use serde_json::Value;

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    repeatable: bool,
}

impl Request {
    /// Begins a request without a body that changes nothing.
    #[must_use]
    pub fn get(path: &str) -> RequestBuilder {
        RequestBuilder::new("GET", path)
    }

    /// Begins a request that may change something.
    #[must_use]
    pub fn post(path: &str) -> RequestBuilder {
        RequestBuilder::new("POST", path)
    }

    /// Begins a request that puts something in its place.
    #[must_use]
    pub fn put(path: &str) -> RequestBuilder {
        RequestBuilder::new("PUT", path)
    }

    /// Begins a request that takes something away.
    #[must_use]
    pub fn delete(path: &str) -> RequestBuilder {
        RequestBuilder::new("DELETE", path)
    }

    /// What goes over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it may be sent a second time without asking what became of the first.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.repeatable
    }
}

/// A request that is being put together.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    head: String,
    repeatable: bool,
}

impl RequestBuilder {
    fn new(method: &str, path: &str) -> Self {
        Self {
            head: format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"),
            repeatable: method == "GET",
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.head.push_str(part);
        }
        self
    }

    /// Asks the server to close the connection after its answer.
    #[must_use]
    pub fn last(self) -> Request {
        self.header("connection", "close").finish()
    }

    /// A body of JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Request {
        self.header("content-type", "application/json")
            .body(body.to_string().as_bytes())
    }

    /// A body as it is.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Request {
        self = self.header("content-length", &body.len().to_string());
        let mut request = self.finish();
        request.bytes.extend_from_slice(body);
        request
    }

    /// No body.
    #[must_use]
    pub fn finish(self) -> Request {
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        Request {
            bytes,
            repeatable: self.repeatable,
        }
    }
}
