//! Where runs are let in, made to wait, and let out: what the limits decide, over what a store has laid on the desk.
//!
//! A run takes its **slot** first and then waits for its **rate**, holding the slot. Each key has a queue, in which the
//! first priority comes first and then who has waited longest. Nobody passes those who wait before him.
//!
//! A store in memory keeps everything on one desk. A database lays on it what a commit can touch (the counters of its keys,
//! the heads of their queues, the starts that a rate looks back at), has it decide, and writes back the [`Changes`].
//!
//! A rate is exact: the starts of a key are numbered, and number *n* may not begin before number *n - limit* is a span old.
//! So only the last `limit` starts are kept, and no span of that length, wherever it begins, holds more.

use std::collections::{BTreeMap, BTreeSet};

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

use super::records::{Admission, Counter, Place, Stage};
use super::{Enter, Full, LimitKey, LimitKind, Outcome, Passage, WhenFull};
use crate::Due;

/// How many runs of a key one commit lets in at most. Where more could come in, the next one is due at once, and goes on.
pub(crate) const ADMIT_MAX: usize = 64;

/// What became of a run that asked to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Passed(Outcome),
    Full(Full),
}

/// What is to be written back.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Counters as they are now; nothing where one is not needed any more.
    pub(crate) counters: BTreeMap<LimitKey, Option<Counter>>,
    /// Admissions as they are now; nothing where a run has left.
    pub(crate) admissions: BTreeMap<RunId, Option<Admission>>,
    /// New starts, by number.
    pub(crate) starts: BTreeMap<(LimitKey, u64), Timestamp>,
    /// Starts up to these numbers are not looked back at any more.
    pub(crate) trims: BTreeMap<LimitKey, u64>,
    /// When rows are due, at the latest.
    pub(crate) woken: BTreeMap<RunId, Timestamp>,
}

/// The desk.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    counters: BTreeMap<LimitKey, Counter>,
    admissions: BTreeMap<RunId, Admission>,
    queues: BTreeMap<LimitKey, BTreeSet<Place>>,
    starts: BTreeMap<(LimitKey, u64), Timestamp>,
    touched: BTreeSet<LimitKey>,
    moved: BTreeSet<RunId>,
    changes: Changes,
}

/// Laying out, and putting away.
impl Desk {
    pub(crate) fn lay_counter(&mut self, key: LimitKey, counter: Counter) {
        self.counters.insert(key, counter);
    }

    /// An admission, which stands in its queue where it waits.
    pub(crate) fn lay_admission(&mut self, run: RunId, admission: Admission) {
        if let Some(queue) = admission.queue() {
            let place = Place::of(run, &admission);
            self.queues.entry(queue).or_default().insert(place);
        }
        self.admissions.insert(run, admission);
    }

    pub(crate) fn lay_start(&mut self, key: LimitKey, number: u64, at: Timestamp) {
        self.starts.insert((key, number), at);
    }

    pub(crate) fn counter(&self, key: &LimitKey) -> Option<&Counter> {
        self.counters.get(key)
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = (&LimitKey, &Counter)> {
        self.counters.iter()
    }

    pub(crate) fn admission(&self, run: RunId) -> Option<&Admission> {
        self.admissions.get(&run)
    }

    pub(crate) fn admissions(&self) -> impl Iterator<Item = (&RunId, &Admission)> {
        self.admissions.iter()
    }

    /// How many are let in before a run that waits, and itself.
    pub(crate) fn position(&self, run: RunId) -> Option<u32> {
        let admission = self.admissions.get(&run)?;
        let place = Place::of(run, admission);
        let queue = self.queues.get(&admission.queue()?)?;
        u32::try_from(queue.range(..=place).count()).ok()
    }

    /// When a rate lets the next one begin, where it looks back at a start.
    pub(crate) fn next_at(&self, key: &LimitKey) -> Option<Timestamp> {
        let counter = self.counters.get(key)?;
        let number = counter.looks_back_to()?;
        let at = self.starts.get(&(key.clone(), number))?;
        Some(at.after(counter.per?))
    }

    /// What has changed since it was last asked.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        for key in std::mem::take(&mut self.touched) {
            let counter = self.counters.get(&key).cloned();
            changes.counters.insert(key, counter);
        }
        for run in std::mem::take(&mut self.moved) {
            let admission = self.admissions.get(&run).cloned();
            changes.admissions.insert(run, admission);
        }
        changes
    }

    /// Forgets rates whose last start is a span old, where nobody waits for them.
    pub(crate) fn forget_idle(&mut self, now: Timestamp) {
        let is_idle =
            |counter: &Counter| counter.waiting == 0 && counter.idle_at.is_some_and(|at| at <= now);
        self.counters.retain(|_, counter| !is_idle(counter));
        let counters = &self.counters;
        self.starts.retain(|(key, _), _| counters.contains_key(key));
    }
}

