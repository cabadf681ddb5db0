//! Who is told of ends: an audience, and a receiver of webhooks that answers as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use millwork::clock::{Clock, ManualClock};
use millwork::config::{Secret, SigningSecret};
use millwork::events::{Answer, Audience, Courier, Post, Request, Webhook, Wish};
use millwork::safe::{Keys, Safe};
use millwork_core::time::Timestamp;
use millwork_store::{Memory, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The secret of every webhook here.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long a delivery is tried.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A receiver: answers as told, 200 where nothing is said, and remembers what came when.
pub(crate) struct Receiver {
    clock: ManualClock,
    answers: Mutex<VecDeque<Result<Answer, String>>>,
    came: Mutex<Vec<(Timestamp, Request)>>,
    /// Whether requests hang until they are given up.
    pub(crate) hangs: Mutex<Vec<String>>,
}

impl Receiver {
    pub(crate) fn new(clock: &ManualClock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            answers: Mutex::default(),
            came: Mutex::default(),
            hangs: Mutex::default(),
        })
    }

    /// Answers the next requests so.
    pub(crate) fn answer(&self, status: u16, times: usize) {
        let answer = Answer {
            status,
            retry_after: None,
        };
        lock(&self.answers).extend(std::iter::repeat_n(Ok(answer), times));
    }

    /// Answers the next request so.
    pub(crate) fn answer_with(&self, answer: Result<Answer, String>) {
        lock(&self.answers).push_back(answer);
    }

    pub(crate) fn came(&self) -> Vec<(Timestamp, Request)> {
        lock(&self.came).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

#[async_trait]
impl Post for Receiver {
    async fn post(&self, request: Request, at_most: Duration) -> Result<Answer, String> {
        let now = self.clock.now();
        let host = request.url.host().unwrap_or_default().to_owned();
        lock(&self.came).push((now, request));
        if lock(&self.hangs).contains(&host) {
            self.clock.sleep_until(now.after(at_most)).await;
            return Err("no answer".to_owned());
        }
        let told = lock(&self.answers).pop_front();
        told.unwrap_or(Ok(Answer {
            status: 200,
            retry_after: None,
        }))
    }
}

/// A webhook that wants to know everything, at a host of its own name.
pub(crate) fn webhook(name: &str) -> Webhook {
    Webhook {
        wish: Wish {
            name: name.to_owned(),
            types: Vec::new(),
            workflows: Vec::new(),
            labels: BTreeMap::new(),
        },
        url: format!("https://{name}.example/hook")
            .parse()
            .expect("it is an address"),
        secrets: vec![SigningSecret::Here(Secret::Text(SECRET.to_owned()))],
    }
}

/// Those who want to know.
pub(crate) fn audience(webhooks: &[Webhook]) -> Arc<Audience> {
    Arc::new(Audience {
        kept: Arc::new(Notify::new()),
        source: Arc::from("/test"),
        webhooks: webhooks.iter().map(|of| of.wish.clone()).collect(),
    })
}

/// Starts a courier for each webhook. It ends with what is returned.
pub(crate) fn start(
    webhooks: Vec<Webhook>,
    audience: &Audience,
    store: &Arc<Memory>,
    clock: &ManualClock,
    receiver: &Arc<Receiver>,
) -> tokio_util::sync::DropGuard {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let safe = Safe::new(
        BTreeMap::new(),
        Arc::clone(store) as _,
        Keys::default(),
        Arc::clone(&clock),
    );
    let courier = Arc::new(Courier {
        store: Arc::clone(store) as Arc<dyn Store>,
        clock,
        safe: Arc::new(safe),
        post: Arc::clone(receiver) as Arc<dyn Post>,
        kept: Arc::clone(&audience.kept),
        retry_for: RETRY_FOR,
        timeout: Duration::from_secs(20),
        in_flight_max: 4,
    });
    let closing = CancellationToken::new();
    for webhook in webhooks {
        tokio::spawn(Arc::clone(&courier).serve(webhook, closing.clone()));
    }
    closing.drop_guard()
}
