//! One suite for every bus: what the port promises, sentence by sentence.
//!
//! A bus joins with one line, which says how to make one:
//!
//! ```text
//! millwork_bus::conformance!(local, Subject::new(Local::new(ITEMS_MAX)));
//! ```

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

pub mod ends;
pub mod items;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millwork_core::event::RunCreated;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::time::Timestamp;

use crate::{Begun, Bus, Delivery, Known, WorkItem};

/// How many items the bus under test holds.
pub const ITEMS_MAX: usize = 8;

/// Longer than anything here takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time that the bus under test is told, if it asks.
pub const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A bus under test that executes and serves, and what has to live as long as it does.
pub struct Subject {
    /// The bus, empty. It holds [`ITEMS_MAX`] items.
    pub bus: Arc<dyn Bus>,
    _keep: Option<Box<dyn Any>>,
}

impl Subject {
    /// A bus that needs nothing else.
    pub fn new(bus: impl Bus) -> Self {
        Self {
            bus: Arc::new(bus),
            _keep: None,
        }
    }

    /// A bus and, say, its broker. The bus is dropped first.
    pub fn keeping(bus: impl Bus, keep: impl Any) -> Self {
        Self {
            bus: Arc::new(bus),
            _keep: Some(Box::new(keep)),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// A run that differs from others by its number.
#[must_use]
pub fn run(number: u8) -> RunId {
    RunId::from_parts(NOW, [number; 10])
}

/// An item of which nothing is known.
#[must_use]
pub fn hinted(number: u8) -> WorkItem {
    WorkItem {
        run: run(number),
        known: Known::Hinted,
    }
}

/// An item that says how its run began, after every bus here was started.
#[must_use]
pub fn begun(number: u8) -> WorkItem {
    let created = RunCreated {
        workflow: WorkflowId::from_parts(NOW, [1; 10]),
        version: 1,
        payload: Json::from_text(r#"{"greeting":"hello"}"#).unwrap(),
        plugins: BTreeMap::new(),
        bounds: None,
        origin: None,
        deadline: None,
        parent: None,
        labels: BTreeMap::new(),
        trace: None,
    };
    WorkItem {
        run: run(number),
        known: Known::Begun(Begun {
            created: Arc::new(created),
            at: NOW.after(Duration::from_secs(60)),
        }),
    }
}

/// Waits for what has to happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it happens within half a minute")
}

/// The next item, which has to come.
pub async fn next(bus: &dyn Bus) -> Delivery {
    soon(bus.receive()).await.expect("the bus is open")
}

/// Makes a module with a test for each sentence of the port. The second argument makes a [`Subject`]; each test makes its own.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance! { @ $make;
                items::what_is_published_is_received_with_what_is_known_of_it,
                items::what_is_kept_is_received_as_it_is,
                items::many_receivers_share_the_items,
                items::there_is_room_for_a_bounded_number,
                items::more_than_the_bus_holds_gets_through,
                items::room_comes_back_as_items_go,
                items::an_open_bus_is_well,
                ends::closing_wakes_whoever_waits,
                ends::a_closed_bus_takes_nothing_more_in,
                ends::a_receipt_may_be_dropped_at_any_time,
                ends::an_end_is_told_once_for_good,
                ends::an_event_is_told_once_for_good,
                ends::ends_are_announced_until_the_bus_is_left,
                ends::a_bus_is_left_within_seconds_and_more_than_once,
            }
        }
    };
    (@ $make:expr; $($area:ident::$test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let subject: $crate::conformance::Subject = $make;
                $crate::conformance::$area::$test(&*subject.bus).await;
            }
        )*
    };
}
