//! What is promised of items: they come, with what is known of them, and there is a bound.

use std::collections::BTreeSet;

use millwork_core::time::Timestamp;

use super::{ITEMS_MAX, begun, hinted, next, soon};
use crate::{Bus, Full, Known};

/// An item comes out as it went in.
pub async fn what_is_published_is_received_with_what_is_known_of_it(bus: &dyn Bus) {
    bus.publish(begun(1)).unwrap();
    assert_eq!(next(bus).await.item, begun(1));
    bus.publish(hinted(2)).unwrap();
    assert_eq!(next(bus).await.item, hinted(2));
}

/// A process's own items stay its own, and what it knows stays known.
pub async fn what_is_kept_is_received_as_it_is(bus: &dyn Bus) {
    let mut claimed = hinted(1);
    claimed.known = Known::Claimed {
        until: Timestamp::MAX,
    };
    bus.keep(claimed.clone()).unwrap();
    bus.keep(begun(2)).unwrap();
    assert_eq!(bus.depth(), 2);
    assert_eq!(next(bus).await.item, claimed);
    assert_eq!(next(bus).await.item, begun(2));
    assert_eq!(bus.depth(), 0);
}

/// Each item goes to one of those who wait.
pub async fn many_receivers_share_the_items(bus: &dyn Bus) {
    for number in 0..4 {
        bus.publish(hinted(number)).unwrap();
    }
    let (a, b, c, d) = tokio::join!(next(bus), next(bus), next(bus), next(bus));
    let got: BTreeSet<_> = [a, b, c, d].map(|delivery| delivery.item.run).into();
    assert_eq!(got, (0..4).map(super::run).collect());
}

/// The bound is told.
pub async fn there_is_room_for_a_bounded_number(bus: &dyn Bus) {
    for number in 0..ITEMS_MAX {
        bus.keep(hinted(u8::try_from(number).unwrap())).unwrap();
    }
    assert_eq!(bus.keep(hinted(99)), Err(Full));
    drop(next(bus).await);
    bus.keep(hinted(99)).unwrap();
}

/// Whoever publishes more than fits loses nothing by it: either there is no room, or it comes.
pub async fn more_than_the_bus_holds_gets_through(bus: &dyn Bus) {
    let mut published = BTreeSet::new();
    for number in 0..100 {
        if bus.publish(hinted(number)).is_ok() {
            published.insert(super::run(number));
        }
    }
    assert!(published.len() >= ITEMS_MAX);
    while !published.is_empty() {
        let delivery = next(bus).await;
        published.remove(&delivery.item.run);
        assert!(bus.depth() <= ITEMS_MAX, "{} wait", bus.depth());
    }
}

/// Who waits for room hears of it when a good number fits.
pub async fn room_comes_back_as_items_go(bus: &dyn Bus) {
    assert_eq!(soon(bus.room()).await, ITEMS_MAX);
    for number in 0..ITEMS_MAX {
        bus.keep(hinted(u8::try_from(number).unwrap())).unwrap();
    }
    let drain = async {
        for _ in 0..=ITEMS_MAX / 2 {
            drop(next(bus).await);
        }
    };
    let (room, ()) = tokio::join!(soon(bus.room()), drain);
    assert!(room > ITEMS_MAX / 2, "{room}");
}

/// Nothing is wrong with it.
pub async fn an_open_bus_is_well(bus: &dyn Bus) {
    bus.publish(hinted(1)).unwrap();
    drop(next(bus).await);
    assert_eq!(bus.health(), Ok(()));
}
