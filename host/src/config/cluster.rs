//! What a cluster is made of: a PostgreSQL that all share, a Kafka that spreads the work.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, span};

/// Where runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// In a file of the data folder.
    Sqlite,
    /// In a database server.
    Postgres,
}

/// What brings runs to those who execute them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    /// A queue in this process.
    Local,
    /// A broker.
    Kafka,
}

/// PostgreSQL. Any setting here makes it the store, unless `store` says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database`; in place of the next five. Also the variable `DATABASE_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// The server. Also the variable `POSTGRES_HOST`.
    pub host: String,
    /// Its port. Also the variable `POSTGRES_PORT`.
    pub port: NonZeroU16,
    /// The database. Also the variable `POSTGRES_DB`.
    pub database: String,
    /// The role. Also the variable `POSTGRES_USER`.
    pub user: String,
    /// The role's password. Also the variable `POSTGRES_PASSWORD`.
    pub password: Secret,
    /// Connections that a process opens at most, besides one or two of its own.
    pub connections_max: NonZeroUsize,
}

/// Kafka. With `bootstrap_servers` set it is the bus, unless `bus` says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// Brokers to begin with, as `host:port` with commas between. Also the variable `KAFKA_BOOTSTRAP_SERVERS`.
    pub bootstrap_servers: String,
    /// The group of all workers. Also the variable `KAFKA_CONSUMER_GROUP`.
    pub consumer_group: String,
    /// The topic that brings runs to workers. Also the variable `KAFKA_TOPIC_WORKFLOW_TRIGGER`.
    pub topic_trigger: String,
    /// The topic on which the ends of runs are announced. Also the variable `KAFKA_TOPIC_WORKFLOW_COMPLETED`.
    pub topic_completed: String,
    /// The topic on which processes tell each other that somebody has done something to a run.
    pub topic_control: String,
    /// The topic for messages that cannot be read, with the reason; the trigger topic's name and `.dead-letter` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_dead_letter: Option<String>,
    /// The topic to which the ends of runs go as CloudEvents, beside the announcements on `topic_completed`; none where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_events: Option<String>,
    /// Partitions of a topic that is made because it is missing: the most workers that share the work evenly.
    pub partitions: NonZeroU16,
    /// Copies of a topic that is made because it is missing.
    pub replication: NonZeroU16,
    /// How long a worker may give no sign of life before its partitions go to others.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub session_timeout: Duration,
    /// Anything else that librdkafka can be told, such as TLS and SASL: `"security.protocol" = "SASL_SSL"`. A value may be a
    /// text, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub properties: BTreeMap<String, Secret>,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            host: "workflow_db".to_owned(),
            port: NonZeroU16::new(5432).expect("a default is not zero"),
            database: "workflow_db".to_owned(),
            user: "postgres".to_owned(),
            password: Secret::Text("postgres".to_owned()),
            connections_max: NonZeroUsize::new(8).expect("a default is not zero"),
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "kafka:9092".to_owned(),
            consumer_group: "workflow-workers-rust".to_owned(),
            topic_trigger: "workflow.trigger.rust".to_owned(),
            topic_completed: "workflow.completed.rust".to_owned(),
            topic_control: "workflow.control.rust".to_owned(),
            topic_dead_letter: None,
            topic_events: None,
            partitions: NonZeroU16::new(12).expect("a default is not zero"),
            replication: NonZeroU16::MIN,
            session_timeout: Duration::from_secs(10),
            properties: BTreeMap::new(),
        }
    }
}
