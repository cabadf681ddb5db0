//! What the world is told in the form of CloudEvents, as it stands on the topic.

use std::collections::BTreeMap;

use millwork_core::trace::TraceContext;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::Known;
use crate::conformance::{begun, run};

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

/// The first message of a topic.
fn first<'r>(reader: &'r BaseConsumer, topic: &str) -> BorrowedMessage<'r> {
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    reader.assign(&from).unwrap();
    reader.poll(Duration::from_secs(20)).unwrap().unwrap()
}

fn reader(cluster: &Cluster) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_begun_says_in_a_header_to_which_trace_it_belongs() {
    let cluster = cluster(1, 1);
    let bus = Kafka::start(options(&cluster), BOTH).await.unwrap();
    let trace = TraceContext::new(7, 8, true);
    let mut item = begun(1);
    let Known::Begun(known) = &mut item.known else {
        panic!("it is known");
    };
    Arc::make_mut(&mut known.created).trace = Some(trace);
    bus.publish(item).unwrap();
    let reader = reader(&cluster);
    let topic = options(&cluster).topics.trigger;
    let message = first(&reader, &topic);
    assert_eq!(headers(&message)["traceparent"], trace.to_string());
    bus.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stands_on_its_topic_in_binary_mode() {
    let cluster = cluster(1, 1);
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let mut options = options(&cluster);
    options.topics.events = Some(TOPIC.to_owned());
    let bus = Kafka::start(options, BOTH).await.unwrap();
    assert!(tell(&bus).await);
    let reader = reader(&cluster);
    let message = first(&reader, TOPIC);
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
