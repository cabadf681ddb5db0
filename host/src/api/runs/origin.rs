//! What started a run that nobody asked for.

use millwork_core::event::Origin;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::json::Time;

/// What started a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum StartedBy<'a> {
    /// The clock.
    Schedule {
        /// The times, as cron writes them.
        #[schema(example = "0 9 * * 1-5")]
        cron: &'a str,
        /// The time for which it was to begin.
        at: Time,
    },
    /// A request to an inbound webhook.
    Webhook {
        /// Its path.
        #[schema(example = "shop/orders")]
        path: &'a str,
        /// What tells this delivery from others, where the sender says.
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery: Option<&'a str>,
    },
    /// A message on a topic.
    Kafka {
        /// The topic.
        #[schema(example = "orders")]
        topic: &'a str,
        /// The partition.
        partition: i32,
        /// Its place there.
        offset: i64,
    },
}

impl<'a> StartedBy<'a> {
    pub(super) fn of(origin: &'a Origin) -> Self {
        match origin {
            Origin::Schedule { cron, at } => Self::Schedule {
                cron,
                at: Time(*at),
            },
            Origin::Webhook { path, delivery } => Self::Webhook {
                path,
                delivery: delivery.as_deref(),
            },
            Origin::Kafka {
                topic,
                partition,
                offset,
            } => Self::Kafka {
                topic,
                partition: *partition,
                offset: *offset,
            },
        }
    }
}
