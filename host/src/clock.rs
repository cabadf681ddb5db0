//! PORT Clock: the one place that may ask what time it is, and the one place that may sleep.

mod database;

pub use database::DatabaseClock;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use millwork_core::time::Timestamp;
use tokio::sync::watch;

/// PORT: the wall clock.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Returns at a time or after it, never before. A clock that is set back does not make it early, and one that is set
    /// forward is noticed within seconds.
    async fn sleep_until(&self, at: Timestamp);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest sleep in one piece: how late a clock that was set forward is noticed at most.
const NAP: Duration = Duration::from_secs(5);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        nap_until(self, at).await;
    }
}

/// Sleeps in pieces, and asks the clock after each.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that may sleep"
)]
async fn nap_until(clock: &impl Clock, at: Timestamp) {
    loop {
        let left = at.since(clock.now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(NAP)).await;
    }
}

/// A clock that stands still until it is moved by hand.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock that shows a time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: Arc::new(watch::Sender::new(now)),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.after(by));
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, to: Timestamp) {
        self.now.send_replace(to);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // The sender lives in `self`, so the wait can only end with the time having come.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}
