//! Reads a topic from its beginning to its end: for those who check, afterwards, what the world was told.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the whole topic may take.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(120);

/// Reads every message of a topic, of one partition after the other in their order. Blocks. Nothing where there is no such topic.
///
/// # Errors
/// What the brokers say; or that they took too long.
pub fn read_all(bootstrap: &str, topic: &str) -> Result<Vec<Vec<u8>>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "millwork-replay")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|found| found.partitions());
    let partitions: Vec<i32> = partitions.map(|partition| partition.id()).collect();
    let mut messages = Vec::new();
    let deadline = Instant::now() + PATIENCE_IN_ALL;
    for partition in partitions {
        let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, partition, Offset::Offset(first))?;
        consumer.assign(&from)?;
        let mut next = first;
        while next < end {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    next = message.offset() + 1;
                    messages.push(message.payload().unwrap_or_default().to_vec());
                }
                Some(Err(error)) => return Err(error),
                None if Instant::now() > deadline => {
                    return Err(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::OperationTimedOut,
                    ));
                }
                None => {}
            }
        }
    }
    Ok(messages)
}
