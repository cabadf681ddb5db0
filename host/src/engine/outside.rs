//! What others do to a run that is under way: end it, or send it a signal.
//!
//! They write an event and tell whoever drives the run. They carry nothing out themselves: a run has one driver.

use millwork_bus::{Known, Notice, WorkItem};
use millwork_core::command::{Command, Signal};
use millwork_core::decide::{Decision, Rejection, decide, only_waits};
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_store::Commit;

use super::{Engine, Error, RunView, advance};
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
    /// Ends a run. Attempts that are being made are interrupted.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended; or the store.
    pub async fn cancel_run(&self, id: RunId, reason: Option<String>) -> Result<RunView, Error> {
        let command = Command::Cancel { reason };
        loop {
            let mut view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            let now = self.0.clock.now();
            let Some((first_seq, decision)) = decide_outside(&mut view, &command, now)? else {
                continue;
            };
            let due_at = self.0.claims.ended(now);
            let commit = advance(&view.run, first_seq, &decision.records, due_at);
            let committed = self.0.committer.commit(commit).await?;
            if self.take_in(&committed) {
                self.announce_end(&view.run);
                self.0.registry.knock(id);
                self.0.bus.notify(Notice::Changed(id));
                return Ok(view);
            }
            // The run has gone on meanwhile: look again.
        }
    }

    /// Sends a run a signal, and answers once it is durable. It is handed to the step that waits for it, or waits for a step
    /// that asks. A second signal with the same key changes nothing.
    ///
    /// # Errors
    /// Where there is no such run, it has ended, or has been sent as many as it takes; or the store.
    pub async fn signal_run(&self, id: RunId, signal: Signal) -> Result<(), Error> {
        let command = Command::Signal(signal);
        loop {
            let mut view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            let now = self.0.clock.now();
            let driver = self.driver(&view, now);
            let Some((first_seq, decision)) = decide_outside(&mut view, &command, now)? else {
                continue;
            };
            if decision.records.is_empty() {
                return Ok(());
            }
            let commit = Commit {
                // One that a limit keeps waiting is due when its turn comes, whatever it is told meanwhile.
                keeps_due: driver == Driver::Near || view.run.awaits_admission(),
                ..advance(&view.run, first_seq, &decision.records, Some(now))
            };
            let committed = self.0.committer.commit(commit).await?;
            if self.take_in(&committed) {
                if !view.run.awaits_admission() {
                    self.tell_driver(&view.run, driver);
                }
                return Ok(());
            }
        }
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

/// Decides what a command from outside makes of a run, and where its records go. Nothing where the run has gone on meanwhile.
fn decide_outside(
    view: &mut RunView,
    command: &Command,
    now: Timestamp,
) -> Result<Option<(u32, Decision)>, Error> {
    let first_seq = view.run.next_seq();
    match decide(&view.graph, &mut view.run, command.clone(), now) {
        Ok(decision) => Ok(Some((first_seq, decision))),
        Err(Rejection::Finished { run, status }) => Err(Error::Finished { run, status }),
        Err(rejection @ Rejection::TooManySignals { run }) => Err(Error::TooManySignals {
            run,
            message: rejection.to_string(),
        }),
        // Only attempts can be stale.
        Err(Rejection::StaleAttempt { .. }) => Ok(None),
    }
}
