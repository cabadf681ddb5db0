//! `wasi:http/outgoing-handler`: the same door as `millwork:http`, for languages whose own HTTP client speaks it.

mod filled;
mod hidden;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use url::Url;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks, WasiHttpView,
};

use self::hidden::Hidden;
use crate::imports::Outfit;
use crate::imports::http::door::HttpError;
use crate::imports::http::trail::Trail;
use crate::imports::log::Log;
use crate::imports::secrets::placeholders::Placeholders;
use crate::limits;

/// What one call keeps for `wasi:http`; made at the first use.
pub(crate) struct WasiHttp {
    pub(crate) ctx: WasiHttpCtx,
    pub(crate) hooks: Hooks,
}

impl WasiHttp {
    pub(crate) fn new(outfit: Arc<Outfit>) -> Self {
        let permits = Arc::new(Semaphore::new(outfit.limits.http_requests_in_flight_max));
        Self {
            ctx: WasiHttpCtx::new(),
            hooks: Hooks {
                outfit,
                permits,
                refusals: Arc::default(),
                placeholders: Placeholders::default(),
                trail: Trail::default(),
            },
        }
    }

    /// Moves the refusals into the log: the codes of `wasi:http` have no room for the line that would grant.
    pub(crate) fn drain_into(&mut self, log: &mut Log) {
        let mut refusals = self
            .hooks
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for refusal in refusals.drain(..) {
            log.add("warn", refusal);
        }
    }
}

pub(crate) struct Hooks {
    outfit: Arc<Outfit>,
    permits: Arc<Semaphore>,
    refusals: Arc<Mutex<Vec<String>>>,
    /// The secrets that the call has mentioned so far.
    pub(crate) placeholders: Placeholders,
    /// What is told of its requests.
    pub(crate) trail: Trail,
}

/// The first ones tell enough.
const REFUSALS_MAX: usize = 16;

fn note(refusals: &Mutex<Vec<String>>, error: &HttpError) {
    if let HttpError::Denied(why) = error {
        let mut refusals = refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() < REFUSALS_MAX {
            refusals.push(why.clone());
        }
    }
}

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Sending), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let outfit = Arc::clone(&self.outfit);
        let permits = Arc::clone(&self.permits);
        let refusals = Arc::clone(&self.refusals);
        let placeholders = self.placeholders.clone();
        let trail = self.trail.clone();
        Box::new(async move {
            let Ok(permit) = permits.try_acquire_owned() else {
                limits::note("http_requests_in_flight_max");
                return Err(Error::ConnectionLimitReached);
            };
            let max = outfit.limits.http_request_max_bytes;
            let options = options.unwrap_or_default();
            let sent = send(&outfit, &placeholders, &trail, request, options).await;
            let response = sent.map_err(|error| {
                note(&refusals, &error);
                translate(error, max)
            })?;
            let max = outfit.limits.http_response_max_bytes;
            let response = response.map(|body| {
                let body = Limited::new(body, max).map_err(move |error| {
                    // Held by the body: it ends when the guest is done with the answer.
                    let _held = &permit;
                    match error.downcast::<hyper::Error>() {
                        Ok(error) => Error::Hyper(*error),
                        Err(_) => {
                            limits::note("http_response_max_bytes");
                            Error::HttpResponseBodySize(u64::try_from(max).ok())
                        }
                    }
                });
                match placeholders.is_empty() {
                    true => body.boxed_unsync(),
                    false => Hidden::new(body, placeholders.clone()).boxed_unsync(),
                }
            });
            Ok((response, Box::new(async { Ok(()) }) as Sending))
        })
    }
}

async fn send(
    outfit: &Outfit,
    placeholders: &Placeholders,
    trail: &Trail,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<Incoming>, HttpError> {
    let url: Result<Url, _> = request.uri().to_string().parse();
    let Ok(mut url) = url else {
        return Err(HttpError::InvalidRequest("the URL is none".to_owned()));
    };
    let (mut head, body) = request.into_parts();
    // Written anew from the URL that is judged.
    head.headers.remove(header::HOST);
    let max = outfit.limits.http_request_max_bytes;
    let mut body = Limited::new(body, max).boxed_unsync();
    let wait = [options.connect_timeout, options.first_byte_timeout]
        .into_iter()
        .flatten()
        .reduce(Duration::saturating_add);
    if !placeholders.is_empty() {
        body = filled::fill(outfit, placeholders, &mut head, &mut url, body).await?;
    }
    let sending = trail.begin(&head.method, &url);
    sending.mark(&mut head.headers);
    let sent = outfit.door.open(&url, Request::from_parts(head, body));
    let answer = match wait {
        Some(wait) => tokio::time::timeout(wait, sent)
            .await
            .unwrap_or(Err(HttpError::Timeout)),
        None => sent.await,
    };
    sending.end(answer.as_ref().map(Response::status));
    let mut response = answer?;
    if !placeholders.is_empty() {
        filled::hide(placeholders, response.headers_mut());
    }
    Ok(response)
}

fn translate(error: HttpError, request_max_bytes: usize) -> Error {
    match error {
        HttpError::Denied(_) => Error::HttpRequestDenied,
        HttpError::InvalidRequest(why) => Error::InternalError(Some(why)),
        HttpError::Dns(_) => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        HttpError::Connect(_) => Error::ConnectionRefused,
        HttpError::Tls(_) => Error::TlsProtocolError,
        HttpError::Timeout => Error::HttpResponseTimeout,
        HttpError::ResponseTooLarge(_) => Error::HttpResponseBodySize(None),
        HttpError::Protocol(why) if why.contains("length limit exceeded") => {
            Error::HttpRequestBodySize(u64::try_from(request_max_bytes).ok())
        }
        HttpError::Redirect(_) | HttpError::Protocol(_) => Error::HttpProtocolError,
    }
}

pub(crate) fn add_to_linker<T: WasiHttpView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}
