//! Executes a work item: makes sure that this process sees to the run, reads it where there is something to read, and drives
//! it until it ends or only waits.

use std::sync::Arc;
use std::time::Duration;

use millwork_bus::{Begun, Known, WorkItem};
use millwork_core::run::Run;
use millwork_core::time::Timestamp;

use super::driver::Driver;
use super::journal::Loaded;
use super::registry::Handle;
use super::schedule::Soon;
use super::{Engine, Error, shared};

/// How long a run is left alone whose journal or definition the store did not give.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a run is left alone whose journal or definition cannot be understood: until somebody has mended it, or
/// started the host that wrote it.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(300);

impl Engine {
    /// Executes a work item: takes its run up and drives it until it ends or only waits.
    pub async fn execute(&self, mut item: WorkItem) {
        let run = item.run;
        while let Some(held) = self.0.registry.enter(run) {
            if let Err(error) = self.drive(item, held.handle()).await {
                tracing::error!(run.id = %run, error = &error as &dyn std::error::Error, "could not execute the run; trying again");
                let pause = match error {
                    Error::Store(millwork_store::Error::Unavailable { .. }) | Error::Commit(_) => {
                        RETRY_PAUSE
                    }
                    _ => UNREADABLE_PAUSE,
                };
                // Where others share the store, one of them takes it on when the claim has run out.
                if self.0.claims.timeout().is_none() {
                    self.0.schedule.add_beyond_horizon(Soon {
                        at: self.0.clock.now().after(pause),
                        run,
                        until: Timestamp::MAX,
                    });
                }
                return;
            }
            // Somebody may have knocked between the driver's last look and its leaving.
            let Some(until) = held.leave() else {
                return;
            };
            item = WorkItem {
                run,
                known: Known::Claimed { until },
            };
        }
    }

    async fn drive(&self, item: WorkItem, handle: &Handle) -> Result<(), Error> {
        let parts = &self.0;
        let Some(taken) = self.take_on(item, handle).await? else {
            return Ok(());
        };
        if taken.run.status().is_finished() {
            // Whoever ended it may not have lived to tell.
            self.tell_end(&taken.run);
            return Ok(());
        }
        let compiled = parts
            .definitions
            .find(taken.run.created().workflow, taken.run.version())
            .await?;
        Driver::new(self, handle, Arc::clone(&compiled.graph), taken)
            .drive()
            .await
    }

    /// Makes sure that this process sees to the run, and reads it where there is something to read.
    async fn take_on(&self, item: WorkItem, handle: &Handle) -> Result<Option<Taken>, Error> {
        let parts = &self.0;
        let now = parts.clock.now();
        let claimed_until = match &item.known {
            Known::Begun(Begun { at, .. }) => parts.claims.in_hand(*at, *at),
            Known::Claimed { until } => *until,
            Known::Offered { .. } | Known::Hinted => Timestamp::EPOCH,
        };
        let holds = parts.claims.holds(claimed_until, now);
        let claimed_until = match parts.claims.timeout() {
            Some(timeout) if !holds => {
                let offered = match item.known {
                    Known::Offered { began } => {
                        shared::accept(self, item.run, began, timeout).await?
                    }
                    Known::Begun(_) | Known::Claimed { .. } | Known::Hinted => None,
                };
                let claimed = match offered {
                    Some(until) => Some(until),
                    None => shared::claim_one(self, item.run, timeout).await?,
                };
                match claimed {
                    Some(until) => until,
                    // Somebody else sees to it, or it has nothing to do.
                    None => return Ok(None),
                }
            }
            Some(_) | None => claimed_until,
        };
        handle.claim(claimed_until);
        if let (Known::Begun(Begun { created, at }), true) = (item.known, holds) {
            return Ok(Some(Taken {
                run: Run::new(item.run, created, at),
                due_since: at,
            }));
        }
        let Some(Loaded { run, .. }) = self.load(item.run).await? else {
            return Ok(None);
        };
        let due_since = run.wake_at().unwrap_or(now);
        Ok(Some(Taken { run, due_since }))
    }
}

/// A run that this process sees to.
pub(super) struct Taken {
    pub(super) run: Run,
    /// Since when it has something to do.
    pub(super) due_since: Timestamp,
}
