//! Drives one run: from taking it up to its end, or to where it only waits.
//!
//! The loop is always the same: decide, commit, carry out. Whatever goes wrong in between (a conflict, a store that did not
//! answer) has one remedy: read the journal again and go on from what it says.

mod admission;
mod attempts;
pub(super) mod held;
mod order;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use millwork_core::command::{AttemptReturned, Command};
use millwork_core::decide::{Decision, Rejection, decide};
use millwork_core::effect::Effect;
use millwork_core::event::{Event, Record, Seq};
use millwork_core::graph::Graph;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_store::{Commit, Renewal};

use super::claims::Kept;
use super::execution::Taken;
use super::journal::{Loaded, advance};
use super::registry::Handle;
use super::schedule::Soon;
use super::{Engine, Error};
use crate::clock::Clock;
use crate::telemetry;
use attempts::UnderWay;
use held::Held;
use order::{Gathered, Next, Order};

/// The first wait after the store failed; each further one is twice as long, up to the longest.
const STORE_PAUSE_FIRST: Duration = Duration::from_millis(50);
const STORE_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// Drives one run, for as long as it has something to do.
pub(super) struct Driver<'e> {
    engine: &'e Engine,
    handle: &'e Handle,
    graph: Arc<Graph>,
    run: Run,
    /// Since when the run has had something to do.
    due_since: Timestamp,
    /// How the run is kept while it waits, where that is what its row says.
    wait: Option<Kept>,
    /// Another process sees to the run now.
    is_lost: bool,
    attempts: FuturesUnordered<BoxFuture<'e, AttemptReturned>>,
    under_way: Vec<UnderWay>,
    /// What has been decided and is not written yet.
    held: Held,
}

