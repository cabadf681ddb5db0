//! What the requests of a call say of the trace that it belongs to, and what is told of them afterwards.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use url::Url;

use super::door::HttpError;
use crate::imports::clock::Clock;
use crate::{CallTrace, SentRequest};

const TRACEPARENT: HeaderName = HeaderName::from_static(TraceContext::HEADER);

/// The first ones tell enough.
const SENT_MAX: usize = 256;

/// The trail that the requests of a call leave; none, where the call is not traced.
#[derive(Clone, Default)]
pub(crate) struct Trail(Option<Arc<Traced>>);

struct Traced {
    call: CallTrace,
    clock: Clock,
    begun: AtomicU32,
    sent: Mutex<Vec<SentRequest>>,
}

impl Trail {
    pub(crate) fn of(call: Option<CallTrace>, clock: Clock) -> Self {
        Self(call.map(|call| {
            Arc::new(Traced {
                call,
                clock,
                begun: AtomicU32::new(0),
                sent: Mutex::default(),
            })
        }))
    }

    /// A request is about to be sent.
    pub(crate) fn begin(&self, method: &Method, url: &Url) -> Sending {
        let Some(traced) = &self.0 else {
            return Sending::default();
        };
        let CallTrace { at, is_recorded } = traced.call;
        if !is_recorded {
            return Sending {
                at: Some(at),
                open: None,
            };
        }
        let number = traced.begun.fetch_add(1, Ordering::Relaxed);
        let at = at.child(&format!("request {number}"));
        let began = traced.clock.timestamp();
        let request = SentRequest {
            at,
            method: method.to_string(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default(),
            began,
            ended: began,
            // Until its end is known: whoever drops it has broken the call off.
            result: Err("interrupted"),
        };
        Sending {
            at: Some(at),
            open: Some((Arc::clone(traced), request)),
        }
    }

    /// What was sent, in the order in which it ended.
    pub(crate) fn finish(self) -> Vec<SentRequest> {
        let Some(traced) = self.0 else {
            return Vec::new();
        };
        let mut sent = traced.sent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *sent)
    }
}

/// A request that is under way.
#[derive(Default)]
pub(crate) struct Sending {
    at: Option<TraceContext>,
    open: Option<(Arc<Traced>, SentRequest)>,
}

impl Sending {
    /// Says to which trace the request belongs, unless the plugin says so itself.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        let Some(at) = self.at.filter(|_| !headers.contains_key(TRACEPARENT)) else {
            return;
        };
        let value = HeaderValue::try_from(at.to_string());
        headers.insert(TRACEPARENT, value.expect("it is digits and dashes"));
    }

    /// Its answer is there, or there is none.
    pub(crate) fn end(mut self, answer: Result<StatusCode, &HttpError>) {
        if let Some((_, request)) = &mut self.open {
            request.result = answer.map(|status| status.as_u16()).map_err(word);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some((traced, mut request)) = self.open.take() else {
            return;
        };
        request.ended = ended(&traced.clock, request.began);
        let mut sent = traced.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() < SENT_MAX {
            sent.push(request);
        }
    }
}

/// Never before it began.
fn ended(clock: &Clock, began: Timestamp) -> Timestamp {
    clock.timestamp().max(began)
}

/// The word of the contract for why there is no answer.
const fn word(error: &HttpError) -> &'static str {
    match error {
        HttpError::Denied(_) => "denied",
        HttpError::InvalidRequest(_) => "invalid-request",
        HttpError::Dns(_) => "dns",
        HttpError::Connect(_) => "connect",
        HttpError::Tls(_) => "tls",
        HttpError::Timeout => "timeout",
        HttpError::ResponseTooLarge(_) => "response-too-large",
        HttpError::Redirect(_) => "redirect",
        HttpError::Protocol(_) => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> TraceContext {
        TraceContext::new(7, 8, true)
    }

    fn trail(is_recorded: bool) -> Trail {
        let call = CallTrace {
            at: at(),
            is_recorded,
        };
        Trail::of(Some(call), Clock::starting_at(Timestamp::from_micros(5)))
    }

    fn url() -> Url {
        "https://api.example.com/key/xyzzy"
            .parse()
            .expect("it is a URL")
    }

    fn marked(sending: &Sending) -> Option<String> {
        let mut headers = HeaderMap::new();
        sending.mark(&mut headers);
        let value = headers.get(TRACEPARENT)?;
        Some(value.to_str().expect("it is text").to_owned())
    }

    #[test]
    fn a_request_that_is_recorded_has_a_place_of_its_own() {
        let trail = trail(true);
        let (first, second) = (
            trail.begin(&Method::GET, &url()),
            trail.begin(&Method::POST, &url()),
        );
        let places = [marked(&first), marked(&second)];
        first.end(Ok(StatusCode::OK));
        drop(second);
        trail
            .begin(&Method::GET, &url())
            .end(Err(&HttpError::Timeout));
        let sent = trail.finish();
        let told: Vec<_> = sent.iter().map(|sent| sent.result).collect();
        assert_eq!(told, [Ok(200), Err("interrupted"), Err("timeout")]);
        for (sent, place) in sent.iter().zip(places) {
            assert_eq!(Some(sent.at.to_string()), place);
            assert_eq!(sent.at.trace(), at().trace());
            assert_ne!(sent.at.span(), at().span());
            assert_eq!(
                (sent.host.as_str(), sent.port),
                ("api.example.com", Some(443))
            );
            assert!(!format!("{sent:?}").contains("xyzzy"), "{sent:?}");
        }
    }

    #[test]
    fn a_trace_that_others_record_is_passed_on_as_it_is() {
        let trail = trail(false);
        let sending = trail.begin(&Method::GET, &url());
        assert_eq!(marked(&sending), Some(at().to_string()));
        sending.end(Ok(StatusCode::OK));
        assert_eq!(trail.finish(), []);
    }

    #[test]
    fn without_a_trace_nothing_is_said() {
        let trail = Trail::default();
        assert_eq!(marked(&trail.begin(&Method::GET, &url())), None);
        assert_eq!(trail.finish(), []);
    }

    #[test]
    fn what_the_plugin_says_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("mine"));
        trail(true).begin(&Method::GET, &url()).mark(&mut headers);
        assert_eq!(headers[TRACEPARENT], "mine");
    }

    #[test]
    fn the_first_requests_tell_enough() {
        let trail = trail(true);
        for _ in 0..SENT_MAX + 10 {
            trail.begin(&Method::GET, &url()).end(Ok(StatusCode::OK));
        }
        assert_eq!(trail.finish().len(), SENT_MAX);
    }
}
