//! Runs that messages on topics start.
//!
//! A message starts at most one run a trigger, however often it is read: the run's creation carries the message's place as its
//! idempotency key, in the same transaction. Its place is noted with the broker when all of its runs are durable, and not before.
//! A message of which nothing can be made is put aside with the reason, so that the ones behind it need not wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millwork_bus::source::{Message, Source};
use millwork_core::definition::{KafkaTrigger, Trigger as Defined};
use millwork_core::digest::Digest;
use millwork_core::event::Origin;
use millwork_core::expression::Expression;
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use millwork_store::Idempotency;
use millwork_store::trigger::{TriggerKind, TriggerQuery};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::definitions::Compiled;
use super::trigger::{Begin, BegunAs};
use super::triggers::made_at;
use super::{Engine, Error};
use crate::telemetry;

/// How often to look for triggers that others have made.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long to leave the store or the brokers alone after they failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Triggers read at once.
const PAGE: usize = 500;

/// Messages seen to side by side.
const SIDE_BY_SIDE: usize = 128;

/// How long it is remembered that a message has started a run: longer than brokers keep most.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How much earlier than its workflow, by another clock, a message may have been written and still start a run of it.
const SKEW: Duration = Duration::from_secs(60);

/// The triggers that wait for topics, by topic.
type Waiting = BTreeMap<String, Vec<Waits>>;

/// A trigger that waits for a topic.
#[derive(Clone)]
struct Waits {
    number: u32,
    compiled: Arc<Compiled>,
}

impl Waits {
    /// What the definition says of it.
    fn trigger(&self) -> Option<&KafkaTrigger<Expression>> {
        let number = usize::try_from(self.number).ok()?;
        match self.compiled.graph.triggers.get(number)? {
            Defined::Kafka(trigger) => Some(trigger),
            Defined::Schedule(_) | Defined::Webhook(_) => None,
        }
    }
}

/// What became of a message, as far as a trigger goes.
enum Taken {
    Begun,
    Known,
    NotMeant,
    /// The workflow has a newer version by now, or takes no runs.
    Outdated,
}

impl Engine {
    /// Reads topics for the workflows that wait for them, until the source is closed.
    pub fn start_reading(&self, source: Arc<dyn Source>) {
        let waiting: Arc<Mutex<Arc<Waiting>>> = Arc::default();
        tokio::spawn(follow(
            self.clone(),
            Arc::clone(&source),
            Arc::clone(&waiting),
        ));
        tokio::spawn(read(self.clone(), source, waiting));
    }
}

/// Keeps track of which topics workflows wait for.
async fn follow(engine: Engine, source: Arc<dyn Source>, waiting: Arc<Mutex<Arc<Waiting>>>) {
    let parts = &engine.0;
    while !parts.is_closing.load(Ordering::Relaxed) {
        // Interest is registered before the look.
        let changed = parts.schedules_changed.notified();
        match find_waiting(&engine).await {
            Ok(found) => {
                let topics: BTreeSet<String> = found.keys().cloned().collect();
                *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
                if let Err(cause) = source.follow(&topics) {
                    tracing::warn!(
                        cause,
                        ?topics,
                        "could not read topics for workflows; trying again"
                    );
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not look for workflows that wait for topics; trying again"
            ),
        }
        tokio::select! {
            () = changed => {}
            () = parts.clock.sleep_until(parts.clock.now().after(LOOK_EVERY)) => {}
        }
    }
    source.close();
}

async fn find_waiting(engine: &Engine) -> Result<Waiting, Error> {
    let mut waiting = Waiting::new();
    for (topic, waits) in find_waits(engine, None).await? {
        waiting.entry(topic).or_default().push(waits);
    }
    Ok(waiting)
}

/// Finds the triggers that wait for topics: of one workflow, or of all.
async fn find_waits(
    engine: &Engine,
    workflow: Option<WorkflowId>,
) -> Result<Vec<(String, Waits)>, Error> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = TriggerQuery {
            workflow,
            kind: Some(TriggerKind::Kafka),
            after,
            limit: PAGE,
        };
        let page = engine.0.store.list_triggers(query).await?;
        after = page.last().map(|trigger| trigger.id);
        let is_last = page.len() < PAGE;
        for found in page {
            let compiled = engine.find_of(found.id).await?;
            let number = found.id.number;
            let waits = Waits { number, compiled };
            if waits.trigger().is_some() {
                all.push((found.place, waits));
            }
        }
        if is_last {
            return Ok(all);
        }
    }
}

