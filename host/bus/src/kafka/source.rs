//! Topics of others on Kafka: a group of its own, which only the processes that execute runs join, and only where a workflow
//! waits for a topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use millwork_core::time::Timestamp;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Notify;

use super::codec::MESSAGE_MAX_BYTES;
use super::health::log;
use super::options::Options;
use crate::source::{Message, Source};
use crate::telemetry;

/// How long a letter may take.
const LETTER_MAX: Duration = Duration::from_secs(10);

/// Topics of others.
pub struct KafkaSource {
    options: Options,
    /// Made with the first topic.
    clients: OnceLock<Clients>,
    followed: Mutex<BTreeSet<String>>,
    changed: Notify,
    is_closed: AtomicBool,
}

struct Clients {
    reader: StreamConsumer<Quiet>,
    writer: FutureProducer<Quiet>,
}

struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "reading topics for workflows met an error");
    }
}

impl ConsumerContext for Quiet {}

impl KafkaSource {
    /// A source that reads nothing yet, and talks to nobody.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            clients: OnceLock::new(),
            followed: Mutex::default(),
            changed: Notify::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    fn followed(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<&Clients, KafkaError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let session = self.options.session_timeout.as_millis().to_string();
        let reader = self.options.client(&[
            ("group.id", &format!("{}.triggers", self.options.group)),
            // Positions are noted by and by, of what is stored as done with, and of nothing else.
            ("enable.auto.commit", "true"),
            ("auto.commit.interval.ms", "1000"),
            ("enable.auto.offset.store", "false"),
            // A message that came before the first reader did is not lost.
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("allow.auto.create.topics", "false"),
            // A topic that is made later is found soon.
            ("topic.metadata.refresh.interval.ms", "5000"),
            ("session.timeout.ms", &session),
            ("fetch.wait.max.ms", "100"),
            ("queued.max.messages.kbytes", "16384"),
        ]);
        let writer = self.options.client(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "1"),
        ]);
        let clients = Clients {
            reader: reader.create_with_context(Quiet)?,
            writer: writer.create_with_context(Quiet)?,
        };
        Ok(self.clients.get_or_init(|| clients))
    }

    /// The next message, where topics are read; else it waits for ever.
    async fn next(&self) -> Result<BorrowedMessage<'_>, KafkaError> {
        match self.clients.get() {
            Some(clients) if !self.followed().is_empty() => clients.reader.recv().await,
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn follow(&self, topics: &BTreeSet<String>) -> Result<(), String> {
        let mut followed = self.followed();
        if *followed == *topics || self.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let clients = self.connect().map_err(|error| error.to_string())?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        if names.is_empty() {
            clients.reader.unsubscribe();
        } else {
            let subscribed = clients.reader.subscribe(&names);
            subscribed.map_err(|error| error.to_string())?;
        }
        followed.clone_from(topics);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, most: usize) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        while messages.is_empty() {
            // Interest is registered before the look.
            let changed = self.changed.notified();
            if self.is_closed.load(Ordering::Acquire) {
                return Ok(messages);
            }
            let first = tokio::select! {
                first = self.next() => first,
                () = changed => continue,
            };
            let mut next = Some(first);
            while let Some(received) = next {
                match received {
                    Ok(message) => messages.push(own(&message)),
                    Err(error) if messages.is_empty() => return Err(said(&error)),
                    // What was taken is taken; the next question meets the error again, if it lasts.
                    Err(_) => break,
                }
                next = (messages.len() < most)
                    .then(|| self.next().now_or_never())
                    .flatten();
            }
        }
        Ok(messages)
    }

    fn done(&self, messages: &[Message]) {
        let Some(clients) = self.clients.get() else {
            return;
        };
        let mut last: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for message in messages {
            let place = last
                .entry((&message.topic, message.partition))
                .or_insert(message.offset);
            *place = message.offset.max(*place);
        }
        for ((topic, partition), offset) in last {
            if let Err(error) = clients.reader.store_offset(topic, partition, offset) {
                // The partition has gone to another process, which reads the messages again.
                tracing::debug!(%error, topic, partition, "a position of a topic was not noted");
            }
        }
    }

    async fn put_aside(&self, message: &Message, reason: &str) -> Result<(), String> {
        let clients = self.connect().map_err(|error| error.to_string())?;
        let topic = self.options.topics.dead_letter();
        let partition = message.partition.to_string();
        let offset = message.offset.to_string();
        let length = message.payload.len().to_string();
        let header = |key, value| Header { key, value };
        let headers = OwnedHeaders::new()
            .insert(header("millwork-reason", Some(reason.as_bytes())))
            .insert(header("millwork-topic", Some(message.topic.as_bytes())))
            .insert(header("millwork-partition", Some(partition.as_bytes())))
            .insert(header("millwork-offset", Some(offset.as_bytes())))
            .insert(header("millwork-length", Some(length.as_bytes())));
        // What is too long to be read is too long to be put aside: its beginning has to do.
        let payload = &message.payload[..message.payload.len().min(MESSAGE_MAX_BYTES)];
        let mut record = FutureRecord::<[u8], [u8]>::to(&topic)
            .payload(payload)
            .headers(headers);
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        match clients.writer.send(record, LETTER_MAX).await {
            Ok(_) => {
                metrics::counter!(telemetry::DEAD_LETTERS).increment(1);
                Ok(())
            }
            Err((error, _)) => Err(error.to_string()),
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    async fn leave(&self) {
        self.close();
        if let Some(clients) = self.clients.get() {
            // What was stored since the last time is noted now: others wait for the partitions.
            // Where that does not get through, messages are read again, and find the runs that were begun for them.
            if let Err(error) = clients.reader.commit_consumer_state(CommitMode::Async) {
                tracing::debug!(%error, "no positions of topics were left to be noted");
            }
            clients.reader.unsubscribe();
        }
    }
}

fn said(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
            format!(
                "a topic that a workflow waits for is not there, and is read once it is: {error}"
            )
        }
        _ => error.to_string(),
    }
}

fn own(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().into_iter().flat_map(|headers| {
        headers.iter().map(|header| {
            let value = header.value.unwrap_or_default().to_vec();
            (header.key.to_owned(), value)
        })
    });
    let at = message.timestamp().to_millis();
    Message {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        at: at.map(|millis| Timestamp::from_micros(millis.saturating_mul(1_000))),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers.collect(),
    }
}
