//! The signals of a run: a letter box. What arrives before anybody asks waits; what is asked for is taken, the oldest first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::json::Json;

/// The signals of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// What no step has taken yet, by name.
    waiting: BTreeMap<String, VecDeque<Json>>,
    /// The keys of all that ever arrived.
    keys: BTreeSet<String>,
    received: usize,
}

impl Signals {
    pub(super) fn receive(&mut self, name: &str, payload: &Json, key: Option<&str>) {
        self.received += 1;
        self.keys.extend(key.map(str::to_owned));
        let queue = self.waiting.entry(name.to_owned()).or_default();
        queue.push_back(payload.clone());
    }

    pub(super) fn take(&mut self, name: &str) {
        if let Some(queue) = self.waiting.get_mut(name) {
            queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(name);
            }
        }
    }

    /// The oldest signal of a name that no step has taken yet.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Json> {
        self.waiting.get(name).and_then(VecDeque::front)
    }

    /// Whether a signal with this key has arrived, taken or not.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// How many have arrived, taken or not.
    #[must_use]
    pub const fn received(&self) -> usize {
        self.received
    }
}
