//! Topics in memory, which one process reads.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use millwork_bus::source::{Message, Source};
use tokio::sync::Notify;

/// What is in the topics, and what became of it.
#[derive(Default)]
pub(crate) struct Topics {
    waiting: Mutex<VecDeque<Message>>,
    followed: Mutex<BTreeSet<String>>,
    done: Mutex<Vec<i64>>,
    aside: Mutex<Vec<(i64, String)>>,
    arrived: Notify,
    is_closed: AtomicBool,
}

impl Topics {
    pub(crate) fn write(&self, message: Message) {
        self.waiting
            .lock()
            .expect("nobody panics")
            .push_back(message);
        self.arrived.notify_one();
    }

    fn take(&self) -> Vec<Message> {
        let followed = self.followed();
        let mut waiting = self.waiting.lock().expect("nobody panics");
        let (taken, left): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .partition(|message| followed.contains(&message.topic));
        waiting.extend(left);
        taken
    }

    pub(crate) fn followed(&self) -> Vec<String> {
        let followed = self.followed.lock().expect("nobody panics");
        followed.iter().cloned().collect()
    }

    /// The places of messages that are done with.
    pub(crate) fn done(&self) -> Vec<i64> {
        self.done.lock().expect("nobody panics").clone()
    }

    pub(crate) fn aside(&self) -> Vec<(i64, String)> {
        self.aside.lock().expect("nobody panics").clone()
    }
}

#[async_trait]
impl Source for Topics {
    fn follow(&self, topics: &BTreeSet<String>) -> Result<(), String> {
        self.followed
            .lock()
            .expect("nobody panics")
            .clone_from(topics);
        self.arrived.notify_one();
        Ok(())
    }

    async fn receive(&self, most: usize) -> Result<Vec<Message>, String> {
        loop {
            let arrived = self.arrived.notified();
            if self.is_closed.load(Ordering::Acquire) {
                return Ok(Vec::new());
            }
            let taken = self.take();
            if !taken.is_empty() {
                assert!(taken.len() <= most, "the tests write few");
                return Ok(taken);
            }
            arrived.await;
        }
    }

    fn done(&self, messages: &[Message]) {
        let offsets = messages.iter().map(|message| message.offset);
        self.done.lock().expect("nobody panics").extend(offsets);
    }

    async fn put_aside(&self, message: &Message, reason: &str) -> Result<(), String> {
        let mut aside = self.aside.lock().expect("nobody panics");
        aside.push((message.offset, reason.to_owned()));
        Ok(())
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    async fn leave(&self) {
        self.close();
    }
}
