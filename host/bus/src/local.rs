//! The bus of a single process: a queue of bounded length.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use millwork_core::id::RunId;
use tokio::sync::Notify;

use crate::{Bus, CloudEvent, Delivery, Ended, Full, Notice, Receipt, Told, WorkItem};

/// A queue in memory. It may lose everything at any moment, and nothing is lost by it.
#[derive(Debug)]
pub struct Local {
    queue: Mutex<Queue>,
    items_max: usize,
    arrived: Notify,
    drained: Notify,
    closing: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<WorkItem>,
    is_closed: bool,
}

impl Local {
    /// A queue that holds so many items.
    #[must_use]
    pub fn new(items_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            items_max: items_max.max(1),
            arrived: Notify::new(),
            drained: Notify::new(),
            closing: Notify::new(),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Queue) -> T) -> T {
        // Nothing panics while it holds the lock, so a poisoned queue is as good as any.
        look(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Below this the queue asks for more, so that each question to the store brings a good number.
    const fn low_water(&self) -> usize {
        self.items_max.div_ceil(2)
    }
}

#[async_trait]
impl Bus for Local {
    fn is_shared(&self) -> bool {
        false
    }

    fn publish(&self, item: WorkItem) -> Result<(), Full> {
        self.keep(item)
    }

    fn keep(&self, item: WorkItem) -> Result<(), Full> {
        self.with(|queue| {
            if queue.is_closed || queue.items.len() >= self.items_max {
                return Err(Full);
            }
            queue.items.push_back(item);
            Ok(())
        })?;
        self.arrived.notify_one();
        Ok(())
    }

    async fn receive(&self) -> Option<Delivery> {
        loop {
            // Interest is registered before the look, so an item that comes in between is not slept through.
            let arrived = self.arrived.notified();
            let (item, is_closed, depth) =
                self.with(|queue| (queue.items.pop_front(), queue.is_closed, queue.items.len()));
            if is_closed {
                // Whoever else waits has to hear of it too.
                self.arrived.notify_one();
                return None;
            }
            if let Some(item) = item {
                if depth < self.low_water() {
                    self.drained.notify_one();
                }
                // `notify_one` keeps one permit only: pass the word on while there is something left.
                if depth > 0 {
                    self.arrived.notify_one();
                }
                return Some(Delivery {
                    item,
                    receipt: Receipt::none(),
                });
            }
            arrived.await;
        }
    }

    fn depth(&self) -> usize {
        self.with(|queue| queue.items.len())
    }

    async fn room(&self) -> usize {
        loop {
            let drained = self.drained.notified();
            let (depth, is_closed) = self.with(|queue| (queue.items.len(), queue.is_closed));
            if is_closed {
                // Whoever else waits has to hear of it too.
                self.drained.notify_one();
                return 0;
            }
            if depth < self.low_water() {
                return self.items_max - depth;
            }
            drained.await;
        }
    }

    fn announce(&self, _ended: Ended, told: Told) {
        // Nobody else is there to be told.
        told(true);
    }

    fn tell(&self, _run: RunId, _event: &CloudEvent, told: Told) {
        told(true);
    }

    fn notify(&self, _notice: Notice) {}

    async fn notice(&self) -> Option<Notice> {
        loop {
            // Registered before the look, so that a closing in between is not slept through.
            let closing = self.closing.notified();
            tokio::pin!(closing);
            closing.as_mut().enable();
            if self.with(|queue| queue.is_closed) {
                return None;
            }
            closing.await;
        }
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn close(&self) {
        self.with(|queue| {
            queue.is_closed = true;
            queue.items.clear();
        });
        self.arrived.notify_one();
        self.drained.notify_one();
        self.closing.notify_waiters();
    }

    async fn leave(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{ITEMS_MAX, Subject};

    crate::conformance!(local, Subject::new(Local::new(ITEMS_MAX)));
}
