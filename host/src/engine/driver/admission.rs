//! Has a run let in that limits bind, before anything of it begins.

use millwork_core::command::Command;
use millwork_core::decide::decide;
use millwork_core::time::Timestamp;
use millwork_store::limits::Outcome;
use millwork_store::{Commit, Committed, Due};

use super::{Driver, STORE_PAUSE_FIRST};
use crate::engine::Error;
use crate::engine::journal::advance;
use crate::engine::limits::{Asks, cancel_for_lack_of_room, entering};
use crate::telemetry;

impl Driver<'_> {
    /// Has a run let in that limits bind, before anything of it begins. It may have to wait: then its row says until when.
    pub(super) async fn is_let_in(&mut self) -> Result<bool, Error> {
        let mut pause = STORE_PAUSE_FIRST;
        while self.run.awaits_admission() && !self.run.status().is_finished() {
            let Some(bounds) = self.run.created().bounds.clone() else {
                break;
            };
            let claims = &self.engine.0.claims;
            let (first_seq, now) = (self.run.next_seq(), self.engine.0.clock.now());
            let before = self.run.clone();
            let asked = self.engine.ask_to_enter(
                &before,
                &bounds,
                &self.graph,
                Asks::Again,
                (Vec::new(), now),
            );
            let Ok(decision) = decide(&self.graph, &mut self.run, Command::Admit, now) else {
                break;
            };
            let in_hand = claims.in_hand(self.due_since, now);
            let commit = Commit {
                passage: entering(asked),
                ..advance(&self.run, first_seq, &decision.records, Some(in_hand))
            };
            let records = commit.records.clone();
            match self.engine.0.committer.commit(commit).await {
                Ok(Committed::Passed(passed)) => {
                    self.engine.wake(&passed.woken);
                    match passed.outcome {
                        Outcome::In | Outcome::Out => {
                            self.handle.claim(in_hand);
                            return Ok(true);
                        }
                        Outcome::Waits { due_at } => {
                            self.run = before;
                            self.wait_for_turn(due_at).await?;
                        }
                        Outcome::Instead => {
                            self.run = before;
                            cancel_for_lack_of_room(&mut self.run, &self.graph, now);
                            self.engine.announce_end(&self.run);
                        }
                    }
                    return Ok(false);
                }
                Ok(_) => {
                    metrics::counter!(telemetry::COMMIT_CONFLICTS).increment(1);
                    self.reload(first_seq, &[]).await?;
                }
                // Let in or not: the journal will say.
                Err(error) => {
                    tracing::warn!(run.id = %self.run.id(), error = &error as &dyn std::error::Error, "the commit was not confirmed; looking again");
                    self.pause(&mut pause).await;
                    self.reload(first_seq, &records).await?;
                }
            }
            if self.is_lost {
                return Ok(false);
            }
        }
        Ok(!self.run.status().is_finished())
    }

    /// The run has to wait. Where it takes the place of others, it sees to it that they end.
    async fn wait_for_turn(&mut self, due_at: Option<Timestamp>) -> Result<(), Error> {
        self.handle.claim(due_at.unwrap_or(Timestamp::EPOCH));
        if let Some(at) = due_at {
            let run = self.run.id();
            self.engine.wake(&[Due { at, run }]);
        }
        self.engine.outdo_others(&self.run).await
    }
}
