//! What people may know of deliveries, and have done with them.

use millwork_core::id::DeliveryId;
use millwork_store::{Delivery, DeliveryQuery, Resend};

use super::{Engine, Error};

/// Deliveries that are sent again in one transaction.
const PAGE: usize = 1_000;

impl Engine {
    /// Finds a delivery that has not arrived.
    ///
    /// # Errors
    /// Where there is none; or the store.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Delivery, Error> {
        let found = self.0.store.find_delivery(id).await?;
        found.ok_or(Error::UnknownDelivery(id))
    }

    /// Lists deliveries that have not arrived, the latest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list_deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, Error> {
        Ok(self.0.store.list_deliveries(query).await?)
    }

    /// Has a delivery tried again, as if it were new.
    ///
    /// # Errors
    /// Where there is none; or the store.
    pub async fn resend_delivery(&self, id: DeliveryId) -> Result<Delivery, Error> {
        if self.resend(Resend::One(id), 1).await? == 0 {
            return Err(Error::UnknownDelivery(id));
        }
        self.find_delivery(id).await
    }

    /// Has all deliveries tried again that were given up, of one webhook or of all. Returns how many.
    ///
    /// # Errors
    /// The store. What was done until then stays done.
    pub async fn resend_exhausted(&self, webhook: Option<String>) -> Result<usize, Error> {
        let mut all = 0;
        loop {
            let webhook = webhook.clone();
            let resent = self.resend(Resend::Exhausted { webhook }, PAGE).await?;
            all += resent;
            if resent < PAGE {
                return Ok(all);
            }
        }
    }

    async fn resend(&self, which: Resend, limit: usize) -> Result<usize, Error> {
        let parts = &self.0;
        let now = parts.clock.now();
        let resent = parts.store.resend_deliveries(which, now, limit).await?;
        if let Some(audience) = &parts.options.audience {
            audience.kept.notify_waiters();
        }
        Ok(resent)
    }
}
