//! Reads what processes tell each other, and the ends of runs: every process all of it, from now on, as no member of a group.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use super::codec;
use super::health::{Health, log};
use super::options::{Options, Roles};
use super::threads::{Stop, Worker};
use crate::Notice;

/// So many notices wait here; the oldest give way, since a notice may be lost.
const NOTICES_MAX: usize = 10_000;
/// How often it is looked whether a topic has got more partitions.
const LOOK: Duration = Duration::from_secs(30);
/// How long a question to the brokers may take.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// What other processes have told.
#[derive(Default)]
pub(super) struct Notices {
    state: Mutex<(VecDeque<Notice>, bool)>,
    changed: Notify,
}

impl Notices {
    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<Notice>, &mut bool) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (queue, is_closed) = &mut *state;
        look(queue, is_closed)
    }

    fn push(&self, notice: Notice) {
        self.with(|queue, is_closed| {
            if *is_closed {
                return;
            }
            if queue.len() >= NOTICES_MAX {
                queue.pop_front();
            }
            queue.push_back(notice);
        });
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.with(|queue, is_closed| {
            *is_closed = true;
            queue.clear();
        });
        self.changed.notify_one();
    }

    pub(super) async fn next(&self) -> Option<Notice> {
        loop {
            // Interest is registered before the look.
            let changed = self.changed.notified();
            let (notice, more, is_closed) =
                self.with(|queue, is_closed| (queue.pop_front(), !queue.is_empty(), *is_closed));
            if is_closed || more {
                // Whoever else waits has to hear of it too.
                self.changed.notify_one();
            }
            if is_closed {
                return None;
            }
            if notice.is_some() {
                return notice;
            }
            changed.await;
        }
    }
}

struct Quiet(Arc<Health>);

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.heard(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// Starts to listen, where there is something to listen to.
pub(super) fn start(
    options: &Options,
    roles: Roles,
    notices: Arc<Notices>,
    health: Arc<Health>,
    stop: Stop,
) -> Result<Option<Worker>, super::Error> {
    let mut topics = Vec::new();
    if roles.executes {
        topics.push(options.topics.control.clone());
    }
    if roles.serves {
        topics.push(options.topics.completed.clone());
    }
    if topics.is_empty() {
        return Ok(None);
    }
    let config = options.client(&[
        // librdkafka wants a name although nobody joins a group here, and nothing is ever noted under it.
        ("group.id", &format!("{}.listeners", options.group)),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // What was told before is in the store.
        ("auto.offset.reset", "latest"),
        ("fetch.wait.max.ms", "10"),
        ("queued.max.messages.kbytes", "4096"),
    ]);
    let reader: BaseConsumer<Quiet> = config
        .create_with_context(Quiet(health))
        .map_err(super::Error::Client)?;
    let completed = options.topics.completed.clone();
    let mut listener = Listener {
        reader,
        topics,
        completed,
        notices,
        partitions: BTreeMap::new(),
    };
    // What is told once the bus has started is to be heard: positions are taken now, not with the first fetch.
    listener.look().map_err(super::Error::Client)?;
    Worker::start("kafka-listener", move || listener.run(&stop))
        .map(Some)
        .map_err(super::Error::Thread)
}

struct Listener {
    reader: BaseConsumer<Quiet>,
    topics: Vec<String>,
    completed: String,
    notices: Arc<Notices>,
    /// How many partitions of each topic are read.
    partitions: BTreeMap<String, i32>,
}

impl Listener {
    fn run(mut self, stop: &Stop) {
        let mut looked = Instant::now();
        while !stop.is_set() {
            match self.reader.poll(POLL) {
                Some(Ok(message)) => {
                    let payload = message.payload().unwrap_or_default();
                    let told = if message.topic() == self.completed {
                        codec::decode_ended(payload).map(Some)
                    } else {
                        codec::decode_notice(payload)
                    };
                    match told {
                        Ok(Some(notice)) => self.notices.push(notice),
                        Ok(None) => {}
                        // A notice may be lost; and it is no dead letter, since every process would write it.
                        Err(error) => tracing::debug!(%error, "a notice is not understood"),
                    }
                }
                Some(Err(error)) => tracing::debug!(%error, "listening met an error"),
                None => {}
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Err(error) = self.look() {
                    tracing::debug!(%error, "the partitions of a topic could not be counted");
                }
            }
        }
    }

    /// Reads partitions that are not read yet, from their ends.
    fn look(&mut self) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        let mut is_new = false;
        for topic in &self.topics {
            let metadata = self.reader.fetch_metadata(Some(topic), PATIENCE)?;
            let count = metadata
                .topics()
                .first()
                .map_or(0, |found| found.partitions().len());
            let count = i32::try_from(count).unwrap_or(i32::MAX);
            let known = self.partitions.get(topic).copied().unwrap_or(0);
            for partition in known..count {
                let (_, end) = self.reader.fetch_watermarks(topic, partition, PATIENCE)?;
                list.add_partition_offset(topic, partition, Offset::Offset(end))?;
                is_new = true;
            }
            if count > known {
                self.partitions.insert(topic.clone(), count);
            }
        }
        if is_new {
            self.reader.incremental_assign(&list)?;
        }
        Ok(())
    }
}
