//! How due runs come from the store to a process that has it for itself: the near future is read a window at a time, and
//! what found no room on the bus is brought as room appears. Nobody else looks, so reading is enough.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use millwork_bus::{Known, WorkItem};
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use millwork_store::Due;
use tokio::sync::Notify;

use super::Engine;
use super::schedule::Soon;

/// How far ahead due runs are held in memory.
const WINDOW: Duration = Duration::from_secs(60);

/// Runs read from the store at once.
const PAGE: usize = 5_000;

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What is due in the store, and found no room on the bus.
#[derive(Debug)]
pub(super) struct Backlog {
    is_there: AtomicBool,
    grew: Notify,
    /// About how many.
    waiting: AtomicU64,
}

impl Backlog {
    /// What was due when the last process ended waits in the store.
    pub(super) fn from_before() -> Self {
        Self {
            is_there: AtomicBool::new(true),
            grew: Notify::new(),
            waiting: AtomicU64::new(0),
        }
    }

    /// Notes that a due run found no room on the bus.
    pub(super) fn note(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.is_there.store(true, Ordering::Release);
        self.grew.notify_one();
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
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// About how many runs wait in the store.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Reads the near future from the store, window by window.
pub(super) async fn read_ahead(engine: Engine) {
    let parts = &engine.0;
    loop {
        let now = parts.clock.now();
        let until = now.after(WINDOW);
        // Raised before the store is read: what is committed meanwhile is added by whoever commits it.
        let from = parts.schedule.raise_horizon(until);
        if until > from {
            let mut after = Some(Due {
                at: from,
                run: RunId::from_bytes([0; 16]),
            });
            loop {
                match parts.store.list_due(after, until, PAGE).await {
                    Ok(page) => {
                        for Due { at, run } in &page {
                            parts.schedule.add(Soon {
                                at: *at,
                                run: *run,
                                until: Timestamp::MAX,
                            });
                        }
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

/// Brings what waits in the store to the bus as room appears, the longest waiting first.
pub(super) async fn refill(engine: Engine) {
    let parts = &engine.0;
    let backlog = &parts.backlog;
    let mut after = None;
    loop {
        if !backlog.is_there() {
            backlog.grew.notified().await;
            continue;
        }
        let room = parts.bus.room().await;
        if room == 0 {
            return;
        }
        // Lowered before the store is read: who finds no room meanwhile raises it again.
        let is_first_page = after.is_none();
        if is_first_page {
            backlog.is_there.store(false, Ordering::Release);
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
                    backlog.note_taken();
                    last = Some(due);
                }
                if is_last_page && found_room {
                    after = None;
                    if !backlog.is_there() {
                        backlog.waiting.store(0, Ordering::Relaxed);
                    }
                } else {
                    // There is more: newcomers go on queueing behind it.
                    after = last;
                    backlog.is_there.store(true, Ordering::Release);
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not read the backlog; trying again"
                );
                backlog.is_there.store(true, Ordering::Release);
                parts
                    .clock
                    .sleep_until(parts.clock.now().after(PAUSE))
                    .await;
            }
        }
    }
}