/// Deciding.
impl Desk {
    /// Decides what a commit asked of the limits of its run.
    pub(crate) fn pass(&mut self, run: RunId, passage: &Passage, woken: &mut Vec<Due>) -> Answer {
        match passage {
            Passage::Enter(enter) => self.enter(run, enter, woken),
            Passage::Leave { at } => {
                self.leave(run, *at, woken);
                Answer::Passed(Outcome::Out)
            }
        }
    }

    /// Lets a run in, or makes it wait. Runs whose turn comes by the way are added to `woken`.
    fn enter(&mut self, run: RunId, enter: &Enter, woken: &mut Vec<Due>) -> Answer {
        let now = enter.at;
        let mut others = Vec::new();
        for key in self.note_limits(enter) {
            self.advance(&key, now, &mut others);
            self.wake_head(&key, now, &mut others);
        }
        if !self.admissions.contains_key(&run) {
            let admission = Admission {
                workflow: enter.workflow,
                slot: enter.slot.as_ref().map(|slot| slot.key.clone()),
                rate: enter.rate.as_ref().map(|rate| rate.key.clone()),
                priority: enter.priority,
                since: now,
                stage: Stage::AwaitsSlot,
            };
            if let Some(answer) = self.turn_away(run, enter, &admission) {
                self.drop_idle_slots(enter.workflow, admission.slot);
                woken.extend(others);
                return answer;
            }
            self.join(run, admission);
        }
        if let Some(admission) = self.admissions.get(&run).cloned() {
            admission
                .keys()
                .for_each(|key| self.advance(&key, now, &mut others));
        }
        let due_at = others.iter().find(|due| due.run == run).map(|due| due.at);
        others.retain(|due| due.run != run);
        woken.extend(others);
        self.changes.woken.remove(&run);
        let slot = enter.slot.as_ref().map(|slot| slot.key.clone());
        self.drop_idle_slots(enter.workflow, slot);
        let outcome = match self.admissions.get(&run).map(|admission| admission.stage) {
            Some(Stage::In) | None => Outcome::In,
            Some(Stage::AwaitsSlot) => Outcome::Waits {
                due_at: sooner(due_at, enter.waiting.due_at),
            },
            Some(Stage::AwaitsRate) => {
                let own = self.rate_turn(run).or(due_at);
                Outcome::Waits {
                    due_at: sooner(own, enter.waiting.due_at),
                }
            }
        };
        Answer::Passed(outcome)
    }

    /// Lets a run out. Runs whose turn comes by that are added to `woken`.
    fn leave(&mut self, run: RunId, now: Timestamp, woken: &mut Vec<Due>) {
        let Some(admission) = self.admissions.get(&run).cloned() else {
            return;
        };
        let was_head = admission
            .queue()
            .is_some_and(|key| self.head(&key) == Some(run));
        if let Some(queue) = admission.queue() {
            self.unqueue(run, &admission, &queue);
        }
        self.admissions.remove(&run);
        self.moved.insert(run);
        self.changes.woken.remove(&run);
        let holds_slot = admission.stage != Stage::AwaitsSlot;
        for key in admission.keys() {
            if key.kind == LimitKind::Concurrency && holds_slot {
                self.change(&key, |counter| {
                    counter.held = counter.held.saturating_sub(1);
                });
            }
            let is_free = match key.kind {
                LimitKind::Concurrency => holds_slot,
                LimitKind::Rate => was_head,
            };
            if is_free {
                self.advance(&key, now, woken);
                self.wake_head(&key, now, woken);
            }
        }
        self.drop_idle_slots(admission.workflow, admission.slot);
    }

