//! The bus of many processes: Kafka. Only this file and its folder know it.
//!
//! Workers share the trigger topic as a group; each process hears the control topic, and the completed topic where it serves.
//! See `docs/decisions/0006-kafka.md` for what is on Kafka and what is not.

mod codec;
mod consumer;
mod health;
mod inbox;
mod listener;
mod offsets;
mod options;
mod producer;
mod replay;
mod source;
mod threads;
mod topics;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use millwork_core::id::RunId;
use millwork_core::trace::TraceContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{Bus, CloudEvent, Delivery, Ended, Full, Known, Notice, Told, WorkItem};
use health::Health;
use inbox::Inbox;
use listener::Notices;
pub use options::{Now, Options, Roles, Topics};
use producer::{Producer, Sent};
pub use replay::read_all;
pub use source::KafkaSource;
use threads::{Stop, Worker};

/// How long the first message may take.
const WARM_MAX: Duration = Duration::from_secs(15);
/// How long the last ones may take.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// How long it may take to give the partitions back.
const PART_MAX: Duration = Duration::from_secs(5);

/// Why the bus does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A client could not be made, or the brokers did not answer.
    #[error("could not set up a Kafka client: check the address and the properties of the bus")]
    Client(#[source] KafkaError),
    /// A topic is missing and cannot be made.
    #[error("could not make the topic {topic:?}: {code}")]
    Topic {
        /// Which.
        topic: String,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// Nothing can be written.
    #[error("could not write to the topic {topic:?} at {bootstrap}: {why}")]
    Unwritable {
        /// Which.
        topic: String,
        /// Where.
        bootstrap: String,
        /// Why.
        why: String,
    },
    /// There is no thread to be had.
    #[error("could not start a thread of the Kafka bus")]
    Thread(#[source] std::io::Error),
}

/// The bus on Kafka.
pub struct Kafka {
    options: Options,
    inbox: Arc<Inbox>,
    notices: Arc<Notices>,
    health: Arc<Health>,
    producer: Arc<Producer>,
    stop: Stop,
    workers: Mutex<Vec<Worker>>,
    has_left: AtomicBool,
}

impl Kafka {
    /// Makes the topics that are missing, sees that it can write, and begins to read what its roles want.
    ///
    /// # Errors
    /// Where the brokers do not answer, or refuse something.
    pub async fn start(options: Options, roles: Roles) -> Result<Self, Error> {
        if options.creates_topics {
            topics::create(&options).await?;
        }
        let inbox = Arc::new(Inbox::new(&options));
        let notices = Arc::new(Notices::default());
        let health = Arc::new(Health::default());
        let producer = Producer::start(&options, inbox.clone(), health.clone());
        // From here on, whatever fails drops the bus, and that stops the threads.
        let bus = Self {
            producer: Arc::new(producer.map_err(Error::Client)?),
            options,
            inbox,
            notices,
            health,
            stop: Stop::default(),
            workers: Mutex::default(),
            has_left: AtomicBool::new(false),
        };
        let control = &bus.options.topics.control;
        bus.producer
            .warm(control, WARM_MAX)
            .await
            .map_err(|why| Error::Unwritable {
                topic: control.clone(),
                bootstrap: bus.options.bootstrap.clone(),
                why,
            })?;
        bus.start_listening(roles).await?;
        if roles.executes {
            bus.employ(consumer::start(
                &bus.options,
                bus.inbox.clone(),
                bus.health.clone(),
                bus.producer.clone(),
                bus.stop.clone(),
            )?);
        }
        let watch = bus.health.clone().watch(
            Arc::downgrade(&bus.producer),
            control.clone(),
            bus.stop.clone(),
        );
        bus.employ(watch.map_err(Error::Thread)?);
        Ok(bus)
    }

    /// Asks the brokers where the topics end, which blocks: so elsewhere.
    async fn start_listening(&self, roles: Roles) -> Result<(), Error> {
        let (options, notices, health, stop) = (
            self.options.clone(),
            self.notices.clone(),
            self.health.clone(),
            self.stop.clone(),
        );
        let started = tokio::task::spawn_blocking(move || {
            listener::start(&options, roles, notices, health, stop)
        });
        let worker = started
            .await
            .map_err(|error| Error::Thread(std::io::Error::other(error)))??;
        worker.into_iter().for_each(|worker| self.employ(worker));
        Ok(())
    }

    fn employ(&self, worker: Worker) {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(worker);
    }
}

impl Kafka {
    /// Sends what is about a run. To which trace that belongs stands in a header, for those who look into the topic.
    fn send(
        &self,
        topic: &str,
        run: RunId,
        text: &str,
        trace: Option<TraceContext>,
        sent: Sent,
    ) -> Result<(), Full> {
        let key = codec::key(run);
        match trace {
            None => self.producer.send(topic, &key, text, sent),
            Some(trace) => {
                let header = [(TraceContext::HEADER, &*trace.to_string())];
                self.producer
                    .send_with(topic, &key, text, header.into_iter(), sent)
            }
        }
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.close();
        self.stop.set();
    }
}

#[async_trait]
impl Bus for Kafka {
    fn is_shared(&self) -> bool {
        true
    }

    fn publish(&self, item: WorkItem) -> Result<(), Full> {
        if self.inbox.is_closed() {
            return Err(Full);
        }
        let text = codec::encode(&item, self.options.record_max_bytes);
        let trace = match &item.known {
            Known::Begun(begun) => begun.created.trace,
            Known::Offered { .. } | Known::Claimed { .. } | Known::Hinted => None,
        };
        self.send(
            &self.options.topics.trigger,
            item.run,
            &text,
            trace,
            Sent::Item,
        )
    }

    fn keep(&self, item: WorkItem) -> Result<(), Full> {
        self.inbox.keep(item)
    }

    async fn receive(&self) -> Option<Delivery> {
        self.inbox.receive().await
    }

    fn depth(&self) -> usize {
        self.inbox.depth()
    }

    async fn room(&self) -> usize {
        self.inbox.room().await
    }

    fn announce(&self, ended: Ended, told: Told) {
        if self.has_left.load(Ordering::Acquire) {
            told(false);
            return;
        }
        let text = codec::encode_ended(&ended);
        // Where there is no room, `told` hears of it.
        let topic = &self.options.topics.completed;
        let _ = self.send(
            topic,
            ended.run,
            &text,
            ended.trace,
            Sent::Announcement(told),
        );
    }

    fn tell(&self, run: RunId, event: &CloudEvent, told: Told) {
        let Some(topic) = &self.options.topics.events else {
            told(true);
            return;
        };
        if self.has_left.load(Ordering::Acquire) {
            told(false);
            return;
        }
        let headers = event.headers();
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        // Where there is no room, `told` hears of it.
        let _ = self.producer.send_with(
            topic,
            &codec::key(run),
            event.data.get(),
            headers,
            Sent::Event(told),
        );
    }

    fn notify(&self, notice: Notice) {
        let (Notice::Changed(run) | Notice::Ended(run)) = notice;
        let text = codec::encode_notice(Some(notice));
        // A notice may be lost.
        let _ = self.producer.send(
            &self.options.topics.control,
            &codec::key(run),
            &text,
            Sent::Notice,
        );
    }

    async fn notice(&self) -> Option<Notice> {
        self.notices.next().await
    }

    fn health(&self) -> Result<(), String> {
        self.health.ask()
    }

    fn close(&self) {
        self.inbox.close();
        self.notices.close();
    }

    async fn leave(&self) {
        self.close();
        if self.has_left.swap(true, Ordering::AcqRel) {
            return;
        }
        // What was finished is noted first: others wait for the partitions.
        self.stop.set();
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let producer = Arc::clone(&self.producer);
        let parted =
            tokio::task::spawn_blocking(move || workers.into_iter().for_each(Worker::join));
        if tokio::time::timeout(PART_MAX, parted).await.is_err() {
            tracing::warn!(
                "the partitions could not be given back in time: others have them after the session timeout"
            );
        }
        let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH_MAX));
        if flushed.await.is_err() {
            tracing::error!("the last messages could not be handed over");
        }
    }
}

#[cfg(test)]
mod tests;
