//! What the world is told in the form of CloudEvents, as it stands on the topic.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::conformance::run;

const TOPIC: &str = "events";

fn event() -> CloudEvent {
    CloudEvent {
        id: "7-0".to_owned(),
        source: "/test".to_owned(),
        kind: "millwork.run.failed",
        subject: run(7).to_string(),
        time: NOW,
        traceparent: None,
        data: serde_json::value::to_raw_value(&["no"]).unwrap(),
    }
}

async fn tell(bus: &Kafka) -> bool {
    let (said, told) = tokio::sync::oneshot::channel();
    let note = Box::new(move |is_told| said.send(is_told).unwrap());
    bus.tell(run(7), &event(), note);
    told.await.unwrap()
}

fn headers(message: &BorrowedMessage<'_>) -> BTreeMap<String, String> {
    let headers = message.headers().unwrap().iter();
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    headers
        .map(|header| (header.key.to_owned(), text(header.value)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stands_on_its_topic_in_binary_mode() {
    let cluster = cluster(1, 1);
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let mut options = options(&cluster);
    options.topics.events = Some(TOPIC.to_owned());
    let bus = Kafka::start(options, BOTH).await.unwrap();
    assert!(tell(&bus).await);
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, Offset::Beginning)
        .unwrap();
    reader.assign(&from).unwrap();
    let message = reader.poll(Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(message.payload(), Some(&b"[\"no\"]"[..]));
    assert_eq!(message.key(), Some(run(7).to_string().as_bytes()));
    let found = headers(&message);
    let expected = event().headers();
    let expected = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    assert_eq!(found, expected.collect());
    assert_eq!(found["ce_type"], "millwork.run.failed");
    assert_eq!(found["content-type"], "application/json");
    bus.leave().await;
    assert!(!tell(&bus).await, "who has left tells nothing");
}
