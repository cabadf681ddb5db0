//! Writes to Kafka: items, announcements, notices and dead letters, over one idempotent producer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};

use super::codec::{self, MESSAGE_MAX_BYTES};
use super::health::{Health, log};
use super::inbox::Inbox;
use super::offsets::Place;
use super::options::Options;
use crate::{Full, Told, telemetry};

/// Writes to Kafka.
pub(super) struct Producer {
    inner: ThreadedProducer<Reports>,
}

/// A message that was not understood, and why.
pub(super) struct Letter {
    pub(super) place: Place,
    pub(super) topic: String,
    pub(super) key: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) reason: String,
}

/// What was sent, and who is to be told what became of it.
pub(super) enum Sent {
    Item,
    Announcement(Told),
    Event(Told),
    Notice,
    /// Is told whether it arrived.
    Greeting(tokio::sync::oneshot::Sender<KafkaResult<()>>),
    Letter(Letter),
}

/// What is done when the broker has answered, on the producer's own thread.
pub(super) struct Reports {
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    /// Letters that did not arrive; the consumer sends them again.
    returned: Mutex<Vec<Letter>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.health.heard(&error, reason);
    }
}

impl ProducerContext for Reports {
    // The lock is never contended: it is what makes a callback that one thread may call once fit for being shared.
    type DeliveryOpaque = Box<Mutex<Sent>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Mutex<Sent>>) {
        let failed = result.as_ref().err().map(|(error, _)| error);
        self.settle(
            sent.into_inner().unwrap_or_else(PoisonError::into_inner),
            failed,
        );
    }
}

impl Reports {
    fn settle(&self, sent: Sent, failed: Option<&KafkaError>) {
        if let Some(error) = failed {
            let kind = sent.kind();
            metrics::counter!(telemetry::DELIVERY_FAILURES, "kind" => kind).increment(1);
            tracing::debug!(kind, %error, "Kafka did not take a message");
        }
        match (sent, failed) {
            (Sent::Item, None) => metrics::counter!(telemetry::PUBLISHED).increment(1),
            (Sent::Announcement(told), _) => {
                if failed.is_none() {
                    metrics::counter!(telemetry::ANNOUNCEMENTS).increment(1);
                }
                told(failed.is_none());
            }
            (Sent::Event(told), _) => {
                if failed.is_none() {
                    metrics::counter!(telemetry::EVENTS).increment(1);
                }
                told(failed.is_none());
            }
            (Sent::Greeting(arrived), _) => {
                // Nobody may wait for it any longer.
                let _ = arrived.send(failed.cloned().map_or(Ok(()), Err));
            }
            (Sent::Letter(letter), None) => {
                metrics::counter!(telemetry::DEAD_LETTERS).increment(1);
                self.inbox.letter_done(letter.place);
            }
            (Sent::Letter(letter), Some(error)) => {
                tracing::warn!(%error, "a dead letter did not arrive; it is sent again");
                self.returned
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(letter);
            }
            (Sent::Item, Some(_)) | (Sent::Notice, _) => {}
        }
    }
}

impl Sent {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Announcement(_) => "announcement",
            Self::Event(_) => "event",
            Self::Notice => "notice",
            Self::Greeting(_) => "greeting",
            Self::Letter(_) => "dead-letter",
        }
    }
}

