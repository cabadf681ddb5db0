//! What others do to a run: they send it a signal, hold it, end it, or have it done again.
//!
//! They write an event and tell whoever drives the run. They carry nothing out themselves: a run has one driver.

use millwork_bus::{Known, Notice, WorkItem};
use millwork_core::command::{Command, Signal};
use millwork_core::decide::{Decision, decide, only_waits};
use millwork_core::event::{Record, Seq};
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_store::limits::Outcome;
use millwork_store::{Commit, Committed, Due};

use super::journal::advance;
use super::limits::{Asks, cancel_for_lack_of_room, entering, refusal};
use super::{Engine, Error, RunView};
use crate::telemetry;

/// Who has to be told of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    /// Somebody drives the run, or will within a claim's length: what its row says of that stays.
    Near,
    /// Nobody looks at the run before a time that is far away, if ever.
    Far,
}

impl Engine {
    /// Sends a run a signal, and answers once it is durable. It is handed to the step that waits for it, or waits for a step
    /// that asks. A second signal with the same key changes nothing.
    ///
    /// # Errors
    /// Where there is no such run, it has ended, or has been sent as many as it takes; or the store.
    pub async fn signal_run(&self, id: RunId, signal: Signal) -> Result<(), Error> {
        self.ask(id, &Command::Signal(signal)).await.map(|_| ())
    }

    /// Asks something of a run, and answers once it is durable.
    pub(super) async fn ask(&self, id: RunId, command: &Command) -> Result<RunView, Error> {
        loop {
            let view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            if let Some(view) = self.write_outside(view, command).await? {
                return Ok(view);
            }
        }
    }

    /// Writes down what a command makes of a run, and tells whoever drives it. Nothing where the run has gone on meanwhile:
    /// look again.
    pub(super) async fn write_outside(
        &self,
        mut view: RunView,
        command: &Command,
    ) -> Result<Option<RunView>, Error> {
        let parts = &self.0;
        let now = parts.clock.now();
        let driver = self.driver(&view, now);
        let was_held = view.run.paused_at().is_some();
        let waited = view.run.awaits_admission();
        let first_seq = view.run.next_seq();
        let decision =
            decide(&view.graph, &mut view.run, command.clone(), now).map_err(Error::Rejected)?;
        if decision.records.is_empty() {
            return Ok(Some(view));
        }
        let run = &view.run;
        let (is_held, has_ended) = (run.paused_at().is_some(), run.status().is_finished());
        if run.awaits_admission() && !waited {
            return self.write_newly_bound(view, first_seq, decision).await;
        }
        let commit = if has_ended {
            advance(
                run,
                first_seq,
                &decision.records,
                self.due_after_end(run, now),
            )
        } else {
            // Nobody need look at a run that is held. Of one that was, only its row knows whether somebody has it in hand; and
            // one that a limit keeps waiting is due when its turn comes, whatever it is told meanwhile.
            let due_at = (!is_held).then_some(now);
            Commit {
                keeps_due: driver == Driver::Near || was_held || waited,
                ..advance(run, first_seq, &decision.records, due_at)
            }
        };
        let committed = parts.committer.commit(commit).await?;
        if !self.take_in(&committed) {
            return Ok(None);
        }
        self.note_written(run, &decision.records);
        if has_ended {
            self.announce_end(run);
        }
        if has_ended || is_held {
            parts.registry.knock(run.id());
            parts.bus.notify(Notice::Changed(run.id()));
        } else if !waited {
            if was_held && parts.claims.timeout().is_some() {
                self.tell_driver(run, Driver::Near);
            }
            self.tell_driver(run, driver);
        }
        Ok(Some(view))
    }

    /// Writes that a run is done again which limits bind: it has to be let in once more.
    async fn write_newly_bound(
        &self,
        view: RunView,
        first_seq: Seq,
        mut decision: Decision,
    ) -> Result<Option<RunView>, Error> {
        let parts = &self.0;
        let now = parts.clock.now();
        let RunView { run, graph, .. } = &view;
        let Some(bounds) = run.created().bounds.as_ref() else {
            return Ok(None);
        };
        let waiting: Vec<String> = decision.records.iter().map(Record::encode).collect();
        let asked = self.ask_to_enter(run, bounds, graph, Asks::First, (waiting, now));
        let mut let_in = run.clone();
        // It waits, so it can be let in.
        let admitted = decide(graph, &mut let_in, Command::Admit, now).map_err(Error::Rejected)?;
        decision.records.extend(admitted.records);
        let commit = Commit {
            passage: entering(asked),
            ..advance(&let_in, first_seq, &decision.records, Some(now))
        };
        let passed = match parts.committer.commit(commit).await? {
            Committed::Passed(passed) => passed,
            Committed::Full(full) => {
                metrics::counter!(telemetry::RUNS_REFUSED).increment(1);
                return Err(refusal(&full, parts.options.limit_queue_max));
            }
            Committed::Written
            | Committed::Conflict
            | Committed::Outdated
            | Committed::Replayed { .. } => {
                return Ok(None);
            }
        };
        self.wake(&passed.woken);
        let run = run.id();
        match passed.outcome {
            Outcome::In | Outcome::Out => self.tell_driver(&let_in, Driver::Far),
            Outcome::Waits { due_at } => {
                let due = due_at.map(|at| Due { at, run });
                self.wake(due.as_slice());
            }
            Outcome::Instead => {
                let mut cancelled = view.run.clone();
                cancel_for_lack_of_room(&mut cancelled, graph, now);
                self.announce_end(&cancelled);
            }
        }
        self.find_run(run).await
    }

    /// Whether somebody looks at the run soon anyway. Who has a run in hand, or keeps it in memory until its timer rings, has
    /// written a claim into its row: it must stay, or two would see to one run.
    fn driver(&self, view: &RunView, now: Timestamp) -> Driver {
        let Some(timeout) = self.0.claims.timeout() else {
            // Nobody else is there: the registry knows who drives what.
            return Driver::Far;
        };
        let is_soon = view
            .run
            .wake_at()
            .is_some_and(|at| at <= now.after(timeout));
        match !only_waits(&view.graph, &view.run) || is_soon {
            true => Driver::Near,
            false => Driver::Far,
        }
    }

    fn tell_driver(&self, run: &Run, driver: Driver) {
        let parts = &self.0;
        let item = WorkItem {
            run: run.id(),
            known: Known::Hinted,
        };
        if parts.claims.timeout().is_none() {
            self.hand_on(item);
            return;
        }
        match driver {
            // A word that is lost costs a wait, until the run's timer or its claim.
            Driver::Near => {
                self.look_again(run.id());
                parts.bus.notify(Notice::Changed(run.id()));
            }
            // A hint that is lost costs a moment: the run is due, and somebody claims what is due.
            Driver::Far => {
                if parts.bus.publish(item).is_err() {
                    metrics::counter!(telemetry::HINTS_UNPUBLISHED).increment(1);
                }
            }
        }
    }

    /// Has this process look again at a run that it sees to, whether it drives it or keeps it until its timer rings.
    pub(super) fn look_again(&self, run: RunId) {
        let parts = &self.0;
        if parts.registry.holds(run) {
            parts.registry.knock(run);
        } else if let Some(soon) = parts.schedule.take(run) {
            let item = WorkItem {
                run,
                known: Known::Claimed { until: soon.until },
            };
            if !self.hand_on(item) {
                parts.schedule.add_beyond_horizon(soon);
            }
        }
    }
}
