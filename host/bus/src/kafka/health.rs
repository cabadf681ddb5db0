//! Whether Kafka can be reached, in words; and librdkafka's own words, for the log.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::producer::Producer;
use super::threads::{Stop, Worker};

/// How long a broker may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often they are asked.
const PULSE: Duration = Duration::from_secs(2);

/// What is wrong, if anything is.
#[derive(Default)]
pub(super) struct Health {
    wrong: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn ask(&self) -> Result<(), String> {
        self.lock().clone().map_or(Ok(()), Err)
    }

    /// A client met something that was not the answer to a question.
    pub(super) fn heard(&self, error: &KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.set(Some("no Kafka broker can be reached".to_owned()));
        } else {
            tracing::debug!(%error, reason, "a Kafka client met an error");
        }
    }

    fn set(&self, wrong: Option<String>) {
        let before = std::mem::replace(&mut *self.lock(), wrong.clone());
        match (before, wrong) {
            (None, Some(wrong)) => tracing::warn!(wrong, "Kafka is not well"),
            (Some(_), None) => tracing::info!("Kafka is well again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the brokers again and again.
    pub(super) fn watch(
        self: Arc<Self>,
        producer: Weak<Producer>,
        topic: String,
        stop: Stop,
    ) -> std::io::Result<Worker> {
        Worker::start("kafka-health", move || {
            while !stop.wait(PULSE) {
                let Some(producer) = producer.upgrade() else {
                    return;
                };
                let wrong = match (producer.fatal(), producer.ping(&topic, PATIENCE)) {
                    (Some(fatal), _) => Some(format!(
                        "the Kafka producer has ended, restart this process: {fatal}"
                    )),
                    (None, Err(error)) => Some(format!("Kafka does not answer: {error}")),
                    (None, Ok(())) => None,
                };
                self.set(wrong);
            }
        })
    }
}

/// Hands on what librdkafka logs.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // That a broker is away is told once, by the health; librdkafka tells it for each of its connections.
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
