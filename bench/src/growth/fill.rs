//! Fills a store with copies of a run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use millwork_core::id::RunId;
use millwork_core::run::Summary;
use millwork_core::time::Timestamp;
use millwork_store::sqlite::Options;
use millwork_store::{
    Commit, Committed, Labels, NewRun, Order, RunQuery, RunRow, Sqlite, Store as _,
};

/// Runs in one transaction.
const BATCH: u64 = 2_000;

/// How long before the copied run the first copy was created.
const AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How much later each is than the one before: four in a millisecond, so that ten million are older than the run they copy.
const APART_MICROS: u64 = 250;

/// A store that is filled while nobody else has it open.
pub(super) struct Filler {
    data: PathBuf,
    /// The row of the run that is copied, and its journal.
    row: RunRow,
    records: Vec<String>,
    /// What the database's files took before.
    bytes_at_first: u64,
    written: u64,
    chance: fastrand::Rng,
    /// A copy out of the middle.
    middle: RunId,
}

impl Filler {
    /// Reads the run that is to be copied. The server must be down.
    pub(super) async fn new(data: PathBuf, pattern: &str) -> Result<Self> {
        let run: RunId = pattern.parse()?;
        let store = open(data.clone()).await?;
        let query = RunQuery {
            workflow: None,
            statuses: Vec::new(),
            labels: Vec::new(),
            created_from: None,
            created_before: None,
            after: None,
            order: Order::NewestFirst,
            limit: 1,
        };
        let row = store.list_runs(query).await?.into_iter().next();
        let row = row.filter(|row| row.run == run && row.summary.status.is_finished());
        let row =
            row.context("the run that is to be copied is not in the store, or has not ended")?;
        let records = store.load_journal(run, 0).await?;
        ensure!(
            !records.iter().any(|record| record.contains(pattern)),
            "the journal of a run names the run itself now, so copies would be wrong: tell growth/fill.rs"
        );
        tokio::task::spawn_blocking(move || drop(store)).await?;
        Ok(Self {
            bytes_at_first: super::file_bytes(&data)?,
            data,
            row,
            records,
            written: 0,
            chance: fastrand::Rng::with_seed(7),
            middle: run,
        })
    }

    /// What the database's files took with one run in them.
    pub(super) const fn bytes_at_first(&self) -> u64 {
        self.bytes_at_first
    }

    /// Copies that are there.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// A run out of the middle of what is there.
    pub(super) const fn middle(&self) -> RunId {
        self.middle
    }

    /// When that was created.
    pub(super) fn middle_time(&self) -> String {
        self.at(self.written / 2).to_string()
    }

    /// Writes copies until there are so many. The server must be down.
    pub(super) async fn fill(&mut self, size: u64) -> Result<()> {
        let store = open(self.data.clone()).await?;
        while self.written < size {
            let until = size.min(self.written + BATCH);
            let copies = (self.written..until).map(|number| self.copy(number, size));
            let copies: Vec<Commit> = copies.collect();
            let answers = store.commit(copies).await?;
            if let Some(answer) = answers.iter().find(|answer| **answer != Committed::Written) {
                bail!("the store did not take a copy: {answer:?}");
            }
            self.written = until;
        }
        // Closing empties the log into the file.
        tokio::task::spawn_blocking(move || drop(store)).await?;
        Ok(())
    }

    fn at(&self, number: u64) -> Timestamp {
        let offset = i64::try_from(number * APART_MICROS).unwrap_or(i64::MAX);
        let age = i64::try_from(AGE.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.row.created_at.as_micros() - age + offset)
    }

    fn copy(&mut self, number: u64, size: u64) -> Commit {
        let at = self.at(number);
        let mut random = [0; 10];
        self.chance.fill(&mut random);
        let run = RunId::from_parts(at, random);
        if number == size / 2 {
            self.middle = run;
        }
        let moved = |time: Option<Timestamp>| {
            let apart = |time: Timestamp| time.as_micros() - self.row.created_at.as_micros();
            time.map(|time| Timestamp::from_micros(at.as_micros() + apart(time)))
        };
        Commit {
            run,
            first_seq: 0,
            records: self.records.clone(),
            summary: Summary {
                status: self.row.summary.status,
                started_at: moved(self.row.summary.started_at),
                completed_at: moved(self.row.summary.completed_at),
                error: None,
            },
            due_at: None,
            keeps_due: false,
            new: Some(NewRun {
                workflow: self.row.workflow,
                version: self.row.version,
                is_newest: false,
                created_at: at,
                idempotency: None,
                labels: Labels::new(),
            }),
            passage: None,
        }
    }
}

async fn open(data: PathBuf) -> Result<Sqlite> {
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(&data, Options::default()));
    opened.await?.context("could not open the server's store")
}