    /// What the newest version says of a key holds for it. Returns the keys of which something else was said before.
    fn note_limits(&mut self, enter: &Enter) -> Vec<LimitKey> {
        let mut changed = Vec::new();
        let slot = enter.slot.as_ref().map(|slot| {
            let kind = LimitKind::Concurrency;
            (kind, &slot.key, slot.limit, None)
        });
        let rate = enter
            .rate
            .as_ref()
            .map(|rate| (LimitKind::Rate, &rate.key, rate.limit, Some(rate.per)));
        for (kind, key, limit, per) in slot.into_iter().chain(rate) {
            let key = LimitKey {
                workflow: enter.workflow,
                kind,
                key: key.clone(),
            };
            match self.counters.get(&key) {
                None => {
                    let counter = Counter {
                        limit,
                        per,
                        version: enter.version,
                        held: 0,
                        waiting: 0,
                        started: 0,
                        idle_at: per.map(|per| enter.at.after(per)),
                    };
                    self.counters.insert(key.clone(), counter);
                    self.touched.insert(key);
                }
                Some(known) if enter.version > known.version => {
                    self.change(&key, |counter| {
                        counter.limit = limit;
                        counter.per = per;
                        counter.version = enter.version;
                    });
                    changed.push(key);
                }
                Some(_) => {}
            }
        }
        changed
    }

    /// Says whether a newcomer may neither come in nor wait.
    fn turn_away(&self, run: RunId, enter: &Enter, admission: &Admission) -> Option<Answer> {
        for key in admission.keys() {
            let counter = self.counters.get(&key)?;
            let full = || Full {
                key: key.clone(),
                limit: counter.limit,
                waiting: counter.waiting,
            };
            let queue_is_full = counter.waiting >= enter.queue_max;
            let has_to_wait = match key.kind {
                LimitKind::Concurrency => self.slots_are_full(&key, counter, run, admission),
                LimitKind::Rate => {
                    counter.waiting > 0 || self.next_at(&key).is_some_and(|at| at > enter.at)
                }
            };
            match (key.kind, &enter.when_full) {
                _ if !has_to_wait => {}
                (LimitKind::Concurrency, WhenFull::Refuse) => return Some(Answer::Full(full())),
                (LimitKind::Concurrency, WhenFull::Instead(_)) => {
                    return Some(Answer::Passed(Outcome::Instead));
                }
                _ if queue_is_full => return Some(Answer::Full(full())),
                (LimitKind::Concurrency, WhenFull::Wait) => return None,
                (LimitKind::Rate, _) => {}
            }
        }
        None
    }

    fn slots_are_full(
        &self,
        key: &LimitKey,
        counter: &Counter,
        run: RunId,
        admission: &Admission,
    ) -> bool {
        let free = usize::try_from(counter.limit.saturating_sub(counter.held));
        let free = free.unwrap_or(ADMIT_MAX).min(ADMIT_MAX);
        let place = Place::of(run, admission);
        let ahead = self
            .queues
            .get(key)
            .map_or(0, |queue| queue.range(..place).take(ADMIT_MAX).count());
        ahead >= free
    }

    /// Puts a newcomer into the first queue that it needs.
    fn join(&mut self, run: RunId, mut admission: Admission) {
        admission.stage = match (&admission.slot, &admission.rate) {
            (Some(_), _) => Stage::AwaitsSlot,
            (None, Some(_)) => Stage::AwaitsRate,
            (None, None) => Stage::In,
        };
        self.enqueue(run, admission);
    }

    fn enqueue(&mut self, run: RunId, admission: Admission) {
        if let Some(queue) = admission.queue() {
            self.change(&queue, |counter| counter.waiting += 1);
        }
        self.lay_admission(run, admission);
        self.moved.insert(run);
    }

    fn unqueue(&mut self, run: RunId, admission: &Admission, queue: &LimitKey) {
        let place = Place::of(run, admission);
        if let Some(places) = self.queues.get_mut(queue) {
            places.remove(&place);
        }
        self.change(queue, |counter| {
            counter.waiting = counter.waiting.saturating_sub(1);
        });
    }

    /// Lets in whose turn has come.
    fn advance(&mut self, key: &LimitKey, now: Timestamp, woken: &mut Vec<Due>) {
        let mut let_on = 0;
        while let (Some(run), true) = (self.head(key), self.has_room(key, now)) {
            if let_on == ADMIT_MAX {
                // Enough for one commit: the next one makes room for itself, and goes on.
                self.wake(run, now, woken);
                return;
            }
            self.let_on(key, run, now, woken);
            let_on += 1;
        }
        if let_on > 0 {
            self.wake_head(key, now, woken);
        }
    }

