//! Deliveries: ends of runs that are told to webhooks, each until somebody there has taken it.
//!
//! A delivery is there from the transaction on in which the row of its run says that nothing is left to do. One that has
//! arrived is gone; one that was given up stays, and can be sent again.

use async_trait::async_trait;
use millwork_core::id::{DeliveryId, RunId};
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps deliveries, and says which are due.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Keeps deliveries, and notes that nothing is left to do for finished runs ([`crate::Store::settle`]), in one transaction.
    /// A delivery that is there already stays as it is.
    async fn hand_over(&self, finished: Vec<RunId>, deliveries: Vec<Delivery>)
    -> Result<(), Error>;

    /// Says when the next delivery to a webhook is due.
    async fn next_delivery_due(&self, webhook: &str) -> Result<Option<Timestamp>, Error>;

    /// Takes on deliveries to a webhook that are due before a time, those that have waited longest, so that nobody else who asks
    /// is given them before `until`. Of several callers at once each goes to at most one. They are as they are after that.
    async fn claim_deliveries(
        &self,
        webhook: &str,
        before: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error>;

    /// Notes what came of attempts. What arrived is forgotten, whoever delivered it; anything else is noted only by who took the
    /// delivery on last.
    async fn save_deliveries(&self, steps: Vec<DeliveryStep>) -> Result<(), Error>;

    /// Finds a delivery.
    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error>;

    /// Lists deliveries, the latest first.
    async fn list_deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, Error>;

    /// Has deliveries tried again from a time on, as if they were new, at most `limit`. Returns how many.
    async fn resend_deliveries(
        &self,
        which: Resend,
        at: Timestamp,
        limit: usize,
    ) -> Result<usize, Error>;

    /// Says how many deliveries there are, by webhook.
    async fn count_deliveries(&self) -> Result<Vec<DeliveryCounts>, Error>;

    /// Removes deliveries of ends before a time, in whatever state, at most `limit`. Returns how many.
    async fn remove_deliveries(&self, before: Timestamp, limit: usize) -> Result<usize, Error>;
}

/// The end of a run, to be told to one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which: the same for the same end and webhook. It sorts by when the run ended.
    pub id: DeliveryId,
    /// The webhook, by its name in the configuration.
    pub webhook: String,
    /// The run that ended.
    pub run: RunId,
    /// The event's identifier: what the receiver tells a repeated delivery by.
    pub event: String,
    /// What is sent.
    pub body: String,
    /// When the run ended.
    pub created_at: Timestamp,
    /// Since when it is tried: since it was there, or was last sent again by hand.
    pub since: Timestamp,
    /// How often it was taken on.
    pub attempts: u32,
    /// When it is tried next; absent where it was given up.
    pub due_at: Option<Timestamp>,
    /// What came of the last attempt, where that failed.
    pub failure: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryStep {
    /// Which delivery.
    pub id: DeliveryId,
    /// Which time of its being taken on this is about.
    pub attempts: u32,
    /// What came of it.
    pub came: Came,
}

/// What came of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It has arrived.
    Delivered,
    /// It has not, and is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why it has not.
        failure: String,
    },
    /// It has not, and is given up.
    Exhausted {
        /// Why it has not.
        failure: String,
    },
}

/// Which deliveries to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only to this webhook.
    pub webhook: Option<String>,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only beyond this one, in the order of the list.
    pub after: Option<DeliveryId>,
    /// At most so many.
    pub limit: usize,
}

/// How it stands with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried until it arrives.
    Pending,
    /// It was given up.
    Exhausted,
}

impl Delivery {
    /// How it stands with it.
    #[must_use]
    pub const fn state(&self) -> DeliveryState {
        match self.due_at {
            Some(_) => DeliveryState::Pending,
            None => DeliveryState::Exhausted,
        }
    }
}

/// Which deliveries are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// This one, whether it was given up or waits for its next attempt.
    One(DeliveryId),
    /// All that were given up, of one webhook or of all.
    Exhausted {
        /// The webhook.
        webhook: Option<String>,
    },
}

/// How many deliveries to a webhook there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// The webhook.
    pub webhook: String,
    /// Those that are tried until they arrive.
    pub pending: u64,
    /// Those that were given up.
    pub exhausted: u64,
}
