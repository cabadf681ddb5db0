//! Which variables of the environment are settings.

/// Variables that others are used to, and the settings that they are.
pub const ALIASES: [(&str, &str); 13] = [
    ("RUST_LOG", "log.filter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"),
    ("OTEL_SERVICE_NAME", "traces.service_name"),
    ("DATABASE_URL", "postgres.url"),
    ("POSTGRES_HOST", "postgres.host"),
    ("POSTGRES_PORT", "postgres.port"),
    ("POSTGRES_DB", "postgres.database"),
    ("POSTGRES_USER", "postgres.user"),
    ("POSTGRES_PASSWORD", "postgres.password"),
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap_servers"),
    ("KAFKA_CONSUMER_GROUP", "kafka.consumer_group"),
    ("KAFKA_TOPIC_WORKFLOW_TRIGGER", "kafka.topic_trigger"),
    ("KAFKA_TOPIC_WORKFLOW_COMPLETED", "kafka.topic_completed"),
];

/// Those of this process. What is no UTF-8 is taken as far as it can be read; its setting will not hold.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let all = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
    // A variable that is set to nothing is how many tools write one that is not set.
    all.filter(|(_, value)| !value.is_empty())
        .filter(|(name, _)| name.starts_with("MILLWORK_") || alias(name).is_some())
        .collect()
}

/// The setting that a variable of [`ALIASES`] is.
pub(super) fn alias(name: &str) -> Option<&'static str> {
    let found = ALIASES.iter().find(|(alias, _)| *alias == name);
    found.map(|(_, setting)| *setting)
}
