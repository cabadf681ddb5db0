//! Topics of others: read at least once, from their beginning, and put aside where nothing can be made of a message.

use std::collections::BTreeSet;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::*;
use crate::source::{Message, Source};

const ORDERS: &str = "orders";

fn with_orders() -> Cluster {
    let cluster = cluster(1, 1);
    cluster.create_topic(ORDERS, 2, 1).unwrap();
    cluster
}

fn write(cluster: &Cluster, payloads: &[&str]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .create()
        .unwrap();
    for (partition, payload) in (0..).zip(payloads) {
        let header = Header {
            key: "from",
            value: Some("the shop"),
        };
        let record = BaseRecord::to(ORDERS)
            .partition(partition % 2)
            .key("ada")
            .payload(*payload)
            .headers(OwnedHeaders::new().insert(header));
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

fn orders() -> BTreeSet<String> {
    BTreeSet::from([ORDERS.to_owned()])
}

async fn receive(source: &KafkaSource, most: usize) -> Vec<Message> {
    let received = tokio::time::timeout(Duration::from_secs(30), source.receive(most));
    received.await.expect("they come").unwrap()
}

/// Receives so many.
async fn all(source: &KafkaSource, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.extend(receive(source, 100).await);
    }
    messages
}

fn said(messages: &[Message]) -> BTreeSet<&str> {
    messages
        .iter()
        .map(|message| std::str::from_utf8(&message.payload).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_anybody_read_comes_and_what_is_done_with_does_not_come_again() {
    let cluster = with_orders();
    write(&cluster, &["one", "two", "three"]);
    let first = KafkaSource::new(options(&cluster));
    first.follow(&orders()).unwrap();
    let messages = all(&first, 3).await;
    assert_eq!(said(&messages), BTreeSet::from(["one", "two", "three"]));
    let one = messages.iter().find(|one| one.payload == b"one").unwrap();
    assert_eq!(
        (&*one.topic, one.partition, one.offset),
        (ORDERS, 0, 0),
        "{one:?}"
    );
    assert_eq!(one.key.as_deref(), Some(&b"ada"[..]));
    assert_eq!(one.headers, [("from".to_owned(), b"the shop".to_vec())]);
    assert!(one.at.is_some());
    // All but the last of the first partition.
    let done: Vec<_> = messages
        .iter()
        .filter(|message| message.payload != b"three")
        .cloned()
        .collect();
    first.done(&done);
    first.leave().await;
    assert_eq!(first.receive(1).await, Ok(Vec::new()), "it is closed");
    drop(first);
    let second = KafkaSource::new(options(&cluster));
    second.follow(&orders()).unwrap();
    assert_eq!(said(&all(&second, 1).await), BTreeSet::from(["three"]));
    write(&cluster, &["four"]);
    assert_eq!(said(&all(&second, 1).await), BTreeSet::from(["four"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_nobody_waits_for_any_more_is_not_read() {
    let cluster = with_orders();
    let source = KafkaSource::new(options(&cluster));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), source.receive(1))
            .await
            .is_err(),
        "nothing is followed"
    );
    source.follow(&orders()).unwrap();
    write(&cluster, &["one"]);
    assert_eq!(said(&all(&source, 1).await), BTreeSet::from(["one"]));
    source.follow(&BTreeSet::new()).unwrap();
    write(&cluster, &["two"]);
    let more = tokio::time::timeout(Duration::from_secs(2), source.receive(1)).await;
    assert!(more.is_err(), "{more:?}");
    source.close();
    assert_eq!(receive(&source, 1).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_can_be_made_of_is_put_aside_with_the_reason() {
    let cluster = with_orders();
    write(&cluster, &["garbage"]);
    let source = KafkaSource::new(options(&cluster));
    source.follow(&orders()).unwrap();
    let messages = all(&source, 1).await;
    source
        .put_aside(&messages[0], "it is no JSON")
        .await
        .unwrap();
    let (bootstrap, aside) = (
        cluster.bootstrap_servers(),
        options(&cluster).topics.dead_letter(),
    );
    let letters = tokio::task::spawn_blocking(move || read_all(&bootstrap, &aside));
    assert_eq!(letters.await.unwrap().unwrap(), [b"garbage"]);
}
