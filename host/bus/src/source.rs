//! Messages of topics that belong to others, for workflows that they start.
//!
//! A message is read at least once: its place is noted when it is done with, and not before. Whoever begins a run for it does so
//! under a key that is made of its place, so that the second time finds the run of the first.

use std::collections::BTreeSet;

use async_trait::async_trait;
use millwork_core::time::Timestamp;

/// PORT: reads topics, shared with the other processes of its group.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Reads these topics from now on, and no others. A topic that nobody has read before is read from its beginning. One that
    /// is not there is read once it is.
    fn follow(&self, topics: &BTreeSet<String>) -> Result<(), String>;

    /// Waits for messages, and takes as many as are there, up to so many; those of a partition in their order. None once the
    /// source is closed. Where something is wrong, says what: ask again after a while.
    async fn receive(&self, most: usize) -> Result<Vec<Message>, String>;

    /// Notes that messages, and all before them in their partitions, are done with: they are not read again. May be lost, and
    /// they are.
    fn done(&self, messages: &[Message]);

    /// Puts a message aside of which nothing can be made, with the reason, for people to look at. Answers once it is durable.
    async fn put_aside(&self, message: &Message, reason: &str) -> Result<(), String>;

    /// Takes nothing more in.
    fn close(&self);

    /// Ends it: notes what was done with, and lets others have the rest. Takes seconds at most.
    async fn leave(&self);
}

/// A message of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// When it was written, by the clock of who wrote it or of the broker; nothing where nobody says.
    pub at: Option<Timestamp>,
    /// What decides its partition.
    pub key: Option<Vec<u8>>,
    /// What it says.
    pub payload: Vec<u8>,
    /// What it says besides.
    pub headers: Vec<(String, Vec<u8>)>,
}
