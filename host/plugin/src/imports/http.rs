//! `millwork:http`: one whole exchange for each call, through the door that every request of a plugin goes through.

pub(crate) mod client;
pub(crate) mod door;
mod redirect;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;
use wasmtime::component::{HasData, Linker};

use self::bindings::millwork::http::client as wit;
use self::door::{Exchange, HttpError};
use crate::imports::Outfit;
use crate::imports::secrets::Vault;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/http",
        interfaces: "import millwork:http/client@1.0.0;",
        imports: { default: async },
    });
}

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
    pub(crate) vault: &'a Vault,
}

struct HasHttp;

impl HasData for HasHttp {
    type Data<'a> = HttpView<'a>;
}

impl wit::Host for HttpView<'_> {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, wit::HttpError> {
        let exchange = self.read(request)?;
        let answer = self.outfit.door.exchange(exchange).await?;
        let headers = answer.headers.iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        Ok(wit::Response {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body,
            url: self.vault.hide(answer.url.as_str()),
        })
    }
}

impl HttpView<'_> {
    fn read(&self, request: wit::Request) -> Result<Exchange, wit::HttpError> {
        let invalid = wit::HttpError::InvalidRequest;
        let method: Method = request
            .method
            .parse()
            .map_err(|_| invalid(format!("{:?} is no method", request.method)))?;
        let mut url: Url = request
            .url
            .parse()
            .map_err(|error| invalid(format!("{:?} is no absolute URL: {error}", request.url)))?;
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        let (target, powers) = (url.clone(), &self.outfit.powers);
        for (name, value) in request.headers {
            let name: HeaderName = name
                .parse()
                .map_err(|_| invalid(format!("{name:?} is no header name")))?;
            if HOST_HEADERS.contains(&name) {
                return Err(invalid(format!("the header {name} is written by the host")));
            }
            let value = if self.vault.is_empty() {
                value
            } else {
                self.vault
                    .fill(&value, powers, &method, &target)
                    .map_err(denied)?
            };
            let value = HeaderValue::from_str(&value).map_err(|_| {
                invalid(format!(
                    "the value of the header {name} holds a control character"
                ))
            })?;
            headers.append(name, value);
        }
        let mut body = request.body;
        if !self.vault.is_empty() {
            let path = self
                .vault
                .fill(url.path(), powers, &method, &target)
                .map_err(denied)?;
            url.set_path(&path);
            if let Some(query) = url.query() {
                let query = self
                    .vault
                    .fill(query, powers, &method, &target)
                    .map_err(denied)?;
                url.set_query(Some(&query));
            }
            body = body
                .map(|body| self.vault.fill_bytes(body, powers, &method, &target))
                .transpose()
                .map_err(denied)?;
        }
        let timeout = request.timeout.map(Duration::from_millis);
        let holds_secrets = !self.vault.is_empty();
        Ok(Exchange {
            method,
            url,
            headers,
            body,
            timeout,
            redirects: request.redirects,
            holds_secrets,
        })
    }
}

fn denied(denied: crate::grant::Denied) -> wit::HttpError {
    wit::HttpError::Denied(denied.0)
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
