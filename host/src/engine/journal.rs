//! The journal of a run, as it is read and as it is written on.

use millwork_core::event::{Event, Record, Seq};
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_store::Commit;

use super::{Engine, Error, limits};

impl Engine {
    /// Reads a run.
    pub(super) async fn load(&self, id: RunId) -> Result<Option<Loaded>, Error> {
        self.load_with(id, Seq::MAX).await
    }

    /// Reads a run, and of its journal at least what stands from a place on.
    pub(super) async fn load_with(&self, id: RunId, from: Seq) -> Result<Option<Loaded>, Error> {
        let unreadable = |detail: String| Error::Journal { run: id, detail };
        let known = self.0.recent.find(id, from);
        // The last that is known is read again: that it is there says that the run is.
        let first = known.as_ref().map_or(0, |run| run.next_seq() - 1);
        let texts = self.0.store.load_journal(id, first).await?;
        if texts.is_empty() {
            return Ok(None);
        }
        let records: Vec<Record> = texts
            .iter()
            .map(|text| Record::decode(text))
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(error.to_string()))?;
        let run = match known {
            None => Run::fold(id, &records).map_err(|error| unreadable(error.to_string()))?,
            Some(mut run) => {
                records[1..].iter().for_each(|record| run.apply(record));
                run
            }
        };
        self.0.recent.keep(&run);
        let entries = texts.into_iter().zip(records);
        let journal = entries.map(|(text, record)| Entry {
            text,
            event: record.event,
        });
        Ok(Some(Loaded {
            run,
            first,
            journal: journal.collect(),
        }))
    }
}

/// A run, and the end of the journal that it was read from.
pub(super) struct Loaded {
    pub(super) run: Run,
    /// Where that end begins.
    pub(super) first: Seq,
    pub(super) journal: Vec<Entry>,
}

/// A record of a journal.
pub(super) struct Entry {
    /// As it is written.
    pub(super) text: String,
    /// What it says.
    pub(super) event: Event,
}

/// The commit that advances a run by some records. One that ends it gives back what it held.
pub(super) fn advance(
    run: &Run,
    first_seq: Seq,
    records: &[Record],
    due_at: Option<Timestamp>,
) -> Commit {
    Commit {
        run: run.id(),
        first_seq,
        records: records.iter().map(Record::encode).collect(),
        summary: run.summary(),
        due_at,
        keeps_due: false,
        passage: limits::leaving(run, records.last().map_or(Timestamp::EPOCH, |last| last.at)),
        new: None,
    }
}
