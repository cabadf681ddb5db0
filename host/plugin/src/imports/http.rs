//! `millwork:http`: one whole exchange for each call, through the door that every request of a plugin goes through.

pub(crate) mod client;
pub(crate) mod door;
pub(crate) mod names;
mod redirect;
pub(crate) mod tape;
pub(crate) mod trail;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;
use wasmtime::component::{HasData, Linker};

use self::bindings::millwork::http::client as wit;
use self::door::{Exchange, HttpError};
use self::trail::Trail;
use crate::imports::Outfit;
use crate::imports::secrets::placeholders::{Placeholders, Sending, Unfilled};
use crate::wasm::trap::bounded;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/http",
        interfaces: "import millwork:http/client@1.0.0;",
        imports: { default: async },
    });
}

/// More would be an attack on somebody. A map of headers panics where it holds 32,768.
const HEADERS_MAX: usize = 256;
/// The longest that is registered has 16.
const METHOD_MAX_BYTES: usize = 32;

/// What the host writes itself. A plugin that writes them as well is wrong, and is told so.
const HOST_HEADERS: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The door, and the secrets that may go through it.
pub(crate) struct HttpView<'a> {
    pub(crate) outfit: &'a Outfit,
    pub(crate) placeholders: &'a Placeholders,
    pub(crate) trail: &'a Trail,
}

struct HasHttp;

impl HasData for HasHttp {
    type Data<'a> = HttpView<'a>;
}

impl wit::Host for HttpView<'_> {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, wit::HttpError> {
        let mut exchange = self.read(request)?;
        let Exchange { method, url, .. } = &exchange;
        let sending = self.trail.begin(method, url);
        sending.mark(&mut exchange.headers);
        let answer = self.outfit.door.exchange(exchange).await;
        sending.end(answer.as_ref().map(|answer| answer.status));
        let answer = answer?;
        let headers = answer.headers.iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                self.placeholders
                    .hide(&String::from_utf8_lossy(value.as_bytes())),
            )
        });
        Ok(wit::Response {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: self.placeholders.hide_bytes(answer.body),
            url: self.placeholders.hide(answer.url.as_str()),
        })
    }
}

impl HttpView<'_> {
    fn read(&self, request: wit::Request) -> Result<Exchange, wit::HttpError> {
        let method = request
            .method
            .parse()
            .ok()
            .filter(|_| request.method.len() <= METHOD_MAX_BYTES);
        let method: Method = method
            .ok_or_else(|| invalid(format!("{:?} is no method", bounded(&request.method))))?;
        let url: Url = request.url.parse().map_err(|error| {
            invalid(format!(
                "{:?} is no absolute URL: {error}",
                bounded(&request.url)
            ))
        })?;
        let mut exchange = Exchange {
            headers: self.read_headers(request.headers, &method, &url)?,
            method,
            url,
            body: request.body,
            timeout: request.timeout.map(Duration::from_millis),
            redirects: request.redirects,
            holds_secrets: !self.placeholders.is_empty(),
        };
        if exchange.holds_secrets {
            self.put_secrets(&mut exchange)?;
        }
        Ok(exchange)
    }

    fn read_headers(
        &self,
        said: Vec<(String, String)>,
        method: &Method,
        url: &Url,
    ) -> Result<HeaderMap, wit::HttpError> {
        if said.len() > HEADERS_MAX {
            return Err(invalid(format!(
                "the request has {} headers, and may have {HEADERS_MAX}",
                said.len()
            )));
        }
        let mut headers = HeaderMap::with_capacity(said.len());
        for (name, value) in said {
            let name: HeaderName = name
                .parse()
                .map_err(|_| invalid(format!("{:?} is no header name", bounded(&name))))?;
            if HOST_HEADERS.contains(&name) {
                return Err(invalid(format!("the header {name} is written by the host")));
            }
            let value = if self.placeholders.is_empty() {
                value
            } else {
                self.fill(&value, method, url)?
            };
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                invalid(format!(
                    "the value of the header {name} holds a control character"
                ))
            })?;
            headers.append(name, value);
        }
        Ok(headers)
    }

    /// Puts the secrets where their placeholders stand in the path, the query and the body. In a URL they stand as they
    /// are: a value that has to be escaped there is kept escaped.
    fn put_secrets(&self, exchange: &mut Exchange) -> Result<(), wit::HttpError> {
        let (method, target) = (&exchange.method, exchange.url.clone());
        exchange
            .url
            .set_path(&self.fill(target.path(), method, &target)?);
        if let Some(query) = target.query() {
            exchange
                .url
                .set_query(Some(&self.fill(query, method, &target)?));
        }
        if let Some(body) = exchange.body.take() {
            let filled = self
                .placeholders
                .fill_bytes(body, &self.sending(method, &target));
            exchange.body = Some(filled.map_err(unfilled)?);
        }
        Ok(())
    }

    fn fill(&self, text: &str, method: &Method, url: &Url) -> Result<String, wit::HttpError> {
        self.placeholders
            .fill(text, &self.sending(method, url))
            .map_err(unfilled)
    }

    fn sending<'s>(&'s self, method: &'s Method, url: &'s Url) -> Sending<'s> {
        Sending {
            powers: &self.outfit.powers,
            method,
            url,
            max_bytes: self.outfit.limits.http_request_max_bytes,
        }
    }
}

fn invalid(why: String) -> wit::HttpError {
    wit::HttpError::InvalidRequest(why)
}

fn unfilled(unfilled: Unfilled) -> wit::HttpError {
    HttpError::from(unfilled).into()
}

impl From<HttpError> for wit::HttpError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(why) => Self::Denied(why),
            HttpError::InvalidRequest(why) => Self::InvalidRequest(why),
            HttpError::Dns(why) => Self::Dns(why),
            HttpError::Connect(why) => Self::Connect(why),
            HttpError::Tls(why) => Self::Tls(why),
            HttpError::Timeout => Self::Timeout,
            HttpError::ResponseTooLarge(max) => {
                Self::ResponseTooLarge(u64::try_from(max).unwrap_or(u64::MAX))
            }
            HttpError::Redirect(why) => Self::Redirect(why),
            HttpError::Protocol(why) => Self::Protocol(why),
        }
    }
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> HttpView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasHttp>(linker, get)
}
