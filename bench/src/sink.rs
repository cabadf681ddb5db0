//! Where webhooks go: a server that remembers every call, raw headers and all, and answers as its path says.
//!
//! | path | answer |
//! |---|---|
//! | `/text` | 200, plain text |
//! | `/status/CODE` | that status |
//! | `/busy/N` | 503 to the first N calls with the same `Idempotency-Key`, then as below |
//! | anything else | 200, JSON that tells the key, which call with it this is, and what came |

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::time::Timestamp;

/// What `/text` answers.
pub const TEXT: &str = "plain words";

/// How often new calls are printed.
const SHOW_BEAT: Duration = Duration::from_millis(100);

/// The header that is the same for every attempt at a step of a run.
pub const KEY_HEADER: &str = "idempotency-key";

/// A sink to try workflows against.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
}

/// Opens a sink and prints every call that comes, until the process is ended.
///
/// # Errors
/// Where the address is taken.
pub async fn run(options: Options) -> Result<()> {
    let sink = Sink::open_at(options.listen, Temper::default()).await?;
    println!("listening on {}", sink.url("/"));
    let mut shown = 0;
    loop {
        for call in sink.calls_from(shown) {
            shown += 1;
            let key = call.key().unwrap_or("none");
            println!(
                "{} {} {} -> {} (key {key}, call {})",
                call.at, call.method, call.path, call.status, call.number
            );
        }
        tokio::time::sleep(SHOW_BEAT).await;
    }
}

/// What a sink that plays a service answers to a call, given those that came before.
pub type Script = fn(&Call, &[Call]) -> Answer;

/// An answer of a service that is played.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its status; 200 where it is zero.
    pub status: u16,
    /// Its body: a text is sent as one, anything else as JSON.
    pub body: Value,
    /// In how many seconds the service would like to be asked again.
    pub retry_after_secs: Option<u32>,
    /// How long it is held back.
    pub after: Duration,
}

impl Answer {
    /// 200 with a body.
    #[must_use]
    pub fn ok(body: Value) -> Self {
        Self::of(200, body)
    }

    /// A status with a body.
    #[must_use]
    pub fn of(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            ..Self::default()
        }
    }
}

/// How a sink misbehaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Temper {
    /// Which share of the calls is answered 503, from 0 to 1.
    pub busy_share: f64,
    /// The longest that an answer is held back. A server that is killed meanwhile has acted and does not know.
    pub answer_after_max: Duration,
    /// Where both are drawn from.
    pub seed: u64,
}

/// One call, as it came and as it was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The headers in the order they came, one for each time that a name came.
    pub headers: Vec<(String, String)>,
    /// The body, where it is JSON.
    pub body: Value,
    /// The body as it came.
    pub raw_body: Bytes,
    /// Which call with its key it was, from one.
    pub number: u64,
    /// The status of the answer.
    pub status: u16,
    /// The answer, where it was JSON.
    pub answer: Value,
}

impl Call {
    /// All values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Its idempotency key, where it has exactly one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self.header(KEY_HEADER)[..] {
            [key] => Some(key),
            _ => None,
        }
    }

    /// Its method, and the parts of its path without the query.
    #[must_use]
    pub fn route(&self) -> (&str, Vec<&str>) {
        let path = self.path.split('?').next().unwrap_or_default();
        (&self.method, path.trim_matches('/').split('/').collect())
    }

    /// A parameter of the query, as it was sent.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

/// A sink that listens. Closed when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Memory {
    calls: Vec<Call>,
    numbers: HashMap<String, u64>,
    temper: Temper,
    random: fastrand::Rng,
    script: Option<Script>,
}

impl Sink {
    /// Listens on a loopback port of its own.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn open(temper: Temper) -> Result<Self> {
        Self::open_at((Ipv4Addr::LOCALHOST, 0).into(), temper).await
    }

    /// Plays a service on a loopback port of its own.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn play(script: Script) -> Result<Self> {
        let sink = Self::open(Temper::default()).await?;
        lock(&sink.memory).script = Some(script);
        Ok(sink)
    }

    /// Listens where it is told to.
    ///
    /// # Errors
    /// Where the address is taken.
    pub async fn open_at(address: SocketAddr, temper: Temper) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("could not open a sink on {address}"))?;
        let address = listener.local_addr()?;
        let random = fastrand::Rng::with_seed(temper.seed);
        let memory = Arc::new(Mutex::new(Memory {
            calls: Vec::new(),
            numbers: HashMap::new(),
            temper,
            random,
            script: None,
        }));
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(16 * 1024 * 1024))
            .with_state(Arc::clone(&memory));
        // A connection that cannot be told to hurry is only slower.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = tokio::spawn(async move {
            // It ends with this task only.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self {
            address,
            memory,
            server,
        })
    }

    /// The address of a path of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every call so far, in the order they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls_from(0)
    }

    /// The calls so far without the first few.
    #[must_use]
    pub fn calls_from(&self, first: usize) -> Vec<Call> {
        lock(&self.memory)
            .calls
            .get(first..)
            .unwrap_or_default()
            .to_vec()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(memory): State<Arc<Mutex<Memory>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    raw_body: Bytes,
) -> Response {
    let mut call = Call {
        at: Timestamp::now(),
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: serde_json::from_slice(&raw_body).unwrap_or(Value::Null),
        raw_body,
        number: 0,
        status: 200,
        answer: Value::Null,
    };
    let key = call.key().map(str::to_owned);
    let (response, pause) = {
        let mut memory = lock(&memory);
        let number = memory
            .numbers
            .entry(key.clone().unwrap_or_default())
            .or_default();
        *number += 1;
        call.number = *number;
        let Temper {
            busy_share,
            answer_after_max,
            ..
        } = memory.temper;
        let busy = memory.random.f64() < busy_share;
        let played = memory.script.map(|script| script(&call, &memory.calls));
        let answered = match played {
            Some(played) => play(&mut call, played),
            None => {
                let pause = answer_after_max.mul_f64(memory.random.f64());
                (respond(&mut call, key.as_deref(), busy), pause)
            }
        };
        memory.calls.push(call);
        answered
    };
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    response
}

/// Answers as a script says; and how long the answer is held back.
fn play(call: &mut Call, answer: Answer) -> (Response, Duration) {
    let status = match answer.status {
        0 => StatusCode::OK,
        status => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    (call.status, call.answer) = (status.as_u16(), answer.body);
    let mut response = match &call.answer {
        Value::String(text) => (status, text.clone()).into_response(),
        body => (status, Json(body)).into_response(),
    };
    if let Some(seconds) = answer.retry_after_secs {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    (response, answer.after)
}

fn respond(call: &mut Call, key: Option<&str>, busy: bool) -> Response {
    let parts: Vec<&str> = call
        .path
        .split('?')
        .next()
        .unwrap_or("")
        .trim_matches('/')
        .split('/')
        .collect();
    let status = match parts[..] {
        ["status", code] => code
            .parse()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok()),
        ["busy", times] if times.parse().is_ok_and(|times: u64| call.number <= times) => {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        _ if busy => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None,
    };
    let status = status.unwrap_or(StatusCode::OK);
    call.status = status.as_u16();
    if parts[..] == ["text"] && status == StatusCode::OK {
        return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], TEXT).into_response();
    }
    call.answer =
        json!({"key": key, "call": call.number, "status": call.status, "received": call.body});
    (status, Json(&call.answer)).into_response()
}
