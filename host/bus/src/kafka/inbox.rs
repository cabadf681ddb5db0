//! What waits here to be received, beside how far the partitions are: one lock, since a change of the one is one of the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millwork_core::time::Timestamp;
use tokio::sync::Notify;

use super::offsets::{Offsets, Place};
use super::options::{Now, Options};
use crate::{Begun, Delivery, Full, Known, Receipt, WorkItem};

/// How far another machine's clock may be ahead.
const SKEW_MAX: Duration = Duration::from_secs(1);

/// The queue of this process.
pub(super) struct Inbox {
    state: Mutex<State>,
    items_max: usize,
    hold_max: Duration,
    fresh_max: Duration,
    now: Now,
    arrived: Notify,
    drained: Notify,
}

#[derive(Default)]
struct State {
    items: VecDeque<Waiting>,
    offsets: Offsets,
    /// Dead letters that are not acknowledged: they take room, so that there cannot be any number of them.
    letters: usize,
    is_closed: bool,
}

struct Waiting {
    item: WorkItem,
    from: Option<Place>,
}

impl Inbox {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::default(),
            items_max: options.queue_max.max(1),
            hold_max: options.hold_max,
            fresh_max: options.fresh_max,
            now: options.now.clone(),
            arrived: Notify::new(),
            drained: Notify::new(),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics while it holds the lock, so a poisoned state is as good as any.
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    const fn low_water(&self) -> usize {
        self.items_max.div_ceil(2)
    }

    /// Puts in an item that comes from this process.
    pub(super) fn keep(&self, item: WorkItem) -> Result<(), Full> {
        self.with(|state| {
            if state.is_closed || state.items.len() >= self.items_max {
                return Err(Full);
            }
            state.items.push_back(Waiting { item, from: None });
            Ok(())
        })?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Notes that a message has been read; nothing where it is none of this process's business.
    pub(super) fn begin(&self, partition: i32, offset: i64) -> Option<Place> {
        self.with(|state| state.offsets.begin(partition, offset, Instant::now()))
    }

    /// Puts in an item that was read. It finds room: who reads asks [`Inbox::is_full`] first.
    pub(super) fn deliver(&self, mut item: WorkItem, place: Place) {
        self.with(|state| {
            if state.is_closed {
                // Whoever has the partition next reads it again.
                state.offsets.hold(place);
                return;
            }
            let assigned = state.offsets.assigned_at(place.partition);
            if let Known::Begun(Begun { at, .. }) = &item.known
                && assigned.is_none_or(|assigned| *at <= assigned.after(SKEW_MAX))
            {
                // Somebody may have had it before this partition came here, and may have executed it.
                item.known = Known::Offered { began: *at };
            }
            state.items.push_back(Waiting {
                item,
                from: Some(place),
            });
        });
        self.arrived.notify_one();
    }

    pub(super) async fn receive(self: &Arc<Self>) -> Option<Delivery> {
        loop {
            // Interest is registered before the look, so an item that comes in between is not slept through.
            let arrived = self.arrived.notified();
            let (waiting, is_closed, depth) =
                self.with(|state| (state.items.pop_front(), state.is_closed, state.items.len()));
            if is_closed {
                // Whoever else waits has to hear of it too.
                self.arrived.notify_one();
                return None;
            }
            if let Some(waiting) = waiting {
                if depth < self.low_water() {
                    self.drained.notify_one();
                }
                // `notify_one` keeps one permit only: pass the word on while there is something left.
                if depth > 0 {
                    self.arrived.notify_one();
                }
                return Some(self.hand_out(waiting));
            }
            arrived.await;
        }
    }

    fn hand_out(self: &Arc<Self>, Waiting { mut item, from }: Waiting) -> Delivery {
        let Some(place) = from else {
            return Delivery {
                item,
                receipt: Receipt::none(),
            };
        };
        if let Known::Begun(Begun { at, .. }) = &item.known
            && (self.now)().since(*at) >= self.fresh_max
        {
            // It lay for so long that a sweeper may have found its run due.
            item.known = Known::Offered { began: *at };
        }
        let inbox = Arc::clone(self);
        Delivery {
            item,
            receipt: Receipt::new(move || inbox.finish(place)),
        }
    }

    /// An item is finished with, or given up.
    pub(super) fn finish(&self, place: Place) {
        self.with(|state| state.offsets.finish(place));
    }

    pub(super) fn depth(&self) -> usize {
        self.with(|state| state.items.len())
    }

    pub(super) async fn room(&self) -> usize {
        loop {
            let drained = self.drained.notified();
            let (depth, is_closed) = self.with(|state| (state.items.len(), state.is_closed));
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

    /// Whether nothing more is to be read.
    pub(super) fn is_full(&self) -> bool {
        self.with(|state| state.is_closed || state.items.len() + state.letters >= self.items_max)
    }

    /// Whether reading is to be taken up again.
    pub(super) fn has_drained(&self) -> bool {
        self.with(|state| !state.is_closed && state.items.len() + state.letters < self.low_water())
    }

    /// A dead letter is on its way: until it has arrived, its message is not finished.
    pub(super) fn letter_begun(&self, place: Place) {
        self.with(|state| {
            state.offsets.hold(place);
            state.letters += 1;
        });
    }

    /// A dead letter has arrived, or nobody here has to send it any more.
    pub(super) fn letter_done(&self, place: Place) {
        self.with(|state| {
            state.offsets.finish(place);
            state.letters = state.letters.saturating_sub(1);
        });
    }

    pub(super) fn is_current(&self, place: Place) -> bool {
        self.with(|state| state.offsets.is_current(place))
    }

    pub(super) fn assign(&self, partitions: &[i32]) {
        let at: Timestamp = (self.now)();
        self.with(|state| {
            for partition in partitions {
                state.offsets.assign(*partition, at);
            }
        });
    }

    /// Partitions go to somebody else: what of them was not received is dropped, and what was received is no longer noted.
    pub(super) fn revoke(&self, partitions: &[i32]) {
        let depth = self.with(|state| {
            for partition in partitions {
                state.offsets.forget(*partition);
            }
            state.items.retain(|waiting| {
                waiting
                    .from
                    .is_none_or(|place| !partitions.contains(&place.partition))
            });
            state.items.len()
        });
        if depth < self.low_water() {
            self.drained.notify_one();
        }
    }

    /// What the broker is to be told.
    pub(super) fn advance(&self) -> Vec<(i32, i64)> {
        self.with(|state| state.offsets.advance(Instant::now(), self.hold_max))
    }

    pub(super) fn tell_again(&self, partition: i32) {
        self.with(|state| state.offsets.tell_again(partition));
    }

    /// How many messages are unfinished, in how many partitions.
    pub(super) fn count(&self) -> (usize, usize) {
        self.with(|state| (state.offsets.unfinished(), state.offsets.partitions()))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.with(|state| state.is_closed)
    }

    pub(super) fn close(&self) {
        self.with(|state| {
            state.is_closed = true;
            // Others are to have at once what nobody here has received.
            for waiting in std::mem::take(&mut state.items) {
                if let Some(place) = waiting.from {
                    state.offsets.hold(place);
                }
            }
        });
        self.arrived.notify_one();
        self.drained.notify_one();
    }
}
