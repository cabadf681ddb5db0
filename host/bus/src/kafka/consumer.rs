//! Reads the trigger topic as one of a group, on a thread of its own: whatever runs do, it polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

use super::codec;
use super::health::{Health, log};
use super::inbox::Inbox;
use super::options::Options;
use super::producer::{Letter, Producer};
use super::threads::{Stop, Worker};
use crate::telemetry;

/// How often positions are noted, and letters that did not arrive are sent again.
const TICK: Duration = Duration::from_secs(1);
/// How long a poll waits: reading is taken up again, and the thread stopped, that much later.
const POLL: Duration = Duration::from_millis(100);
/// The same while nothing is read, when the workers may run dry.
const POLL_PAUSED: Duration = Duration::from_millis(5);

/// What happens beside the messages.
struct Group {
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    topic: String,
    /// Partitions have come: whether they are paused is not known.
    came: AtomicBool,
}

type Reader = BaseConsumer<Group>;

/// Starts to read.
pub(super) fn start(
    options: &Options,
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    producer: Arc<Producer>,
    stop: Stop,
) -> Result<Worker, super::Error> {
    let session = options.session_timeout.as_millis();
    let config = options.client(&[
        ("group.id", &options.group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("fetch.wait.max.ms", "10"),
        ("session.timeout.ms", &session.to_string()),
        ("heartbeat.interval.ms", &(session / 4).max(100).to_string()),
        // What is fetched ahead and then paused is fetched again: so not much.
        ("queued.max.messages.kbytes", "4096"),
        ("statistics.interval.ms", "5000"),
    ]);
    let group = Group {
        inbox: Arc::clone(&inbox),
        health,
        topic: options.topics.trigger.clone(),
        came: AtomicBool::new(false),
    };
    let reader: Reader = config
        .create_with_context(group)
        .map_err(super::Error::Client)?;
    reader
        .subscribe(&[&options.topics.trigger])
        .map_err(super::Error::Client)?;
    let letters = options.topics.dead_letter();
    Worker::start("kafka-consumer", move || {
        Consumer {
            reader,
            inbox,
            producer,
            letters,
        }
        .run(&stop);
    })
    .map_err(super::Error::Thread)
}

struct Consumer {
    reader: Reader,
    inbox: Arc<Inbox>,
    producer: Arc<Producer>,
    letters: String,
}

impl Consumer {
    fn run(&self, stop: &Stop) {
        let mut is_paused = false;
        let mut ticked = Instant::now();
        while !stop.is_set() {
            is_paused = self.balance(is_paused);
            match self.reader.poll(if is_paused { POLL_PAUSED } else { POLL }) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => self.heard(&error, stop),
                None => {}
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick();
            }
        }
        note(&self.reader, &self.inbox, CommitMode::Sync);
        self.reader.unsubscribe();
        // The reader leaves its group where it is dropped, and what it reads is given back by the callback.
    }

    /// Pauses where there is no room, goes on where there is plenty; says whether nothing is read.
    fn balance(&self, mut is_paused: bool) -> bool {
        if self.reader.context().came.swap(false, Ordering::AcqRel) {
            is_paused = false;
        }
        let change = match is_paused {
            false if self.inbox.is_full() => Reader::pause,
            true if self.inbox.has_drained() => Reader::resume,
            false | true => return is_paused,
        };
        let changed = self
            .reader
            .assignment()
            .and_then(|all| change(&self.reader, &all));
        match changed {
            Ok(()) => !is_paused,
            Err(error) => {
                tracing::warn!(%error, "partitions could not be paused or resumed");
                is_paused
            }
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>) {
        let Some(place) = self.inbox.begin(message.partition(), message.offset()) else {
            return;
        };
        match codec::decode(message.key(), message.payload()) {
            Ok(item) => self.inbox.deliver(item, place),
            Err(garbage) => {
                let reason = garbage.to_string();
                tracing::warn!(
                    partition = message.partition(),
                    offset = message.offset(),
                    reason,
                    "a message of the trigger topic is put aside"
                );
                self.inbox.letter_begun(place);
                let letter = Letter {
                    place,
                    topic: message.topic().to_owned(),
                    key: message.key().unwrap_or_default().to_vec(),
                    payload: message.payload().unwrap_or_default().to_vec(),
                    reason,
                };
                self.producer.send_letter(&self.letters, letter);
            }
        }
    }

    fn heard(&self, error: &KafkaError, stop: &Stop) {
        match error.rdkafka_error_code() {
            // The health says so.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {}
            // This process was stopped for long; it joins its group anew with the next poll.
            Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::warn!(
                    "this process did not poll Kafka for so long that others took its partitions"
                );
            }
            _ => tracing::warn!(%error, "reading the trigger topic met an error"),
        }
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            // It comes with every poll from now on.
            self.reader
                .context()
                .health
                .heard(error, "the consumer has ended");
            stop.wait(TICK);
        }
    }

    fn tick(&self) {
        note(&self.reader, &self.inbox, CommitMode::Async);
        for letter in self.producer.returned() {
            if self.inbox.is_current(letter.place) {
                self.producer.send_letter(&self.letters, letter);
            } else {
                // Whoever has the partition now reads the message again and puts it aside again.
                self.inbox.letter_done(letter.place);
            }
        }
        let (unfinished, partitions) = self.inbox.count();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, and nobody counts to 2^52 here"
        )]
        {
            metrics::gauge!(telemetry::ITEMS_UNFINISHED).set(unfinished as f64);
            metrics::gauge!(telemetry::PARTITIONS).set(partitions as f64);
        }
    }
}

