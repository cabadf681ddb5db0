//! The one door through which every HTTP request of a plugin goes, whichever interface it came by: the grant is asked
//! for, the address is judged, redirects are followed and judged again, and the answer is counted while it arrives.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as _, Incoming};
use url::{Host, Url};

use super::client::{Body, Client, Clients, ConnectTimeout, ResolveError};
use super::redirect;
use super::tape::Tape;
use crate::grant::{self, AddressClass, Power, Powers};
use crate::imports::secrets::placeholders::Unfilled;
use crate::limits::{self, Limits};

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("millwork/", env!("CARGO_PKG_VERSION")));

/// A plugin's way out.
pub(crate) struct Door {
    plugin: String,
    powers: Arc<Powers>,
    client: Client,
    limits: Arc<Limits>,
    tape: Option<Arc<Tape>>,
}

/// A whole request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) redirects: u32,
    /// Whether the host put secrets into it, which then must not travel on to another origin.
    pub(crate) holds_secrets: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) url: Url,
}

/// Why there is no answer. The words of the contract.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    Denied(String),
    InvalidRequest(String),
    Dns(String),
    Connect(String),
    Tls(String),
    Timeout,
    ResponseTooLarge(usize),
    Redirect(String),
    Protocol(String),
}

impl From<Unfilled> for HttpError {
    fn from(unfilled: Unfilled) -> Self {
        match unfilled {
            Unfilled::Denied(denied) => Self::Denied(denied.0),
            Unfilled::TooLarge(why) => Self::InvalidRequest(why),
        }
    }
}

impl Door {
    pub(crate) fn new(
        plugin: &str,
        powers: Arc<Powers>,
        clients: &Clients,
        limits: Arc<Limits>,
        tape: Option<Arc<Tape>>,
    ) -> Self {
        let client = clients.for_networks(powers.networks());
        Self {
            plugin: plugin.to_owned(),
            powers,
            client,
            limits,
            tape,
        }
    }

    /// Sends a request, follows redirects and gathers the answer.
    pub(crate) async fn exchange(&self, exchange: Exchange) -> Result<Answer, HttpError> {
        let Some(tape) = &self.tape else {
            return self.send(exchange).await;
        };
        self.allow(&exchange.method, &exchange.url)?;
        if let Some(answer) = tape.next(&exchange.url) {
            return answer;
        }
        let mut place = exchange.url.clone();
        place.set_query(None);
        let request = format!("{} {place}", exchange.method);
        let answer = self.send(exchange).await?;
        tape.note(request, &answer);
        Ok(answer)
    }

    async fn send(&self, exchange: Exchange) -> Result<Answer, HttpError> {
        match exchange.timeout {
            Some(timeout) => tokio::time::timeout(timeout, self.follow(exchange))
                .await
                .unwrap_or(Err(HttpError::Timeout)),
            None => self.follow(exchange).await,
        }
    }

    async fn follow(&self, exchange: Exchange) -> Result<Answer, HttpError> {
        let Exchange {
            mut method,
            mut url,
            mut headers,
            body,
            redirects,
            holds_secrets,
            ..
        } = exchange;
        let mut body = body.map(Bytes::from);
        if body
            .as_ref()
            .is_some_and(|body| body.len() > self.limits.http_request_max_bytes)
        {
            let limit =
                limits::reached("http_request_max_bytes", self.limits.http_request_max_bytes);
            return Err(HttpError::InvalidRequest(format!(
                "the body is larger than {limit} bytes"
            )));
        }
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        let mut hops = 0;
        loop {
            let response = self
                .open(&url, request(&method, &headers, body.clone()))
                .await?;
            if redirects == 0 || !redirect::is_redirect(response.status()) {
                return self.gather(response, url).await;
            }
            self.check_hops(hops, redirects)?;
            hops += 1;
            let Some(next) = redirect::follow(response.status(), response.headers(), &url, &method)
            else {
                return Err(HttpError::Redirect(format!(
                    "the answer {} has no usable location",
                    response.status()
                )));
            };
            let same_origin = redirect::is_same_origin(&url, &next.url);
            if holds_secrets && !same_origin && next.keeps_body && body.is_some() {
                return Err(HttpError::Redirect(
                    "a request that holds secrets is not sent on to another origin".to_owned(),
                ));
            }
            redirect::trim_headers(&mut headers, same_origin, next.keeps_body);
            if !next.keeps_body {
                body = None;
            }
            (url, method) = (next.url, next.method);
        }
    }

    fn check_hops(&self, hops: u32, redirects: u32) -> Result<(), HttpError> {
        let max = self.limits.http_redirects_max;
        if hops < redirects.min(max) {
            return Ok(());
        }
        Err(HttpError::Redirect(if redirects <= max {
            format!("more than the {redirects} redirects that were asked for")
        } else {
            format!(
                "more redirects than {}",
                limits::reached("http_redirects_max", max)
            )
        }))
    }

