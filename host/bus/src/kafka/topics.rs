//! Makes the topics that are missing. One that exists keeps what it has.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::Error;
use super::options::Options;

/// How long the brokers may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Topics whose partitions share no work among a group.
const PARTITIONS_OTHERS: i32 = 3;

/// Makes the topics that are missing; that another process makes them at the same time does no harm.
pub(super) async fn create(options: &Options) -> Result<(), Error> {
    let admin: AdminClient<DefaultClientContext> =
        options.client(&[]).create().map_err(Error::Client)?;
    let topic = |name, partitions| {
        NewTopic::new(
            name,
            partitions,
            TopicReplication::Fixed(options.replication),
        )
    };
    let dead_letter = options.topics.dead_letter();
    let mut topics = vec![
        topic(&options.topics.trigger, options.partitions),
        topic(&options.topics.completed, PARTITIONS_OTHERS),
        topic(&options.topics.control, PARTITIONS_OTHERS),
        topic(&dead_letter, PARTITIONS_OTHERS),
    ];
    let events = options.topics.events.as_deref();
    topics.extend(events.map(|name| topic(name, PARTITIONS_OTHERS)));
    let bound = AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE));
    let answers = admin
        .create_topics(&topics, &bound)
        .await
        .map_err(Error::Client)?;
    for answer in answers {
        match answer {
            Ok(topic) => tracing::info!(topic, "made a topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // Who may not make topics may still use those that somebody made: whether they are there shows next.
            Err((
                topic,
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            )) => tracing::info!(topic, %code, "may not make a topic"),
            Err((topic, code)) => return Err(Error::Topic { topic, code }),
        }
    }
    Ok(())
}