/// Notes with the broker how far the partitions are.
fn note(reader: &Reader, inbox: &Inbox, mode: CommitMode) {
    let topic = &reader.context().topic;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in inbox.advance() {
        if let Err(error) = list.add_partition_offset(topic, partition, Offset::Offset(offset)) {
            tracing::warn!(%error, partition, offset, "a position cannot be noted");
        }
    }
    if list.count() == 0 {
        return;
    }
    // How an asynchronous one ends is told by `commit_callback`; a synchronous one has no other answer than this.
    match (reader.commit(&list, mode), mode) {
        (Ok(()), CommitMode::Async) => {}
        (answer, _) => noted(inbox, answer, &list),
    }
}

fn noted(inbox: &Inbox, answer: KafkaResult<()>, list: &TopicPartitionList) {
    match answer {
        Ok(()) => metrics::counter!(telemetry::COMMITS, "outcome" => "noted").increment(1),
        Err(error) => {
            metrics::counter!(telemetry::COMMITS, "outcome" => "failed").increment(1);
            tracing::debug!(%error, "positions were not noted; they are told again");
            for element in list.elements() {
                inbox.tell_again(element.partition());
            }
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.health.heard(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        // -1 stands for a partition of which nothing is known.
        let lag: i64 = topic
            .partitions
            .values()
            .map(|one| one.consumer_lag.max(0))
            .sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, and nobody counts to 2^52 here"
        )]
        metrics::gauge!(telemetry::CONSUMER_LAG).set(lag as f64);
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, reader: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                metrics::counter!(telemetry::REBALANCES, "kind" => "assigned").increment(1);
                tracing::info!(
                    ?partitions,
                    "partitions of the trigger topic have come here"
                );
                self.inbox.assign(&partitions);
                self.came.store(true, Ordering::Release);
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                let is_lost = reader.assignment_lost();
                let kind = if is_lost { "lost" } else { "revoked" };
                metrics::counter!(telemetry::REBALANCES, "kind" => kind).increment(1);
                tracing::info!(
                    ?partitions,
                    kind,
                    "partitions of the trigger topic have gone from here"
                );
                // Of what is lost, somebody else notes how far it is.
                if !is_lost {
                    note(reader, &self.inbox, CommitMode::Sync);
                }
                self.inbox.revoke(&partitions);
            }
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the group could not share the partitions");
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        noted(&self.inbox, result, offsets);
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}
