//! What happens when things break: brokers go, answers are slow, coordinators move, messages are garbage, workers come and go.

use std::collections::BTreeSet;

use millwork_core::id::RunId;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCoordinator;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::conformance::{begun, hinted, next, run};
use crate::{Begun, Known, WorkItem};

const EXECUTES: Roles = Roles {
    executes: true,
    serves: false,
};

/// Asks again and again, for half a minute at most.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        let mut pulse = tokio::time::interval(Duration::from_millis(100));
        while !is_so().await {
            pulse.tick().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(40), asked).await;
    assert!(answer.is_ok(), "{what}");
}

/// How far the group is in a partition of the trigger topic.
fn committed(cluster: &Cluster, partition: i32) -> Option<i64> {
    let options = options(cluster);
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap)
        .set("group.id", &options.group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(&options.topics.trigger, partition);
    let committed = reader
        .committed_offsets(list, Duration::from_secs(10))
        .unwrap();
    match committed.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn write_raw(cluster: &Cluster, messages: &[(&str, &str)]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .create()
        .unwrap();
    let topic = options(cluster).topics.trigger;
    for (key, payload) in messages {
        producer
            .send(
                BaseRecord::to(&topic)
                    .key(*key)
                    .payload(*payload)
                    .partition(0),
            )
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

async fn receive_all(buses: &[&Kafka], mut wanted: BTreeSet<RunId>) {
    while !wanted.is_empty() {
        let took = async {
            match buses {
                [one] => one.receive().await,
                [one, other] => tokio::select! {
                    delivery = one.receive() => delivery,
                    delivery = other.receive() => delivery,
                },
                _ => panic!("one or two"),
            }
        };
        let delivery = tokio::time::timeout(Duration::from_secs(40), took).await;
        let delivery = delivery
            .unwrap_or_else(|_| panic!("{wanted:?} did not come"))
            .unwrap();
        wanted.remove(&delivery.item.run);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_message_is_put_aside_and_holds_up_nothing() {
    let cluster = cluster(1, 1);
    let good = codec::encode(&hinted(1), 1_000);
    let key = run(1).to_string();
    let messages = [
        ("x", "garbage"),
        (&key, r#"{"v":7}"#),
        ("wrong", &good),
        (&key, &good),
    ];
    write_raw(&cluster, &messages);
    let bus = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    drop(next(&bus).await);
    eventually("the position goes past all four", async || {
        committed(&cluster, 0) == Some(4)
    })
    .await;

    let letters: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "letters")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    let topic = options(&cluster).topics.dead_letter();
    list.add_partition_offset(&topic, 0, Offset::Beginning)
        .unwrap();
    letters.assign(&list).unwrap();
    let expected = ["no work item", "of format 7", "is not its run"];
    for (number, said) in expected.iter().enumerate() {
        let letter = letters.poll(Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(letter.payload().unwrap(), messages[number].1.as_bytes());
        let headers = letter.headers().unwrap();
        let header = |name| {
            let found = headers.iter().find(|header| header.key == name).unwrap();
            String::from_utf8(found.value.unwrap().to_vec()).unwrap()
        };
        assert!(
            header("millwork-reason").contains(said),
            "{}",
            header("millwork-reason")
        );
        assert_eq!(header("millwork-topic"), options(&cluster).topics.trigger);
        assert_eq!(header("millwork-partition"), "0");
        assert_eq!(header("millwork-offset"), number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_the_partition_came_is_offered_only() {
    let cluster = cluster(1, 1);
    let bus = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    let mut old = begun(1);
    if let Known::Begun(Begun { at, .. }) = &mut old.known {
        *at = NOW;
    }
    bus.publish(old).unwrap();
    let WorkItem { run, known } = next(&bus).await.item;
    assert_eq!((run, known), (hinted(1).run, Known::Offered { began: NOW }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_does_not_hold_the_position_back_past_its_bound() {
    let cluster = cluster(1, 1);
    let mut options = options(&cluster);
    options.hold_max = Duration::from_secs(2);
    let bus = Kafka::start(options, EXECUTES).await.unwrap();
    bus.publish(hinted(1)).unwrap();
    let long = next(&bus).await;
    bus.publish(hinted(2)).unwrap();
    drop(next(&bus).await);
    eventually("the position goes on without the long one", async || {
        committed(&cluster, 0) == Some(2)
    })
    .await;
    drop(long);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_work_and_nothing_is_lost_as_they_come_and_go() {
    let cluster = cluster(1, 4);
    let first = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    for number in 0..40 {
        first.publish(hinted(number)).unwrap();
    }
    // In hand while the partitions are shared out anew.
    let held = [next(&first).await, next(&first).await];
    let mut wanted: BTreeSet<RunId> = (0..40).map(run).collect();
    for delivery in &held {
        wanted.remove(&delivery.item.run);
    }
    let second = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    receive_all(&[&first, &second], wanted).await;
    eventually("each has partitions", async || {
        first.inbox.count().1 > 0
            && second.inbox.count().1 > 0
            && first.inbox.count().1 + second.inbox.count().1 == 4
    })
    .await;
    // Late receipts of partitions that may be the other's by now.
    drop(held);
    for number in 40..80 {
        first.publish(hinted(number)).unwrap();
    }
    let taken = next(&first).await;
    let mut wanted: BTreeSet<RunId> = (40..80).map(run).collect();
    wanted.remove(&taken.item.run);
    drop(taken);
    first.leave().await;
    receive_all(&[&second], wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_in_flight_when_a_worker_leaves_comes_to_the_next() {
    let cluster = cluster(1, 1);
    let first = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    for number in 0..6 {
        first.publish(hinted(number)).unwrap();
    }
    drop(next(&first).await);
    let in_flight = next(&first).await;
    first.leave().await;
    drop(in_flight);
    let second = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    assert_eq!(next(&second).await.item, hinted(1));
    receive_all(&[&second], (2..6).map(run).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_away_is_found_again() {
    let cluster = cluster(1, 1);
    let bus = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    bus.publish(hinted(1)).unwrap();
    drop(next(&bus).await);
    cluster.broker_down(1).unwrap();
    eventually("the health says so", async || bus.health().is_err()).await;
    // It waits with the producer until somebody takes it.
    bus.publish(hinted(2)).unwrap();
    cluster.broker_up(1).unwrap();
    eventually("the health says so", async || bus.health().is_ok()).await;
    // The first may have run out of time while nobody was there.
    let _ = bus.publish(hinted(2));
    receive_all(&[&bus], [run(2)].into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_round_trips_lose_nothing() {
    let cluster = cluster(1, 2);
    let bus = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    cluster
        .broker_round_trip_time(1, Duration::from_millis(300))
        .unwrap();
    for number in 0..20 {
        bus.publish(hinted(number)).unwrap();
    }
    receive_all(&[&bus], (0..20).map(run).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_moves_is_followed() {
    let cluster = cluster(3, 2);
    let group = options(&cluster).group;
    cluster
        .coordinator(MockCoordinator::Group(group.clone()), 1)
        .unwrap();
    let bus = Kafka::start(options(&cluster), EXECUTES).await.unwrap();
    bus.publish(hinted(1)).unwrap();
    drop(next(&bus).await);
    cluster
        .coordinator(MockCoordinator::Group(group), 2)
        .unwrap();
    for number in 2..10 {
        bus.publish(hinted(number)).unwrap();
    }
    receive_all(&[&bus], (2..10).map(run).collect()).await;
    eventually("positions are noted with the new one", async || {
        committed(&cluster, 0).unwrap_or(0) + committed(&cluster, 1).unwrap_or(0) == 9
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_without_room_says_so_and_an_end_that_is_not_told_is_heard_of() {
    let cluster = cluster(1, 1);
    let mut options = options(&cluster);
    options
        .properties
        .insert("queue.buffering.max.messages".to_owned(), "5".to_owned());
    options.delivery_timeout = Duration::from_secs(2);
    let bus = Kafka::start(options, Roles::default()).await.unwrap();
    cluster.broker_down(1).unwrap();
    let (said, told) = tokio::sync::oneshot::channel();
    let ended = crate::Ended {
        run: run(1),
        workflow: millwork_core::id::WorkflowId::from_parts(NOW, [1; 10]),
        version: 1,
        status: millwork_core::run::RunStatus::Success,
        error: None,
        created_at: NOW,
        completed_at: NOW,
        trace: None,
    };
    bus.announce(ended, Box::new(move |is_told| said.send(is_told).unwrap()));
    let full = (0..6)
        .filter(|number| bus.publish(hinted(*number)) == Err(Full))
        .count();
    assert!(full >= 1, "{full}");
    let told = tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap()
        .unwrap();
    assert!(!told);
}
