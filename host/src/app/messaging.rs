//! Which bus, and how a process joins it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use millwork_bus::kafka::{Kafka, KafkaSource, Options, Roles, Topics};
use millwork_bus::source::Source;
use millwork_bus::{Bus, Local};

use super::role::Role;
use crate::clock::Clock;
use crate::config::{BusKind, Config};

/// The longest that an item keeps the position of its partition back.
const HOLD_MAX: Duration = Duration::from_secs(5);

/// Joins the bus that the configuration says.
pub(super) async fn join(
    config: &Config,
    role: Role,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Bus>> {
    match config.bus() {
        BusKind::Local => Ok(Arc::new(Local::new(config.engine.queue_max.get()))),
        BusKind::Kafka => {
            let roles = Roles {
                executes: role.executes(),
                serves: role.serves(),
            };
            let servers = &config.kafka.bootstrap_servers;
            let bus = Kafka::start(kafka(config, clock)?, roles).await;
            Ok(Arc::new(bus.with_context(|| {
                format!("could not join Kafka at {servers}")
            })?))
        }
    }
}

/// Where topics of others come from, where there is Kafka.
pub(super) fn source(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Source>>> {
    Ok(match config.bus() {
        BusKind::Local => None,
        BusKind::Kafka => Some(Arc::new(KafkaSource::new(kafka(config, clock)?))),
    })
}

fn kafka(config: &Config, clock: Arc<dyn Clock>) -> Result<Options> {
    let set = &config.kafka;
    let claim_timeout = config.engine.claim_timeout;
    let properties = set.properties.iter().map(|(key, value)| {
        let value = value.read().map_err(anyhow::Error::msg);
        Ok((
            key.clone(),
            value.with_context(|| format!("kafka.properties.{key}"))?,
        ))
    });
    Ok(Options {
        group: set.consumer_group.clone(),
        topics: Topics {
            trigger: set.topic_trigger.clone(),
            completed: set.topic_completed.clone(),
            control: set.topic_control.clone(),
            dead_letter: set.topic_dead_letter.clone(),
            events: set.topic_events.clone(),
        },
        partitions: i32::from(set.partitions.get()),
        replication: i32::from(set.replication.get()),
        properties: properties.collect::<Result<_>>()?,
        queue_max: config.engine.queue_max.get(),
        session_timeout: set.session_timeout,
        // A run is looked up before it is executed when its first claim is about to run out, and its place on the broker
        // is given up long before.
        fresh_max: claim_timeout * 2 / 3,
        hold_max: HOLD_MAX.min(claim_timeout / 3),
        ..Options::new(set.bootstrap_servers.clone(), Arc::new(move || clock.now()))
    })
}

/// What the start prints.
pub(super) fn describe(config: &Config) -> String {
    match config.bus() {
        BusKind::Local => "a queue in this process".to_owned(),
        BusKind::Kafka => format!(
            "Kafka at {}, group {}",
            config.kafka.bootstrap_servers, config.kafka.consumer_group
        ),
    }
}
