//! What the bus on Kafka is told: where, under which names, and how much.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millwork_core::time::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Says what time it is.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the bus on Kafka is told.
#[derive(Clone)]
pub struct Options {
    /// Brokers to ask first, `host:port` with commas.
    pub bootstrap: String,
    /// The consumer group that the workers share.
    pub group: String,
    /// The topics.
    pub topics: Topics,
    /// Whether missing topics are made at the start.
    pub creates_topics: bool,
    /// How many partitions a trigger topic gets that is made here: so many workers can share it. The others get three.
    pub partitions: i32,
    /// How many brokers keep a copy of what is written to a topic that is made here.
    pub replication: i32,
    /// What librdkafka is told besides, as it is: TLS, SASL. It goes over what is set here.
    pub properties: BTreeMap<String, String>,
    /// How many items wait here to be received, at most.
    pub queue_max: usize,
    /// Up to this size an item carries how its run began; past it the worker reads the store.
    pub record_max_bytes: usize,
    /// An item in hand for longer no longer keeps the position of its partition back: the claim on its row protects it.
    pub hold_max: Duration,
    /// A run that began longer ago is read before it is executed: somebody else may have found it due. It has to be below the
    /// time after which the sweeper takes a new run for lost.
    pub fresh_max: Duration,
    /// A worker that is silent for so long loses its partitions.
    pub session_timeout: Duration,
    /// How long a message is tried before its delivery has failed.
    pub delivery_timeout: Duration,
    /// The time.
    pub now: Now,
}

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Runs that may have something to do.
    pub trigger: String,
    /// Runs that have ended.
    pub completed: String,
    /// What processes tell each other.
    pub control: String,
    /// What could not be understood. Without one it is the trigger topic's name and `.dead-letter`.
    pub dead_letter: Option<String>,
    /// What the world is told in the form of CloudEvents; nothing is where there is none.
    pub events: Option<String>,
}

impl Topics {
    /// Where messages go that could not be understood.
    #[must_use]
    pub fn dead_letter(&self) -> String {
        self.dead_letter
            .clone()
            .unwrap_or_else(|| format!("{}.dead-letter", self.trigger))
    }
}

/// What this process does with the bus, besides publishing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// It executes runs: it reads what is published, and hears of changes.
    pub executes: bool,
    /// It answers who asks for the ends of runs: it reads the announcements.
    pub serves: bool,
}

impl Options {
    /// The usual, for the brokers at this address.
    #[must_use]
    pub fn new(bootstrap: impl Into<String>, now: Now) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            group: "workflow-workers-rust".to_owned(),
            topics: Topics {
                trigger: "workflow.trigger.rust".to_owned(),
                completed: "workflow.completed.rust".to_owned(),
                control: "workflow.control.rust".to_owned(),
                dead_letter: None,
                events: None,
            },
            creates_topics: true,
            partitions: 12,
            replication: 1,
            properties: BTreeMap::new(),
            queue_max: 1_000,
            record_max_bytes: 256 * 1024,
            hold_max: Duration::from_secs(5),
            fresh_max: Duration::from_secs(10),
            session_timeout: Duration::from_secs(10),
            delivery_timeout: Duration::from_secs(10),
            now,
        }
    }

    /// What every client starts from.
    pub(super) fn client(&self, own: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "millwork")
            // A broker that was away is asked again within the second, not within ten.
            .set("reconnect.backoff.max.ms", "1000")
            // A whole cluster that is restarted gives up connections by the dozen: that is no news.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (key, value) in own {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<&str, &str> = self
            .properties
            .iter()
            .map(|(key, value)| (key.as_str(), if is_secret(key) { "…" } else { value }))
            .collect();
        f.debug_struct("Options")
            .field("bootstrap", &self.bootstrap)
            .field("group", &self.group)
            .field("topics", &self.topics)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("properties", &properties)
            .field("queue_max", &self.queue_max)
            .finish_non_exhaustive()
    }
}

/// Whether the value of a property is nobody's business. `sasl.jaas.config` and `ssl.key.pem` hold secrets, too.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "password",
        "secret",
        "key",
        "jaas",
        "token",
        "oauthbearer.config",
    ]
    .iter()
    .any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut options = Options::new("127.0.0.1:9092", Arc::new(|| Timestamp::EPOCH));
        for key in [
            "sasl.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.SECRET",
        ] {
            options
                .properties
                .insert(key.to_owned(), "hunter2".to_owned());
        }
        options
            .properties
            .insert("security.protocol".to_owned(), "sasl_ssl".to_owned());
        let shown = format!("{options:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("sasl_ssl") && shown.contains("sasl.password"),
            "{shown}"
        );
    }

    #[test]
    fn a_property_goes_over_what_is_set_here() {
        let mut options = Options::new("127.0.0.1:9092", Arc::new(|| Timestamp::EPOCH));
        options
            .properties
            .insert("linger.ms".to_owned(), "7".to_owned());
        assert_eq!(
            options.client(&[("linger.ms", "1")]).get("linger.ms"),
            Some("7")
        );
    }
}
