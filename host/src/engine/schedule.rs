//! Brings runs to the bus when they are due: when their time has come, and when the bus had no room for them before.
//!
//! The truth is the store's index of due runs. Of it the near future is held in memory, so that a timer fires when it is due
//! and not when somebody next polls; the rest is read a window at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millwork_bus::{Known, WorkItem};
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use millwork_store::Due;
use tokio::sync::Notify;

use super::Engine;

/// How far ahead due runs are held in memory.
const WINDOW: Duration = Duration::from_secs(60);

/// Runs read from the store at once.
const PAGE: usize = 5_000;

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What is due soon.
#[derive(Debug)]
pub(super) struct Schedule {
    near: Mutex<Near>,
    /// Something has come into `near` that is due sooner than all that was there.
    sooner: Notify,
    /// There are due runs in the store for which the bus had no room.
    has_backlog: AtomicBool,
    backlog: Notify,
    /// About how many.
    waiting: AtomicU64,
}

#[derive(Debug)]
struct Near {
    due: BinaryHeap<Reverse<Due>>,
    /// Up to where the store has been read.
    horizon: Timestamp,
}

impl Schedule {
    pub(super) fn starting_at(now: Timestamp) -> Self {
        Self {
            near: Mutex::new(Near {
                due: BinaryHeap::new(),
                horizon: now,
            }),
            sooner: Notify::new(),
            // What was due when the last process ended waits in the store.
            has_backlog: AtomicBool::new(true),
            backlog: Notify::new(),
            waiting: AtomicU64::new(0),
        }
    }

    fn near(&self) -> MutexGuard<'_, Near> {
        // Nothing panics while it holds the lock, so a poisoned heap is as good as any.
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers when a run is next due. The store knows already: what lies beyond the window need not be remembered.
    pub(super) fn add(&self, due: Due) {
        let mut near = self.near();
        if due.at >= near.horizon {
            return;
        }
        let is_soonest = near
            .due
            .peek()
            .is_none_or(|Reverse(first)| due.at < first.at);
        near.due.push(Reverse(due));
        drop(near);
        if is_soonest {
            self.sooner.notify_one();
        }
    }

    /// The same for a time of this process's own, which the store does not know: remembered however far away it is.
    pub(super) fn add_beyond_window(&self, due: Due) {
        self.near().due.push(Reverse(due));
        self.sooner.notify_one();
    }

    /// Takes out what is due by `now`, and says when to look again.
    fn take_due(&self, now: Timestamp) -> (Vec<Due>, Option<Timestamp>) {
        let mut near = self.near();
        let mut due = Vec::new();
        while let Some(Reverse(first)) = near.due.peek() {
            if first.at > now {
                break;
            }
            due.extend(near.due.pop().map(|Reverse(first)| first));
        }
        (due, near.due.peek().map(|Reverse(next)| next.at))
    }

    /// Notes that a due run found no room on the bus.
    pub(super) fn note_backlog(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.has_backlog.store(true, Ordering::Release);
        self.backlog.notify_one();
    }

    /// Notes that one of them found room after all.
    fn note_taken(&self) {
        let _ = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                waiting.checked_sub(1)
            });
    }

    /// Whether due runs wait in the store, so that a newcomer has to queue behind them.
    pub(super) fn has_backlog(&self) -> bool {
        self.has_backlog.load(Ordering::Acquire)
    }

    /// About how many runs wait in the store.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs in memory that are due soon.
    pub(super) fn len(&self) -> usize {
        self.near().due.len()
    }
}

/// Reads the near future from the store, window by window.
pub(super) async fn read_ahead(engine: Engine) {
    let parts = &engine.0;
    loop {
        let now = parts.clock.now();
        let from = parts.schedule.near().horizon;
        let until = now.after(WINDOW);
        if until > from {
            // Raised before the store is read: what is committed meanwhile is added by whoever commits it.
            parts.schedule.near().horizon = until;
            let mut after = Some(Due {
                at: from,
                run: RunId::from_bytes([0; 16]),
            });
            loop {
                match parts.store.list_due(after, until, PAGE).await {
                    Ok(page) => {
                        page.iter().for_each(|due| parts.schedule.add(*due));
                        if page.len() < PAGE {
                            break;
                        }
                        after = page.last().copied();
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "could not read what is due soon; trying again"
                        );
                        parts
                            .clock
                            .sleep_until(parts.clock.now().after(PAUSE))
                            .await;
                    }
                }
            }
        }
        // Half a window later there is still half a window in memory.
        parts.clock.sleep_until(now.after(WINDOW / 2)).await;
    }
}

/// Fires what is due in memory, when it is due.
pub(super) async fn fire(engine: Engine) {
    let parts = &engine.0;
    loop {
        // Interest is registered before the look, so that nothing sooner is slept through.
        let sooner = parts.schedule.sooner.notified();
        let now = parts.clock.now();
        let (due, next) = parts.schedule.take_due(now);
        for due in due {
            metrics::counter!(crate::telemetry::TIMERS_FIRED).increment(1);
            metrics::histogram!(crate::telemetry::TIMER_LATENESS_SECONDS)
                .record(now.since(due.at).as_secs_f64());
            engine.hand_on(WorkItem {
                run: due.run,
                known: Known::Hinted,
            });
        }
        match next {
            None => sooner.await,
            Some(next) => {
                tokio::select! {
                    () = sooner => {}
                    () = parts.clock.sleep_until(next) => {}
                }
            }
        }
    }
}

/// Brings what waits in the store to the bus as room appears, the longest waiting first.
pub(super) async fn refill(engine: Engine) {
    let parts = &engine.0;
    let mut after = None;
    loop {
        if !parts.schedule.has_backlog() {
            parts.schedule.backlog.notified().await;
            continue;
        }
        let room = parts.bus.room().await;
        if room == 0 {
            return;
        }
        // Lowered before the store is read: who finds no room meanwhile raises it again.
        let is_first_page = after.is_none();
        if is_first_page {
            parts.schedule.has_backlog.store(false, Ordering::Release);
        }
        // The runs in hand are due too, and come first: ask for as many more.
        let limit = room.min(PAGE)
            + if is_first_page {
                parts.registry.len()
            } else {
                0
            };
        let before = parts.clock.now().after(Duration::from_micros(1));
        match parts.store.list_due(after, before, limit).await {
            Ok(page) => {
                let is_last_page = page.len() < limit;
                let mut last = after;
                let mut found_room = true;
                for due in page {
                    if !parts.registry.holds(due.run)
                        && !engine.offer(WorkItem {
                            run: due.run,
                            known: Known::Hinted,
                        })
                    {
                        found_room = false;
                        break;
                    }
                    parts.schedule.note_taken();
                    last = Some(due);
                }
                if is_last_page && found_room {
                    after = None;
                    if !parts.schedule.has_backlog() {
                        parts.schedule.waiting.store(0, Ordering::Relaxed);
                    }
                } else {
                    // There is more: newcomers go on queueing behind it.
                    after = last;
                    parts.schedule.has_backlog.store(true, Ordering::Release);
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not read the backlog; trying again"
                );
                parts.schedule.has_backlog.store(true, Ordering::Release);
                parts
                    .clock
                    .sleep_until(parts.clock.now().after(PAUSE))
                    .await;
            }
        }
    }
}
