//! The bus on a real Apache Kafka: the suite, and what the mock cannot show. It fails where there is no Kafka to be had.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use millwork_bus::conformance::{ITEMS_MAX, NOW, Subject, hinted, next, run};
use millwork_bus::kafka::{Kafka, Options, Roles};
use millwork_bus::{Bus, Notice};
use millwork_servers::kafka;

/// One broker for all tests: each has topics of its own. It ends with this process, which drops no statics: its supervisor sees to it.
static BROKER: LazyLock<Mutex<kafka::Kafka>> = LazyLock::new(|| {
    Mutex::new(kafka::Kafka::start().expect("the suite on a real Kafka needs one"))
});

const BOTH: Roles = Roles {
    executes: true,
    serves: true,
};

fn options() -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let bootstrap = BROKER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .bootstrap();
    let mut options = Options::new(bootstrap, Arc::new(|| NOW));
    options.group = format!("group-{number}");
    options.topics.trigger = format!("trigger-{number}");
    options.topics.completed = format!("completed-{number}");
    options.topics.control = format!("control-{number}");
    options.partitions = 4;
    options.queue_max = ITEMS_MAX;
    options
}

async fn subject() -> Subject {
    Subject::new(Kafka::start(options(), BOTH).await.unwrap())
}

millwork_bus::conformance!(real, subject().await);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_make_the_topics_once() {
    let options = options();
    let (first, second, third) = tokio::join!(
        Kafka::start(options.clone(), BOTH),
        Kafka::start(options.clone(), BOTH),
        Kafka::start(options.clone(), BOTH),
    );
    for bus in [first.unwrap(), second.unwrap(), third.unwrap()] {
        bus.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_hears_of_a_change_and_of_an_end() {
    let options = options();
    let first = Kafka::start(options.clone(), BOTH).await.unwrap();
    let second = Kafka::start(options, BOTH).await.unwrap();
    first.notify(Notice::Changed(run(1)));
    for bus in [&first, &second] {
        let heard = tokio::time::timeout(Duration::from_secs(20), bus.notice())
            .await
            .unwrap();
        assert_eq!(heard, Some(Notice::Changed(run(1))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_finished_does_not_come_again_and_the_rest_does() {
    let options = options();
    let first = Kafka::start(options.clone(), BOTH).await.unwrap();
    first.publish(hinted(1)).unwrap();
    drop(next(&first).await);
    first.publish(hinted(2)).unwrap();
    let unfinished = next(&first).await;
    first.leave().await;
    drop(unfinished);
    let second = Kafka::start(options, BOTH).await.unwrap();
    let delivery = next(&second).await;
    assert_eq!(delivery.item, hinted(2));
    drop(delivery);
    let more = tokio::time::timeout(Duration::from_secs(2), second.receive()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_or_stopped_and_started_again_is_found_again() {
    let mut broker = kafka::Kafka::start().expect("the suite on a real Kafka needs one");
    let mut options = options();
    options.bootstrap = broker.bootstrap();
    let bus = Kafka::start(options, BOTH).await.unwrap();
    for (number, how) in [(10, kafka::Stop::Killed), (20, kafka::Stop::Gently)] {
        bus.publish(hinted(number)).unwrap();
        drop(next(&bus).await);
        let before = broker.pid();
        broker.restart(how).unwrap();
        assert_ne!(broker.pid(), before);
        // What was noted last may not have reached the broker, so an item may come twice; and none is lost.
        bus.publish(hinted(number + 1)).unwrap();
        while next(&bus).await.item != hinted(number + 1) {}
        let well = async {
            let mut pulse = tokio::time::interval(Duration::from_millis(100));
            while bus.health().is_err() {
                pulse.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), well)
            .await
            .expect("the bus is well again");
    }
    bus.leave().await;
}
