//! Sends one request over and over, over many connections, and measures each answer.
//!
//! The client has to be cheap, since it takes its share of the machine that it measures: the request's bytes are built
//! once, each client thread drives its own connections without talking to the others, and each answer is only looked at
//! for its status and its length.

mod lane;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::api::PATIENCE;
use crate::client::{Connection, Request};
use crate::files;
use crate::latency::{Latency, per_second, rounded};
use crate::report::Problems;
use crate::time::Timestamp;

/// What to send, and how hard.
#[derive(Clone, Debug)]
pub struct Load {
    /// To whom.
    pub address: SocketAddr,
    /// What, one after the other and again from the beginning.
    pub requests: Vec<Request>,
    /// Over how many connections.
    pub connections: usize,
    /// Driven by how many threads.
    pub threads: usize,
    /// How much.
    pub until: Until,
    /// How many a second, whether or not answers come (open loop). As fast as answers come where absent (closed loop).
    pub rate: Option<f64>,
    /// Whether the identifiers of the runs that were started are wanted.
    pub keep_run_ids: bool,
    /// Whether a new connection is made for every request.
    pub reconnect: bool,
    /// Where right answers are counted while they come, for those who look on.
    pub answered: Arc<AtomicU64>,
}

impl Load {
    /// One request over and over, as fast as answers come, from one thread.
    #[must_use]
    pub fn new(address: SocketAddr, request: Request, connections: usize, until: Until) -> Self {
        Self {
            address,
            requests: vec![request],
            connections,
            threads: 1,
            until,
            rate: None,
            keep_run_ids: false,
            reconnect: false,
            answered: Arc::default(),
        }
    }

    /// Keeps the identifiers of the runs that are started.
    #[must_use]
    pub fn keeping_run_ids(self) -> Self {
        Self {
            keep_run_ids: true,
            ..self
        }
    }

    /// How many requests there are in all, where that is known before. In an open loop it always is: every request that is due
    /// within the time is sent, however late, since one that is left out because the server stalled would be the slowest.
    fn total(&self) -> Option<u64> {
        match (self.until, self.rate) {
            (Until::Requests(count), _) => Some(count),
            (Until::Elapsed(span), Some(rate)) => Some(requests_within(span, rate)),
            (Until::Elapsed(_), None) => None,
        }
    }
}

/// Requests that are due before a span is over, the first at its beginning.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a few million, and no less than zero"
)]
fn requests_within(span: Duration, rate: f64) -> u64 {
    (span.as_secs_f64() * rate).ceil().max(0.0) as u64
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many acknowledged requests.
    Requests(u64),
    /// After so long; in an open loop, when all is answered that was due by then.
    Elapsed(Duration),
}

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers that were as they should be.
    pub answers: u64,
    /// Requests that were answered otherwise, or not at all.
    pub errors: u64,
    /// What the first of these was.
    pub first_error: Option<String>,
    /// How often the server said that it was busy. Each such request was sent again.
    pub turned_away: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// When the last answer had come.
    pub ended_at: Timestamp,
    /// How long each answer took; in an open loop, since the time when its request was due.
    pub micros: Vec<u32>,
    /// The runs that were started, if wanted.
    pub run_ids: Vec<String>,
}

impl Tally {
    /// Answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        per_second(self.answers, self.elapsed.as_secs_f64())
    }

    /// How long the answers took.
    #[must_use]
    pub fn latency(&self) -> Latency {
        Latency::of(self.micros.iter().map(|micros| u64::from(*micros)))
    }

    /// Says that some of what was sent failed, where some did.
    pub fn complain(&self, what: &str, problems: &mut Problems) {
        if let Some(error) = &self.first_error {
            problems.add(format!("{} {what} failed, the first: {error}", self.errors));
        }
    }

    /// How long it all took, rounded for people.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        rounded(self.elapsed.as_secs_f64())
    }
}

/// What all lanes of a load share.
#[derive(Debug)]
struct Course {
    load: Load,
    /// How many requests there are in all, where that is known before.
    total: Option<u64>,
    /// How long a right answer is, as the first one was.
    answer_bytes: usize,
    /// Requests handed out so far.
    taken: AtomicU64,
}

impl Course {
    /// Takes the next request, unless the load is at its end.
    fn take(&self, start: Instant) -> Option<u64> {
        if self.is_over(start) {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        self.total
            .is_none_or(|total| number < total)
            .then_some(number)
    }

    /// Whether time alone has ended the load.
    fn is_over(&self, start: Instant) -> bool {
        match (self.total, self.load.until) {
            (None, Until::Elapsed(span)) => start.elapsed() >= span,
            (Some(_), _) | (None, Until::Requests(_)) => false,
        }
    }

    /// What is sent.
    fn request(&self, number: u64) -> &Request {
        let requests = &self.load.requests;
        let place = usize::try_from(number).unwrap_or(0) % requests.len();
        &requests[place]
    }

    /// When a request is due in an open loop.
    fn due(&self, start: Instant, number: u64) -> Option<Instant> {
        #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
        let seconds = number as f64 / self.load.rate?;
        Some(start + Duration::from_secs_f64(seconds))
    }
}

/// Carries a load out, after one request that shows what a right answer looks like.
///
/// # Errors
/// Where that first request is not answered with 200, or the load does not come to an end.
pub async fn carry_out(load: Load) -> Result<Tally> {
    ensure!(
        load.connections > 0 && load.threads > 0 && !load.requests.is_empty(),
        "a load needs at least one connection, one thread and one request"
    );
    files::allow(load.connections)?;
    if let Some(rate) = load.rate {
        ensure!(
            rate.is_finite() && rate > 0.0,
            "a rate of {rate} requests a second is no rate"
        );
    }
    let sample = first_answer(&load).await?;
    // The request that shows the way is one of those that were asked for.
    let taken = match load.until {
        Until::Requests(_) => 1,
        Until::Elapsed(_) => 0,
    };
    let course = Arc::new(Course {
        answer_bytes: sample.body.len(),
        taken: AtomicU64::new(taken),
        total: load.total(),
        load,
    });
    let threads = course.load.threads.min(course.load.connections);
    let mut handles = Vec::new();
    for thread in 0..threads {
        let course = Arc::clone(&course);
        handles.push(tokio::task::spawn_blocking(move || {
            lane::drive(&course, thread, threads)
        }));
    }
    let mut tally = Tally {
        answers: taken,
        ended_at: Timestamp::now(),
        ..Tally::default()
    };
    course.load.answered.fetch_add(taken, Ordering::Relaxed);
    if taken == 1 && course.load.keep_run_ids {
        tally.run_ids.push(crate::api::run_id(&sample)?);
    }
    for handle in handles {
        let part = handle.await.context("a client thread panicked")??;
        tally.answers += part.answers;
        tally.errors += part.errors;
        tally.first_error = tally.first_error.or(part.first_error);
        tally.turned_away += part.turned_away;
        tally.elapsed = tally.elapsed.max(part.elapsed);
        tally.ended_at = tally.ended_at.max(part.ended_at);
        tally.micros.extend(part.micros);
        tally.run_ids.extend(part.run_ids);
    }
    Ok(tally)
}

async fn first_answer(load: &Load) -> Result<crate::client::Response> {
    let exchange = async {
        Connection::open(load.address)
            .await?
            .exchange(&load.requests[0])
            .await
    };
    let response = tokio::time::timeout(PATIENCE, exchange)
        .await
        .context("the first request was not answered")??;
    let status = response.status;
    ensure!(
        status == 200,
        "the first request was answered {status}: {}",
        response.excerpt()
    );
    Ok(response)
}
