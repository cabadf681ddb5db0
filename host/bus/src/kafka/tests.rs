//! The bus on librdkafka's own mock of a cluster: the suite, and what happens when things break.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::conformance::{ITEMS_MAX, NOW, Subject};

mod events;
mod faults;
mod sources;

pub(super) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(super) fn cluster(brokers: i32, partitions: i32) -> Cluster {
    let cluster = MockCluster::new(brokers).unwrap();
    let topics = options(&cluster).topics;
    // The mock knows no admin API.
    for (topic, partitions) in [
        (&topics.trigger, partitions),
        (&topics.completed, 1),
        (&topics.control, 1),
        (&topics.dead_letter(), 1),
    ] {
        cluster
            .create_topic(topic, partitions, brokers.min(3))
            .unwrap();
    }
    cluster
}

pub(super) fn options(cluster: &Cluster) -> Options {
    let mut options = Options::new(cluster.bootstrap_servers(), Arc::new(|| NOW));
    options.creates_topics = false;
    options.queue_max = ITEMS_MAX;
    options.session_timeout = Duration::from_secs(6);
    options
}

pub(super) const BOTH: Roles = Roles {
    executes: true,
    serves: true,
};

async fn subject() -> Subject {
    let cluster = cluster(1, 4);
    let bus = Kafka::start(options(&cluster), BOTH).await.unwrap();
    Subject::keeping(bus, cluster)
}

crate::conformance!(mock, subject().await);