    fn has_room(&self, key: &LimitKey, now: Timestamp) -> bool {
        match key.kind {
            LimitKind::Concurrency => self
                .counters
                .get(key)
                .is_some_and(|counter| counter.held < counter.limit),
            LimitKind::Rate => self.next_at(key).is_none_or(|at| at <= now),
        }
    }

    /// Takes a run out of a queue that it stood at the head of, and on to the next.
    fn let_on(&mut self, key: &LimitKey, run: RunId, now: Timestamp, woken: &mut Vec<Due>) {
        let Some(mut admission) = self.admissions.get(&run).cloned() else {
            return;
        };
        self.unqueue(run, &admission, key);
        match key.kind {
            LimitKind::Concurrency => self.change(key, |counter| counter.held += 1),
            LimitKind::Rate => self.note_start(key, now),
        }
        let rate = admission.limit_key(LimitKind::Rate);
        let next = rate.filter(|_| key.kind == LimitKind::Concurrency);
        admission.stage = match next {
            Some(_) => Stage::AwaitsRate,
            None => Stage::In,
        };
        self.enqueue(run, admission);
        match next {
            None => self.wake(run, now, woken),
            Some(rate) => {
                self.advance(&rate, now, woken);
                if self.head(&rate) == Some(run) {
                    self.wake_head(&rate, now, woken);
                }
            }
        }
    }

    fn note_start(&mut self, key: &LimitKey, now: Timestamp) {
        let mut started = 0;
        let mut first_kept = 0;
        self.change(key, |counter| {
            counter.started += 1;
            counter.idle_at = counter.per.map(|per| now.after(per));
            started = counter.started;
            first_kept = started.saturating_sub(u64::from(counter.limit)) + 1;
        });
        let place = (key.clone(), started);
        self.starts.insert(place.clone(), now);
        self.changes.starts.insert(place, now);
        let (from, to) = ((key.clone(), 0), (key.clone(), first_kept));
        let old: Vec<_> = self
            .starts
            .range(from..to)
            .map(|(place, _)| place.clone())
            .collect();
        for place in old {
            self.starts.remove(&place);
            self.changes.starts.remove(&place);
        }
        self.changes.trims.insert(key.clone(), first_kept - 1);
    }

    /// Sees to it that the head of a rate's queue comes when the rate allows it.
    fn wake_head(&mut self, key: &LimitKey, now: Timestamp, woken: &mut Vec<Due>) {
        if key.kind != LimitKind::Rate {
            return;
        }
        if let Some(run) = self.head(key) {
            let at = self.next_at(key).map_or(now, |at| at.max(now));
            self.wake(run, at, woken);
        }
    }

    /// When the rate has its head's turn come, where that is this run.
    fn rate_turn(&self, run: RunId) -> Option<Timestamp> {
        let key = self.admissions.get(&run)?.limit_key(LimitKind::Rate)?;
        (self.head(&key) == Some(run))
            .then(|| self.next_at(&key))
            .flatten()
    }

    fn wake(&mut self, run: RunId, at: Timestamp, woken: &mut Vec<Due>) {
        woken.retain(|due| due.run != run);
        woken.push(Due { at, run });
        self.changes.woken.insert(run, at);
    }

    fn head(&self, key: &LimitKey) -> Option<RunId> {
        Some(self.queues.get(key)?.first()?.run)
    }

    fn change(&mut self, key: &LimitKey, change: impl FnOnce(&mut Counter)) {
        if let Some(counter) = self.counters.get_mut(key) {
            change(counter);
            self.touched.insert(key.clone());
        }
    }

    /// A slot that nobody holds or waits for need not be remembered.
    fn drop_idle_slots(&mut self, workflow: WorkflowId, slot: Option<String>) {
        let Some(key) = slot else {
            return;
        };
        let key = LimitKey {
            workflow,
            kind: LimitKind::Concurrency,
            key,
        };
        let is_idle = |counter: &&Counter| counter.held == 0 && counter.waiting == 0;
        if self.counters.get(&key).filter(is_idle).is_some() {
            self.counters.remove(&key);
            self.touched.insert(key);
        }
    }
}

fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