impl Producer {
    pub(super) fn start(
        options: &Options,
        inbox: Arc<Inbox>,
        health: Arc<Health>,
    ) -> KafkaResult<Self> {
        let delivery = options.delivery_timeout.as_millis().to_string();
        let config = options.client(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // An item waits a millisecond at most, and what one transaction of the store has created goes out together.
            ("linger.ms", "1"),
            ("message.timeout.ms", &delivery),
            // Java's: whoever else writes with the run as the key hits the same partition.
            ("partitioner", "murmur2_random"),
        ]);
        let reports = Reports {
            inbox,
            health,
            returned: Mutex::default(),
        };
        Ok(Self {
            inner: config.create_with_context(reports)?,
        })
    }

    /// Sends a message whose fate is only counted, or told to whom [`Sent`] names.
    pub(super) fn send(
        &self,
        topic: &str,
        key: &str,
        payload: &str,
        sent: Sent,
    ) -> Result<(), Full> {
        let record = BaseRecord::with_opaque_to(topic, Box::new(Mutex::new(sent)))
            .key(key)
            .payload(payload);
        self.hand_over(record)
    }

    /// The same, with headers.
    pub(super) fn send_with<'h>(
        &self,
        topic: &str,
        key: &str,
        payload: &str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        sent: Sent,
    ) -> Result<(), Full> {
        let headers = headers.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value.as_bytes()),
            })
        });
        let record = BaseRecord::with_opaque_to(topic, Box::new(Mutex::new(sent)))
            .key(key)
            .payload(payload)
            .headers(headers);
        self.hand_over(record)
    }

    /// Writes a greeting, which gets the idempotent producer its number: the first message would wait half a second for it.
    pub(super) async fn warm(&self, topic: &str, bound: Duration) -> Result<(), String> {
        let (arrived, answer) = tokio::sync::oneshot::channel();
        self.send(
            topic,
            "",
            &codec::encode_notice(None),
            Sent::Greeting(arrived),
        )
        .map_err(|Full| "the producer has no room".to_owned())?;
        match tokio::time::timeout(bound, answer).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(_)) | Err(_) => Err(format!("no answer within {} s", bound.as_secs_f32())),
        }
    }

    /// Puts a message aside that was not understood.
    pub(super) fn send_letter(&self, topic: &str, letter: Letter) {
        let partition = letter.place.partition.to_string();
        let offset = letter.place.offset.to_string();
        let length = letter.payload.len().to_string();
        let header = |key, value| Header { key, value };
        let headers = OwnedHeaders::new()
            .insert(header("millwork-reason", Some(letter.reason.as_bytes())))
            .insert(header("millwork-topic", Some(letter.topic.as_bytes())))
            .insert(header("millwork-partition", Some(partition.as_bytes())))
            .insert(header("millwork-offset", Some(offset.as_bytes())))
            .insert(header("millwork-length", Some(length.as_bytes())));
        // What is too long to be read is too long to be put aside: its beginning has to do.
        let payload = letter.payload[..letter.payload.len().min(MESSAGE_MAX_BYTES)].to_vec();
        let key = letter.key.clone();
        let record = BaseRecord::with_opaque_to(topic, Box::new(Mutex::new(Sent::Letter(letter))))
            .key(&key)
            .payload(&payload)
            .headers(headers);
        // Where there is no room it comes back by `settle`.
        let _ = self.hand_over(record);
    }

    /// Letters that did not arrive.
    pub(super) fn returned(&self) -> Vec<Letter> {
        let mut returned = self
            .inner
            .context()
            .returned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut returned)
    }

    fn hand_over<K, P>(&self, record: BaseRecord<'_, K, P, Box<Mutex<Sent>>>) -> Result<(), Full>
    where
        K: rdkafka::message::ToBytes + ?Sized,
        P: rdkafka::message::ToBytes + ?Sized,
    {
        self.inner.send(record).map_err(|(error, record)| {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                tracing::warn!(%error, "a message could not be handed to Kafka");
            }
            let sent = record
                .delivery_opaque
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
            self.inner.context().settle(sent, Some(&error));
            Full
        })
    }

    /// Waits until everything has been answered, so long at most.
    pub(super) fn flush(&self, bound: Duration) {
        if let Err(error) = self.inner.flush(bound) {
            tracing::warn!(%error, left = self.inner.in_flight_count(), "not everything reached Kafka before the end");
        }
    }

    /// Asks the brokers for a sign of life.
    pub(super) fn ping(&self, topic: &str, bound: Duration) -> KafkaResult<()> {
        let metadata = self.inner.client().fetch_metadata(Some(topic), bound)?;
        match metadata
            .topics()
            .first()
            .and_then(rdkafka::metadata::MetadataTopic::error)
        {
            Some(error) => Err(KafkaError::MetadataFetch(error.into())),
            None => Ok(()),
        }
    }

    /// What ended the producer for good, if anything has.
    pub(super) fn fatal(&self) -> Option<String> {
        let (code, why) = self.inner.client().fatal_error()?;
        Some(format!("{code}: {why}"))
    }
}