async fn read(engine: Engine, source: Arc<dyn Source>, waiting: Arc<Mutex<Arc<Waiting>>>) {
    let clock = &engine.0.clock;
    loop {
        let messages = match source.receive(SIDE_BY_SIDE).await {
            Ok(messages) if messages.is_empty() => return,
            Ok(messages) => messages,
            Err(cause) => {
                tracing::warn!(cause, "could not read topics for workflows; trying again");
                clock.sleep_until(clock.now().after(PAUSE)).await;
                continue;
            }
        };
        let known = Arc::clone(&waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut seen_to = Vec::with_capacity(messages.len());
        for message in &messages {
            seen_to.push(see_to(&engine, &*source, &known, message));
        }
        let are_done = futures::future::join_all(seen_to).await;
        // Where the process ends, others read them again.
        if are_done.contains(&false) {
            return;
        }
        source.done(&messages);
    }
}

/// Sees to a message until it is done with. Says that it is not where the process ends.
async fn see_to(
    engine: &Engine,
    source: &dyn Source,
    waiting: &Waiting,
    message: &Message,
) -> bool {
    let mut all: VecDeque<Waits> = waiting
        .get(&message.topic)
        .cloned()
        .unwrap_or_default()
        .into();
    let parts = &engine.0;
    while let Some(waits) = all.pop_front() {
        loop {
            if parts.is_closing.load(Ordering::Relaxed) {
                return false;
            }
            let taken = match take(engine, &waits, message).await {
                // What the newer version says of the topic counts, where it says something.
                Ok(Taken::Outdated) => {
                    match find_waits(engine, Some(waits.compiled.workflow)).await {
                        Ok(newer) => {
                            let newer = newer
                                .into_iter()
                                .filter(|(topic, _)| *topic == message.topic);
                            all.extend(newer.map(|(_, waits)| waits));
                            Ok(Taken::NotMeant)
                        }
                        Err(error) => Err(error.into()),
                    }
                }
                taken => taken,
            };
            let aside = match taken {
                Ok(Taken::Begun) => {
                    metrics::counter!(telemetry::MESSAGES_TAKEN).increment(1);
                    break;
                }
                Ok(Taken::Known | Taken::NotMeant | Taken::Outdated) => break,
                Err(Refusal::Passing(error)) => {
                    tracing::warn!(
                        topic = message.topic,
                        partition = message.partition,
                        offset = message.offset,
                        error = &error as &dyn std::error::Error,
                        "a message could not start its run yet; trying again"
                    );
                    parts
                        .clock
                        .sleep_until(parts.clock.now().after(PAUSE))
                        .await;
                    continue;
                }
                Err(Refusal::ForGood(reason)) => reason,
            };
            let workflow = waits.compiled.workflow;
            tracing::warn!(
                topic = message.topic, partition = message.partition, offset = message.offset,
                workflow.id = %workflow, reason = aside,
                "a message is put aside"
            );
            metrics::counter!(telemetry::MESSAGES_ASIDE).increment(1);
            let reason = format!("workflow {workflow}: {aside}");
            while let Err(cause) = source.put_aside(message, &reason).await {
                if parts.is_closing.load(Ordering::Relaxed) {
                    return false;
                }
                tracing::warn!(cause, "a message could not be put aside; trying again");
                parts
                    .clock
                    .sleep_until(parts.clock.now().after(PAUSE))
                    .await;
            }
            break;
        }
    }
    true
}

/// Why a message starts no run.
enum Refusal {
    /// Not now.
    Passing(Error),
    /// Not this one.
    ForGood(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Overloaded { .. } | Error::ShuttingDown | Error::Store(_) | Error::Commit(_) => {
                Self::Passing(error)
            }
            other => Self::ForGood(other.to_string()),
        }
    }
}

/// The trace that a message belongs to, where who wrote it said so.
fn trace(message: &Message) -> Option<TraceContext> {
    let (_, value) = message
        .headers
        .iter()
        .find(|(name, _)| name == TraceContext::HEADER)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

async fn take(engine: &Engine, waits: &Waits, message: &Message) -> Result<Taken, Refusal> {
    let Waits { number, compiled } = waits;
    let Some(trigger) = waits.trigger() else {
        return Ok(Taken::NotMeant);
    };
    let is_older = message
        .at
        .is_some_and(|at| at.after(SKEW) < made_at(compiled.workflow));
    if is_older {
        return Ok(Taken::NotMeant);
    }
    let limit = engine.0.options.payload_max_bytes;
    if message.payload.len() > limit {
        let found = message.payload.len();
        return Err(Refusal::ForGood(format!(
            "the message has {found} bytes, the limit is {limit} (limits.payload_max_bytes)"
        )));
    }
    let text = std::str::from_utf8(&message.payload)
        .map_err(|_| Refusal::ForGood("the message is no text in UTF-8".to_owned()))?;
    let content: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::ForGood(format!("the message is no JSON: {error}")))?;
    let content = Json::from(content);
    let version = (compiled.workflow, compiled.version);
    let is_meant = compiled
        .graph
        .takes(trigger, version, &content)
        .map_err(|error| Refusal::ForGood(format!("the filter has no value: {error}")))?;
    if !is_meant {
        return Ok(Taken::NotMeant);
    }
    engine.check_backlog()?;
    let begin = Begin {
        compiled: Arc::clone(compiled),
        is_newest: true,
        payload: payload(message, &content),
        origin: Some(Origin::Kafka {
            topic: message.topic.clone(),
            partition: message.partition,
            offset: message.offset,
        }),
        labels: millwork_store::Labels::new(),
        trace: trace(message),
        idempotency: Some(promise(message, *number, engine.0.clock.now())),
    };
    Ok(match engine.begin(begin).await? {
        BegunAs::New(_) => Taken::Begun,
        BegunAs::Known(..) => Taken::Known,
        BegunAs::Outdated => Taken::Outdated,
    })
}

/// The payload of a run that a message starts.
fn payload(message: &Message, content: &Json) -> Json {
    let text = |bytes: &Vec<u8>| Value::from(String::from_utf8_lossy(bytes));
    let headers = message.headers.iter();
    let headers: Map<String, Value> = headers
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    Json::from(json!({
        "message": content.value(),
        "key": message.key.as_ref().map(text),
        "headers": headers,
    }))
}

/// What makes the second reading of a message the same run as the first. Its time is a part of it: a topic that was made anew
/// counts from zero again.
fn promise(message: &Message, number: u32, now: Timestamp) -> Idempotency {
    let Message {
        topic,
        partition,
        offset,
        ..
    } = message;
    let at = message.at.map_or(0, Timestamp::as_micros);
    // No key that a caller of the API could send.
    let key = format!("\u{1}kafka {topic} {partition} {offset} {at} {number}");
    Idempotency {
        fingerprint: Digest::from_bytes(Sha256::digest(&key).into()),
        key,
        expires_at: now.after(REMEMBERED),
    }
}
