//! The courier: sees to deliveries until they have arrived, or have been tried for long enough.
//!
//! Each webhook has a task of its own in every process that executes runs, so that one that hangs keeps none other waiting. What
//! is due is taken on for a while, and by nobody else meanwhile; what a process took on and did not live to deliver is due again
//! after that. So an event may come twice, with the same `webhook-id`, and none is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use millwork_core::retry::Chance;
use millwork_core::time::Timestamp;
use millwork_store::{Came, Delivery, DeliveryStep, Error, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::post::{Answer, Post, Request};
use super::signature::sign;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::safe::Safe;
use crate::{random, telemetry};

/// The wait before the second attempt; each further one is about as long as all before it together, up to the longest.
const WAIT_FIRST: Duration = Duration::from_secs(5);
const WAIT_LONGEST: Duration = Duration::from_secs(60 * 60);

/// By how much of itself a wait is shortened at most, so that what failed together does not come again together.
const JITTER: f64 = 0.2;

/// The longest wait that an answer may ask for.
const ASKED_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than a request may take nobody else takes its delivery on.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);

/// How often the store is asked for what other processes have kept.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often deliveries are counted.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The status by which a receiver says that it wants no more.
const GONE: u16 = 410;

/// Sees to deliveries.
pub struct Courier {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where secrets of the API are.
    pub safe: Arc<Safe>,
    /// How requests are sent.
    pub post: Arc<dyn Post>,
    /// Somebody here has kept a delivery, or has one sent again.
    pub kept: Arc<Notify>,
    /// How long a delivery is tried.
    pub retry_for: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Requests to one webhook that are under way at a time.
    pub in_flight_max: usize,
}

impl Courier {
    /// Sees to the deliveries to a webhook until `closing`; then lets the requests that are under way end.
    pub async fn serve(self: Arc<Self>, webhook: Webhook, closing: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        loop {
            // Interest is registered before the look, so that a new delivery is not slept through.
            let kept = self.kept.notified();
            tokio::pin!(kept);
            kept.as_mut().enable();
            let now = self.clock.now();
            let mut look_at = now.after(LOOK_EVERY);
            // Half of the places at once, so that not every answer costs a question to the store.
            let room = self.in_flight_max.saturating_sub(under_way.len());
            if room * 2 >= self.in_flight_max && !closing.is_cancelled() {
                match self.take_on(&webhook, now, room).await {
                    Ok((taken, next)) => {
                        look_at = next.map_or(look_at, |next| look_at.min(next));
                        for delivery in taken {
                            under_way.push(self.attempt(&webhook, delivery));
                        }
                    }
                    Err(error) => {
                        warn(
                            &webhook,
                            &error,
                            "could not look for deliveries; trying again",
                        );
                        look_at = now.after(PAUSE);
                    }
                }
            }
            tokio::select! {
                Some(step) = under_way.next() => {
                    let mut steps = vec![step];
                    while let Some(Some(step)) = under_way.next().now_or_never() {
                        steps.push(step);
                    }
                    // Where it is not written, the claim runs out, and the delivery is made again.
                    if let Err(error) = self.store.save_deliveries(steps).await {
                        warn(&webhook, &error, "could not note what came of deliveries; they are made again");
                    }
                }
                () = kept, if !closing.is_cancelled() => {}
                () = self.clock.sleep_until(look_at), if !closing.is_cancelled() => {}
                () = closing.cancelled(), if !closing.is_cancelled() => {}
                else => return,
            }
        }
    }

    /// Takes on what is due, as much as there is room for, and says when more will be.
    async fn take_on(
        &self,
        webhook: &Webhook,
        now: Timestamp,
        room: usize,
    ) -> Result<(Vec<Delivery>, Option<Timestamp>), Error> {
        let name = &webhook.wish.name;
        let next = self.store.next_delivery_due(name).await?;
        if next.is_none_or(|next| next > now) {
            return Ok((Vec::new(), next));
        }
        let before = now.after(Duration::from_micros(1));
        let until = now.after(self.timeout).after(CLAIM_MARGIN);
        let taken = self.store.claim_deliveries(name, before, until, room);
        Ok((taken.await?, None))
    }