    fn allow(&self, method: &Method, url: &Url) -> Result<(), HttpError> {
        let power = Power::Http { method, url };
        self.powers
            .allows(power)
            .map_err(|denied| HttpError::Denied(denied.0))
    }

    /// Sends one request and waits for the head of its answer. Everything passes here: whatever may not leave is
    /// refused in this function or in the resolver below it. The request goes to the URL that was judged; where it said
    /// itself that it goes is overwritten.
    pub(crate) async fn open(
        &self,
        url: &Url,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, HttpError> {
        *request.uri_mut() = check(request.method(), url)?;
        self.allow(request.method(), url)?;
        // The connector looks up names only; an address is taken as it is written.
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal
            && let Err(class) = self.powers.networks().allows(address)
        {
            return Err(HttpError::Denied(self.refusal(
                &format!("{address} is {class}"),
                address,
                class,
            )));
        }
        self.client
            .request(request)
            .await
            .map_err(|error| self.explain(&error))
    }

    async fn gather(&self, response: Response<Incoming>, url: Url) -> Result<Answer, HttpError> {
        let max = self.limits.http_response_max_bytes;
        let (head, mut incoming) = response.into_parts();
        let head_bytes: usize = head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
        let too_large = || {
            limits::note("http_response_max_bytes");
            Err(HttpError::ResponseTooLarge(max))
        };
        if head_bytes.saturating_add(announced) > max {
            return too_large();
        }
        // The other side may announce what it never sends.
        let mut body = Vec::with_capacity(announced.min(64 << 10));
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| {
                HttpError::Protocol(format!("the answer broke off: {}", chain(&error)))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if head_bytes + body.len() + data.len() > max {
                return too_large();
            }
            body.extend_from_slice(&data);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            url,
        })
    }

    /// Says which of the contract's errors this is.
    fn explain(&self, error: &hyper_util::client::legacy::Error) -> HttpError {
        for cause in causes(error) {
            if let Some(refused) = cause.downcast_ref::<ResolveError>() {
                return match refused {
                    ResolveError::Refused { address, class, .. } => {
                        HttpError::Denied(self.refusal(&refused.to_string(), *address, *class))
                    }
                    ResolveError::Lookup { source, .. } => {
                        HttpError::Dns(format!("{refused}: {source}"))
                    }
                    ResolveError::Empty { .. } => HttpError::Dns(refused.to_string()),
                };
            }
            if cause.is::<ConnectTimeout>() {
                return HttpError::Connect(cause.to_string());
            }
            if is_tls(cause) {
                return HttpError::Tls(chain(cause));
            }
            if let Some(io) = cause.downcast_ref::<std::io::Error>()
                && (error.is_connect() || is_connection_lost(io))
            {
                return HttpError::Connect(io.to_string());
            }
        }
        if error.is_connect() {
            HttpError::Connect(chain(error))
        } else {
            HttpError::Protocol(chain(error))
        }
    }

    fn refusal(&self, found: &str, address: IpAddr, class: AddressClass) -> String {
        let network = match class {
            AddressClass::Never => return format!("{found}: nothing can be sent there"),
            AddressClass::Loopback => "loopback".to_owned(),
            _ => ipnet::IpNet::from(address.to_canonical()).to_string(),
        };
        let plugin = &self.plugin;
        format!(
            "{found}: to grant it, write private_networks = [\"{network}\"] under [{}.{plugin}]",
            grant::SECTION
        )
    }
}

/// What can be asked for at all; the URL as it goes to the client.
fn check(method: &Method, url: &Url) -> Result<Uri, HttpError> {
    let invalid = |why: &str| Err(HttpError::InvalidRequest(why.to_owned()));
    if !matches!(url.scheme(), "http" | "https") {
        return invalid("the URL is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("the URL holds a user name or password: they belong into a header");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return invalid("the URL has no host");
    }
    if *method == Method::CONNECT {
        return invalid("CONNECT would leave HTTP behind");
    }
    let text = url.as_str();
    let sent = text.split_once('#').map_or(text, |(before, _)| before);
    sent.parse()
        .or_else(|_| invalid("the URL holds what cannot be sent"))
}

fn request(method: &Method, headers: &HeaderMap, body: Option<Bytes>) -> Request<Body> {
    let body = match body {
        Some(body) => Full::new(body)
            .map_err(|never| match never {})
            .boxed_unsync(),
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.headers_mut() = headers.clone();
    request
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

/// The whole chain of an error in one sentence.
fn chain(error: &(dyn StdError + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    // An error of rustls arrives as an I/O error, at times inside another, which a chain of sources steps over.
    let inner = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

fn is_connection_lost(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected
            | Kind::TimedOut
    )
}
