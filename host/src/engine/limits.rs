//! Runs that their workflow's limits bind: they ask to be let in, wait, and are woken when their turn has come.
//!
//! The store decides, in the transaction that writes the event which depends on it. Here is what it is asked, and what is done
//! with its answer. Whatever leads to a run's being taken up (a trigger, a retry, a wake, a crash), the driver has it let in
//! before it begins anything.

use std::time::Duration;

use millwork_bus::{Known, WorkItem};
use millwork_core::bounds::Bounds;
use millwork_core::command::Command;
use millwork_core::decide::decide;
use millwork_core::definition::WhenFull;
use millwork_core::event::Record;
use millwork_core::graph::Graph;
use millwork_core::run::{Run, Summary};
use millwork_core::time::Timestamp;
use millwork_store::limits::{
    self, Enter, Full, LimitKind, LimitQuery, LimitRow, Passage, Rate, Slot, Variant,
};
use millwork_store::{Committed, Due};

use super::schedule::Soon;
use super::{Engine, Error};
use crate::telemetry;

/// How long who was turned away by a full limit should wait before it asks again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often a run that takes the place of others looks whether they are gone.
const LOOK_AT_OUTDONE: Duration = Duration::from_secs(5);

/// Runs whose place is taken at once.
const OUTDONE_MAX: usize = 100;

/// How a run came to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// It is being created, or done again, and may be refused.
    First,
    /// It waits already.
    Again,
}

impl Engine {
    /// What a run asks of the limits that bind it. `waiting` is what is written where it has to wait.
    pub(super) fn ask_to_enter(
        &self,
        run: &Run,
        bounds: &Bounds,
        graph: &Graph,
        asks: Asks,
        (waiting, at): (Vec<String>, Timestamp),
    ) -> Enter {
        let when_full = bounds.concurrency.as_ref().map(|bound| bound.when_full);
        let looks_again = when_full == Some(WhenFull::CancelRunning);
        let due_at = match asks {
            // Taken up at once, to see to those whose place it takes.
            Asks::First => Some(self.0.claims.in_hand(at, at)),
            Asks::Again => Some(at.after(LOOK_AT_OUTDONE)),
        };
        let waiting = Variant {
            records: waiting,
            due_at: due_at.filter(|_| looks_again),
            summary: run.summary(),
        };
        Enter {
            at,
            workflow: run.created().workflow,
            version: run.created().version,
            slot: bounds.concurrency.as_ref().map(|bound| Slot {
                key: bound.key.clone(),
                limit: bound.limit,
            }),
            rate: bounds.rate.as_ref().map(|bound| Rate {
                key: bound.key.clone(),
                limit: bound.limit,
                per: bound.per(),
            }),
            priority: bounds.priority,
            queue_max: match asks {
                Asks::First => self.0.options.limit_queue_max,
                Asks::Again => u32::MAX,
            },
            when_full: match (when_full, asks) {
                (Some(WhenFull::Reject), Asks::First) => limits::WhenFull::Refuse,
                (Some(WhenFull::CancelNew), _) => {
                    limits::WhenFull::Instead(self.cancelled(run, graph, &waiting, at))
                }
                (Some(WhenFull::Queue | WhenFull::Reject | WhenFull::CancelRunning) | None, _) => {
                    limits::WhenFull::Wait
                }
            },
            waiting,
        }
    }

    /// What is written where a run is cancelled because there is no room for it.
    fn cancelled(&self, run: &Run, graph: &Graph, waiting: &Variant, at: Timestamp) -> Variant {
        let mut run = run.clone();
        let records = cancel_for_lack_of_room(&mut run, graph, at);
        Variant {
            records: waiting
                .records
                .iter()
                .cloned()
                .chain(records.iter().map(Record::encode))
                .collect(),
            summary: run.summary(),
            due_at: self.due_after_end(&run, at),
        }
    }

    /// Takes in what a commit came to, and says whether it is written. Runs whose turn has come by it are handed on.
    pub(super) fn take_in(&self, committed: &Committed) -> bool {
        match committed {
            Committed::Written => true,
            Committed::Passed(passed) => {
                self.wake(&passed.woken);
                true
            }
            Committed::Conflict
            | Committed::Outdated
            | Committed::Replayed { .. }
            | Committed::Full(_) => false,
        }
    }

