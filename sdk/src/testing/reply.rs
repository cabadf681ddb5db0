//! A scripted answer to an HTTP request.

use serde::Serialize;

use crate::http::{Request, Response};

/// A scripted answer to an HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    url: Option<String>,
}

impl Reply {
    /// An empty answer with a status.
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            url: None,
        }
    }

    /// An answer of JSON, as `application/json`.
    pub fn json(status: u16, value: &(impl Serialize + ?Sized)) -> Reply {
        let body = serde_json::to_vec(value).expect("a scripted answer serializes");
        Reply::status(status)
            .header("content-type", "application/json")
            .body(body)
    }

    /// An answer of text, as `text/plain`.
    pub fn text(status: u16, text: &str) -> Reply {
        Reply::status(status)
            .header("content-type", "text/plain; charset=utf-8")
            .body(text)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    /// Says that the answer came from another URL, after redirects.
    pub fn from_url(mut self, url: &str) -> Reply {
        self.url = Some(url.to_owned());
        self
    }

    pub(super) fn to(self, request: &Request) -> Response {
        let url = self.url.unwrap_or_else(|| request.url().to_owned());
        Response {
            status: self.status,
            headers: self.headers,
            body: self.body,
            url,
        }
    }
}