    /// Makes an attempt, and says what came of it.
    async fn attempt(&self, webhook: &Webhook, delivery: Delivery) -> DeliveryStep {
        let name = webhook.wish.name.clone();
        let began = Instant::now();
        let came = match self.send(webhook, &delivery).await {
            Ok(Answer {
                status: 200..=299, ..
            }) => Came::Delivered,
            Ok(Answer { status: GONE, .. }) => Came::Exhausted {
                failure: "the webhook answered 410: it wants no more".to_owned(),
            },
            Ok(Answer {
                status,
                retry_after,
            }) => {
                let failure = format!("the webhook answered {status}");
                self.again(&delivery, failure, retry_after)
            }
            Err(failure) => self.again(&delivery, failure, None),
        };
        let result = match &came {
            Came::Delivered => "delivered",
            Came::Again { failure, .. } => {
                tracing::info!(webhook = name, delivery.id = %delivery.id, run.id = %delivery.run, attempt = delivery.attempts, failure, "an event has not arrived; it is sent again");
                "failed"
            }
            Came::Exhausted { failure } => {
                tracing::error!(webhook = name, delivery.id = %delivery.id, run.id = %delivery.run, attempt = delivery.attempts, failure, "an event has not arrived and is given up: `millwork deliveries resend` sends it again");
                "exhausted"
            }
        };
        metrics::histogram!(telemetry::DELIVERY_SECONDS, "webhook" => name.clone())
            .record(began.elapsed().as_secs_f64());
        metrics::counter!(telemetry::DELIVERIES, "webhook" => name, "result" => result)
            .increment(1);
        DeliveryStep {
            id: delivery.id,
            attempts: delivery.attempts,
            came,
        }
    }

    async fn send(&self, webhook: &Webhook, delivery: &Delivery) -> Result<Answer, String> {
        let keys = webhook.read_keys(&self.safe).await?;
        let timestamp = self.clock.now().as_millis().div_euclid(1_000);
        let signature = sign(&keys, &delivery.event, timestamp, &delivery.body);
        let request = Request {
            url: webhook.url.clone(),
            headers: vec![
                ("webhook-id", delivery.event.clone()),
                ("webhook-timestamp", timestamp.to_string()),
                ("webhook-signature", signature),
            ],
            body: delivery.body.clone(),
        };
        self.post.post(request, self.timeout).await
    }

    fn again(&self, delivery: &Delivery, failure: String, asked: Option<Duration>) -> Came {
        let now = self.clock.now();
        let end = delivery.since.after(self.retry_for);
        if now >= end {
            return Came::Exhausted { failure };
        }
        let wait = wait(now.since(delivery.since), asked, random::chance());
        Came::Again {
            // Once more when the time is up.
            at: now.after(wait).min(end),
            failure,
        }
    }

    /// Writes down how many deliveries there are, again and again, until `closing`.
    pub async fn watch(self: Arc<Self>, webhooks: Vec<String>, closing: CancellationToken) {
        let mut beat = tokio::time::interval(COUNT_EVERY);
        while closing.run_until_cancelled(beat.tick()).await.is_some() {
            let Ok(counted) = self.store.count_deliveries().await else {
                continue;
            };
            for webhook in &webhooks {
                let found = counted.iter().find(|of| of.webhook == *webhook);
                let (pending, exhausted) = found.map_or((0, 0), |of| (of.pending, of.exhausted));
                for (state, count) in [("pending", pending), ("exhausted", exhausted)] {
                    metrics::gauge!(telemetry::DELIVERIES_KEPT, "webhook" => webhook.clone(), "state" => state)
                        .set(telemetry::gauge_value(count));
                }
            }
        }
    }
}

/// The wait after an attempt that failed when so much time had passed since the first.
fn wait(passed: Duration, asked: Option<Duration>, chance: Chance) -> Duration {
    let grown = passed.clamp(WAIT_FIRST, WAIT_LONGEST);
    let shortened = grown.mul_f64(1.0 - JITTER * chance.share());
    // The other side knows best how long it is busy.
    asked.map_or(shortened, |asked| shortened.max(asked.min(ASKED_LONGEST)))
}

fn warn(webhook: &Webhook, error: &Error, what: &'static str) {
    tracing::warn!(
        webhook = webhook.wish.name,
        error = error as &dyn std::error::Error,
        "{what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let none = Chance::from_random([0; 4]);
        let mut passed = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..13 {
            let next = wait(passed, None, none);
            waits.push(next.as_secs());
            passed += next;
        }
        assert_eq!(
            waits,
            [
                5, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600
            ]
        );
    }

    #[test]
    fn chance_shortens_a_wait_by_a_fifth_at_most() {
        let most = Chance::from_random([255; 4]);
        let shortened = wait(seconds(100), None, most);
        assert!(
            shortened > seconds(79) && shortened < seconds(81),
            "{shortened:?}"
        );
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_up_to_a_day() {
        let none = Chance::from_random([0; 4]);
        assert_eq!(wait(seconds(0), Some(seconds(90)), none), seconds(90));
        assert_eq!(wait(seconds(600), Some(seconds(90)), none), seconds(600));
        let week = Some(seconds(7 * 86_400));
        assert_eq!(wait(seconds(0), week, none), seconds(86_400));
    }
}