    /// Hands on runs whose turn has come. Their rows say the same: a word that is lost costs a moment.
    pub(super) fn wake(&self, woken: &[Due]) {
        let parts = &self.0;
        let now = parts.clock.now();
        let is_alone = parts.claims.timeout().is_none();
        for &Due { at, run } in woken {
            let item = WorkItem {
                run,
                known: Known::Hinted,
            };
            match (is_alone, at <= now) {
                (true, true) => {
                    self.hand_on(item);
                }
                (true, false) => parts.schedule.add(Soon {
                    at,
                    run,
                    until: Timestamp::MAX,
                }),
                (false, true) => {
                    if parts.bus.publish(item).is_err() {
                        metrics::counter!(telemetry::HINTS_UNPUBLISHED).increment(1);
                    }
                }
                // Whoever looks ahead claims it when its time is near.
                (false, false) => {}
            }
        }
    }

    /// Ends the runs whose place this one takes, where its workflow says so.
    pub(super) async fn outdo_others(&self, run: &Run) -> Result<(), Error> {
        let bounds = run.created().bounds.as_ref();
        let bound = bounds.and_then(|bounds| bounds.concurrency.as_ref());
        let Some(bound) = bound.filter(|bound| bound.when_full == WhenFull::CancelRunning) else {
            return Ok(());
        };
        let workflow = run.created().workflow;
        let outdone = self
            .0
            .store
            .list_outdone(workflow, &bound.key, bound.limit, OUTDONE_MAX);
        for other in outdone.await? {
            let reason = format!(
                "a newer run with the concurrency key \"{}\" takes its place",
                bound.key
            );
            // One that has ended or is ending needs nothing more.
            let cancelled = Box::pin(self.cancel_run(other, Some(reason))).await;
            if let Err(error @ (Error::Store(_) | Error::Commit(_))) = cancelled {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lists the limits that runs hold or wait for.
    ///
    /// # Errors
    /// The store.
    pub async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error> {
        Ok(self.0.store.list_limits(query).await?)
    }
}

/// Ends a run for which there is no room.
pub(super) fn cancel_for_lack_of_room(run: &mut Run, graph: &Graph, now: Timestamp) -> Vec<Record> {
    let key = run.created().bounds.as_ref();
    let key = key.and_then(|bounds| bounds.concurrency.as_ref());
    let key = key.map_or_else(String::new, |bound| bound.key.clone());
    let command = Command::Cancel {
        reason: Some(format!(
            "as many runs with the concurrency key \"{key}\" are under way as may be"
        )),
    };
    // Nothing of it has begun, so nothing stands in the way.
    decide(graph, run, command, now).map_or_else(|_| Vec::new(), |decision| decision.records)
}

/// What a full limit means for who wanted to begin a run.
pub(super) fn refusal(full: &Full, queue_max: u32) -> Error {
    let Full {
        key,
        limit,
        waiting,
    } = full;
    let name = &key.key;
    let message = match key.kind {
        _ if *waiting >= queue_max && *waiting > 0 => format!(
            "{waiting} runs wait for the {kind} key \"{name}\", the limit is {queue_max} (engine.limit_queue_max)",
            kind = key.kind,
        ),
        LimitKind::Concurrency => format!(
            "{limit} runs with the concurrency key \"{name}\" are under way, which is the workflow's limit"
        ),
        LimitKind::Rate => format!(
            "{limit} runs with the rate key \"{name}\" have begun, which is the workflow's limit"
        ),
    };
    Error::LimitReached {
        message,
        retry_after: RETRY_AFTER,
    }
}

/// A commit that asks to be let in.
pub(super) fn entering(enter: Enter) -> Option<Passage> {
    Some(Passage::Enter(Box::new(enter)))
}

/// A commit that ends a run gives back what the run held.
pub(super) fn leaving(run: &Run, at: Timestamp) -> Option<Passage> {
    let Summary { status, .. } = run.summary();
    let is_bound = run.created().bounds.is_some();
    (is_bound && status.is_finished()).then_some(Passage::Leave { at })
}
