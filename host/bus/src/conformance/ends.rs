//! What is promised of ends: of runs, and of the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;

use super::{NOW, hinted, next, run, soon};
use crate::{Bus, CloudEvent, Ended, Full};

fn ended(number: u8) -> Ended {
    Ended {
        run: run(number),
        workflow: WorkflowId::from_parts(NOW, [1; 10]),
        version: 1,
        status: RunStatus::Failed,
        error: Some("the shop is closed".to_owned()),
        created_at: NOW,
        completed_at: NOW,
        trace: None,
    }
}

async fn announce(bus: &dyn Bus, number: u8) -> bool {
    let (said, told) = tokio::sync::oneshot::channel();
    bus.announce(
        ended(number),
        Box::new(move |is_told| said.send(is_told).unwrap()),
    );
    soon(told).await.expect("it is called")
}

/// Nobody waits at a closed bus.
pub async fn closing_wakes_whoever_waits(bus: &dyn Bus) {
    for number in 0..8 {
        // Whoever waits for room has to wait.
        let _ = bus.keep(hinted(number));
    }
    let wait = async { tokio::join!(bus.room(), bus.room(), bus.notice(), bus.notice()) };
    let close = async {
        tokio::task::yield_now().await;
        bus.close();
    };
    let (waited, ()) = tokio::join!(soon(wait), close);
    assert_eq!(waited, (0, 0, None, None));
    let (first, second) = soon(async { tokio::join!(bus.receive(), bus.receive()) }).await;
    assert!(first.is_none() && second.is_none());
}

/// What comes too late finds no room, and what was in is out.
pub async fn a_closed_bus_takes_nothing_more_in(bus: &dyn Bus) {
    bus.keep(hinted(1)).unwrap();
    bus.close();
    assert_eq!(bus.publish(hinted(2)), Err(Full));
    assert_eq!(bus.keep(hinted(3)), Err(Full));
    assert_eq!(bus.depth(), 0);
    assert!(soon(bus.receive()).await.is_none());
}

/// A worker may be slower than the bus.
pub async fn a_receipt_may_be_dropped_at_any_time(bus: &dyn Bus) {
    for number in 0..3 {
        bus.publish(hinted(number)).unwrap();
    }
    let (first, second, third) = (next(bus).await, next(bus).await, next(bus).await);
    drop(third);
    bus.close();
    drop(first);
    soon(bus.leave()).await;
    drop(second);
}

/// The callback is called once.
pub async fn an_end_is_told_once_for_good(bus: &dyn Bus) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    bus.announce(
        ended(1),
        Box::new(move |is_told| {
            assert!(is_told);
            counted.fetch_add(1, Ordering::SeqCst);
        }),
    );
    assert!(announce(bus, 2).await);
    soon(bus.leave()).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// The callback is called once, also where there is nobody to be told.
pub async fn an_event_is_told_once_for_good(bus: &dyn Bus) {
    let event = CloudEvent {
        id: "1".to_owned(),
        source: "/test".to_owned(),
        kind: "millwork.run.failed",
        subject: run(1).to_string(),
        time: NOW,
        traceparent: None,
        data: serde_json::value::to_raw_value(&[1]).unwrap(),
    };
    let (said, told) = tokio::sync::oneshot::channel();
    let told_so = Box::new(move |is_told| said.send(is_told).unwrap());
    bus.tell(run(1), &event, told_so);
    assert_eq!(soon(told).await, Ok(true));
}

/// Runs that end while the process ends are announced, too.
pub async fn ends_are_announced_until_the_bus_is_left(bus: &dyn Bus) {
    bus.close();
    assert!(announce(bus, 1).await);
    soon(bus.leave()).await;
}

/// Leaving takes seconds, and once is enough.
pub async fn a_bus_is_left_within_seconds_and_more_than_once(bus: &dyn Bus) {
    bus.publish(hinted(1)).unwrap();
    drop(next(bus).await);
    bus.close();
    soon(bus.leave()).await;
    soon(bus.leave()).await;
}