impl<'e> Driver<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        handle: &'e Handle,
        graph: Arc<Graph>,
        taken: Taken,
    ) -> Self {
        Self {
            engine,
            handle,
            graph,
            run: taken.run,
            due_since: taken.due_since,
            wait: None,
            is_lost: false,
            attempts: FuturesUnordered::new(),
            under_way: Vec::new(),
            held: Held::default(),
        }
    }

    pub(super) async fn drive(&mut self) -> Result<(), Error> {
        if !self.is_let_in().await? {
            return Ok(());
        }
        self.carry_out([Order::of(Command::TakeUp)].into()).await?;
        while !self.attempts.is_empty() {
            match self.next_order().await {
                Next::Orders(orders) => self.carry_out(orders).await?,
                Next::LookAgain => self.look_again().await?,
            }
        }
        if !self.is_lost && !self.run.status().is_finished() {
            self.engine.0.recent.keep(&self.run);
            self.wait_for_the_clock().await;
        }
        Ok(())
    }

    /// The run only waits now: remembers until when, where this process sees to it.
    async fn wait_for_the_clock(&mut self) {
        let parts = &self.engine.0;
        let at = self.run.wake_at();
        let kept = match self.wait {
            Some(kept) => Some(kept),
            // Nothing was committed last: it was woken too soon, as by a clock that was set back since; or somebody else has
            // written, and left the row as it was.
            None => {
                let kept = at.map(|at| parts.claims.waiting(at, parts.clock.now()));
                let from = self.handle.claimed_until();
                if parts.claims.timeout().is_some() && from != Timestamp::EPOCH {
                    let renewal = Renewal {
                        run: self.run.id(),
                        from,
                        to: kept.map(|kept| kept.due_at),
                    };
                    // Where it is not written, somebody claims the run when the claim has run out, and looks.
                    if !matches!(
                        parts.store.renew(vec![renewal]).await.as_deref(),
                        Ok([true])
                    ) {
                        return;
                    }
                }
                kept
            }
        };
        if let (Some(until), Some(at)) = (kept.and_then(|kept| kept.until), at) {
            self.handle.claim(until);
            let run = self.run.id();
            parts.schedule.add(Soon { at, run, until });
        }
    }

    async fn next_order(&mut self) -> Next {
        let clock = &self.engine.0.clock;
        let record_at = self
            .under_way
            .iter()
            .filter_map(|attempt| attempt.record_at)
            .min();
        let wake_at = self.run.wake_at();
        tokio::select! {
            // An attempt that is done is looked at first: most are done at once, and nothing else is even asked.
            biased;
            Some(returned) = self.attempts.next() => Next::Orders(self.gather(returned)),
            () = self.handle.happened() => Next::LookAgain,
            () = sleep_until(&**clock, wake_at) => Next::Orders([Order::of(Command::Wake)].into()),
            () = sleep_until(&**clock, record_at) => self.record_start(record_at),
        }
    }

    /// What came back, and whatever else is there by now: it is written together.
    fn gather(&mut self, returned: AttemptReturned) -> VecDeque<Order> {
        let mut orders = VecDeque::new();
        let mut next = Some(returned);
        while let Some(returned) = next {
            let is_it = |attempt: &UnderWay| attempt.step == returned.step;
            let mut of_it = self.under_way.iter().filter(|attempt| is_it(attempt));
            let may_be_held = of_it.any(|attempt| attempt.is_pure);
            self.under_way.retain(|attempt| !is_it(attempt));
            let command = Command::CompleteAttempt(Box::new(returned));
            orders.push_back(Order {
                command,
                may_be_held,
            });
            let has_room = orders.len() < Gathered::ORDERS_MAX;
            next = has_room
                .then(|| self.attempts.next().now_or_never().flatten())
                .flatten();
        }
        orders
    }

    /// The attempts that have been under way for so long by this time.
    fn record_start(&mut self, by: Option<Timestamp>) -> Next {
        let round = self.run.round();
        let is_due = |attempt: &&mut UnderWay| attempt.record_at.is_some_and(|at| Some(at) <= by);
        let due = self.under_way.iter_mut().filter(is_due);
        let orders = due.take(Gathered::ORDERS_MAX).map(|attempt| {
            attempt.record_at = None;
            Order::of(Command::RecordStart {
                step: attempt.step.clone(),
                attempt: attempt.attempt,
                round,
            })
        });
        Next::Orders(orders.collect())
    }

    /// Decides, commits, and begins what is to be done; again from the journal where somebody else was faster.
    async fn carry_out(&mut self, mut orders: VecDeque<Order>) -> Result<(), Error> {
        let mut needs_resync = false;
        let mut pause = STORE_PAUSE_FIRST;
        loop {
            let next_seq = self.run.next_seq();
            let now = self.engine.0.clock.now();
            let mut gathered = self.decide_on(&mut orders, now);
            if gathered.records.is_empty()
                && (self.held.is_empty() || self.engine.are_pure(&gathered.effects))
            {
                self.begin(gathered.effects);
                if orders.is_empty() {
                    if !std::mem::take(&mut needs_resync) {
                        return Ok(());
                    }
                    orders.push_back(Order::of(self.resync()));
                }
                continue;
            }
            // Until all of it is done, the row says that the run is in hand.
            let has_more = needs_resync || !orders.is_empty();
            let first_seq = self.held.first_seq(next_seq);
            let (mut all, held) = self.held.take();
            all.append(&mut gathered.records);
            let decision = Decision {
                records: all,
                effects: gathered.effects,
            };
            let (commit, wait) = self.prepare(first_seq, &decision, has_more, now);
            let (due_at, records) = (commit.due_at, commit.records.clone());
            let committed = self.engine.0.committer.commit(commit).await;
            let is_written = match committed {
                Ok(committed) if self.engine.take_in(&committed) => true,
                Ok(_) => {
                    metrics::counter!(telemetry::COMMIT_CONFLICTS).increment(1);
                    tracing::debug!(run.id = %self.run.id(), "somebody else has advanced the run; looking again");
                    self.reload(first_seq, &[]).await?
                }
                // Written or not: the journal will say.
                Err(error) => {
                    tracing::warn!(run.id = %self.run.id(), error = &error as &dyn std::error::Error, "the commit was not confirmed; looking again");
                    self.pause(&mut pause).await;
                    self.reload(first_seq, &records).await?
                }
            };
            if self.is_lost {
                return Ok(());
            }
            if is_written {
                self.wait = wait;
                self.written(&decision, due_at);
                self.begin(decision.effects);
            } else {
                // What was held and the commands again, since they may still hold; then whatever the journal's new end has set
                // free.
                for order in gathered.orders.into_iter().rev() {
                    orders.push_front(order);
                }
                held.into_iter()
                    .rev()
                    .for_each(|command| orders.push_front(Order::again(command)));
                needs_resync = true;
            }
        }
    }

    /// Decides on one order after the other, up to as many as are written at once. What may be held is held, and goes on.
    fn decide_on(&mut self, orders: &mut VecDeque<Order>, now: Timestamp) -> Gathered {
        let mut gathered = Gathered::default();
        while !gathered.is_full()
            && let Some(order) = orders.pop_front()
        {
            let next_seq = self.run.next_seq();
            let decided = decide(&self.graph, &mut self.run, order.command.clone(), now);
            match decided {
                Err(rejection) => self.note(&rejection),
                Ok(decision) if gathered.is_empty() && self.may_hold(&order, &decision, now) => {
                    self.held
                        .hold(next_seq, order.command, decision.records, now);
                    self.begin(decision.effects);
                }
                Ok(decision) => gathered.add(order, decision),
            }
        }
        gathered
    }

    /// Whether what was decided may be written later, with what follows: where nothing that acts has to do with it.
    fn may_hold(&self, order: &Order, decision: &Decision, now: Timestamp) -> bool {
        let options = &self.engine.0.options;
        // A start is recorded so that it is known should all else be lost.
        let is_start = |record: &Record| matches!(record.event, Event::StepStarted { .. });
        options.commit_elision
            && order.may_be_held
            && !self.run.status().is_finished()
            && !decision.records.is_empty()
            && !decision.records.iter().any(is_start)
            && !decision.effects.is_empty()
            && self.engine.are_pure(&decision.effects)
            && self
                .held
                .takes(&decision.records, now, options.record_start_after)
    }

    fn resync(&self) -> Command {
        let under_way = self.under_way.iter().map(|attempt| attempt.step.clone());
        Command::Resync {
            under_way: under_way.collect(),
        }
    }

    /// Somebody else has done something to the run.
    async fn look_again(&mut self) -> Result<(), Error> {
        if self.held.is_empty() {
            // What we have in mind is what is written: only what has come since has to be read.
            self.engine.0.recent.keep(&self.run);
        }
        let first_seq = self.held.first_seq(self.run.next_seq());
        self.reload(first_seq, &[]).await?;
        if self.is_lost {
            return Ok(());
        }
        let (_, held) = self.held.take();
        let orders = held.into_iter().map(Order::again);
        let resync = Order::of(self.resync());
        self.carry_out(orders.chain([resync]).collect()).await
    }

    /// Reads the journal again, from a place on where it may have gone on, and says whether the records that were to go
    /// there are there.
    async fn reload(&mut self, from: Seq, expected: &[String]) -> Result<bool, Error> {
        let mut pause = STORE_PAUSE_FIRST;
        let Loaded {
            run,
            first,
            journal,
        } = loop {
            match self.engine.load_with(self.run.id(), from).await {
                Ok(Some(loaded)) => break loaded,
                Ok(None) => return Err(Error::UnknownRun(self.run.id())),
                Err(Error::Store(error @ millwork_store::Error::Unavailable { .. })) => {
                    tracing::warn!(run.id = %self.run.id(), error = &error as &dyn std::error::Error, "could not read the journal; trying again");
                    self.pause(&mut pause).await;
                }
                Err(error) => return Err(error),
            }
        };
        let from = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut new = journal.get(from..).unwrap_or_default();
        let is_written = !expected.is_empty() && new.len() >= expected.len() && {
            let (mine, later) = new.split_at(expected.len());
            let is_mine = mine
                .iter()
                .zip(expected)
                .all(|(found, wrote)| found.text == *wrote);
            if is_mine {
                new = later;
            }
            is_mine
        };
        let drives_elsewhere = self.engine.0.claims.timeout().is_some()
            && !run.status().is_finished()
            && new.iter().any(|entry| !entry.event.comes_from_outside());
        if drives_elsewhere {
            tracing::info!(run.id = %self.run.id(), "another process has taken the run on; leaving it to that one");
            metrics::counter!(telemetry::RUNS_LOST).increment(1);
            self.is_lost = true;
            self.stop_attempts();
        }
        let goes_on = is_written && new.is_empty();
        if run.round() != self.run.round() {
            // It had ended and is done again: what is being made here is of the past.
            self.stop_attempts();
        }
        if !goes_on {
            self.run = run;
        }
        Ok(goes_on)
    }

    async fn pause(&mut self, pause: &mut Duration) {
        let clock = &self.engine.0.clock;
        clock.sleep_until(clock.now().after(*pause)).await;
        *pause = (*pause * 2).min(STORE_PAUSE_LONGEST);
    }

    /// The commit of what was decided, and how the run is kept where it only waits from then on.
    fn prepare(
        &self,
        first_seq: Seq,
        decision: &Decision,
        has_more: bool,
        now: Timestamp,
    ) -> (Commit, Option<Kept>) {
        let claims = &self.engine.0.claims;
        let begins_some = decision
            .effects
            .iter()
            .any(|effect| !matches!(effect, Effect::StopAttempts));
        let (due_at, wait) = if self.run.status().is_finished() {
            (self.engine.due_after_end(&self.run, now), None)
        } else if begins_some || has_more || !self.attempts.is_empty() {
            (Some(claims.in_hand(self.due_since, now)), None)
        } else {
            let kept = self.run.wake_at().map(|at| claims.waiting(at, now));
            (kept.map(|kept| kept.due_at), kept)
        };
        let commit = advance(&self.run, first_seq, &decision.records, due_at);
        (commit, wait)
    }

    /// Notes that what was decided is written.
    fn written(&self, decision: &Decision, due_at: Option<Timestamp>) {
        self.engine.note_written(&self.run, &decision.records);
        self.handle.claim(due_at.unwrap_or(Timestamp::EPOCH));
        if self.run.status().is_finished() {
            self.engine.announce_end(&self.run);
        }
    }

    fn note(&mut self, rejection: &Rejection) {
        match rejection {
            Rejection::Finished { .. } => self.stop_attempts(),
            // The others are said to those who ask from outside.
            Rejection::StaleAttempt { .. }
            | Rejection::TooManySignals { .. }
            | Rejection::Ending { .. }
            | Rejection::NotFinished { .. }
            | Rejection::NothingToRetry { .. }
            | Rejection::UnknownStep { .. } => {}
        }
        tracing::debug!(run.id = %self.run.id(), "a command came too late: {rejection}");
    }
}

/// Sleeps until a time; for ever where there is none.
async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
