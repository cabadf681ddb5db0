//! A run's journal, read stretch by stretch as it grows.
//!
//! The journal is in the store, so a run can be followed from any process. What is written here is told at once; what others
//! write is told by a notice that may be lost, so a process that shares the store looks by itself too, less often the longer
//! nothing has happened.

use std::time::Duration;

use millwork_core::event::{Record, Seq};
use millwork_core::id::RunId;
use millwork_core::run::RunStatus;

use super::{Engine, Error};

/// Events of one stretch.
const STRETCH: usize = 100;

/// The first wait between two looks at a store that others write to; each further one is twice as long, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(250);
const LOOK_LONGEST: Duration = Duration::from_secs(2);

/// Some of what happened to a run.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Where the run stood when this was read.
    pub status: RunStatus,
    /// Records of its journal with their places, oldest first.
    pub records: Vec<(Seq, Record)>,
    /// Whether there were more behind them.
    pub has_more: bool,
}

impl Engine {
    /// Reads a stretch of a run's journal, from a place on: at most `limit` records, and fewer where they are large.
    ///
    /// # Errors
    /// Where there is no such run; or the store.
    pub async fn read_events(&self, id: RunId, from: Seq, limit: usize) -> Result<Happened, Error> {
        let stretch = self.0.store.read_journal(id, from, limit).await?;
        let stretch = stretch.ok_or(Error::UnknownRun(id))?;
        let records = (from..).zip(&stretch.records).map(|(seq, text)| {
            let record = Record::decode(text).map_err(|error| Error::Journal {
                run: id,
                detail: error.to_string(),
            });
            Ok((seq, record?))
        });
        Ok(Happened {
            status: stretch.status,
            records: records.collect::<Result<_, Error>>()?,
            has_more: stretch.has_more,
        })
    }

    /// Follows a run's journal from a place on.
    #[must_use]
    pub fn follow(&self, run: RunId, from: Seq) -> Follower {
        Follower {
            engine: self.clone(),
            run,
            next: from,
            pause: LOOK_FIRST,
        }
    }
}

/// Somebody who follows a run.
pub struct Follower {
    engine: Engine,
    run: RunId,
    next: Seq,
    pause: Duration,
}

impl Follower {
    /// What happened next, once something has. After the end of the run there are no records: only how it ended.
    ///
    /// # Errors
    /// Where there is no such run (any more); or the store.
    pub async fn next(&mut self) -> Result<Happened, Error> {
        let parts = &self.engine.0;
        loop {
            // Interest is registered before the look, so that nothing in between is slept through.
            let watcher = parts.watchers.join(self.run);
            let notified = watcher.happened().notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let happened = self
                .engine
                .read_events(self.run, self.next, STRETCH)
                .await?;
            if let Some((seq, _)) = happened.records.last() {
                self.next = seq + 1;
                self.pause = LOOK_FIRST;
                return Ok(happened);
            }
            if happened.status.is_finished() {
                return Ok(happened);
            }
            if parts.claims.timeout().is_none() {
                notified.await;
                continue;
            }
            let look_at = parts.clock.now().after(self.pause);
            tokio::select! {
                () = notified => {}
                () = parts.clock.sleep_until(look_at) => {
                    self.pause = (self.pause * 2).min(LOOK_LONGEST);
                }
            }
        }
    }
}
