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
