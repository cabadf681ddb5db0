//! Results of pure steps that are not written yet: commit elision.
//!
//! A step is pure whose component imports nothing that acts on the world: making it again harms nothing. So the run may go on
//! to the next pure step before the result of this one is durable, and both are written together. What a crash takes is made
//! again. A step that acts finds everything before it written, and so do the end of a run and whatever makes it wait.

use std::time::Duration;

use millwork_core::command::Command;
use millwork_core::event::{Event, Record, Seq};
use millwork_core::time::Timestamp;

/// Records that are held back at most: what a crash may take of one run.
pub(in crate::engine) const RECORDS_MAX: usize = 64;

/// Bytes of output that are held back at most.
pub(in crate::engine) const OUTPUT_MAX_BYTES: usize = 256 << 10;

/// What was decided and is not written yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Where the first record goes in the journal.
    first_seq: Seq,
    since: Option<Timestamp>,
    output_bytes: usize,
    records: Vec<Record>,
    /// What the records were decided for: where the journal turns out to have gone on without them, it is decided again.
    commands: Vec<Command>,
}

impl Held {
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Where the first record that is not written goes.
    pub(super) fn first_seq(&self, next: Seq) -> Seq {
        if self.is_empty() {
            next
        } else {
            self.first_seq
        }
    }

    /// Whether there is room and time for more.
    pub(super) fn takes(&self, records: &[Record], now: Timestamp, at_most: Duration) -> bool {
        let is_fresh = self.since.is_none_or(|since| now < since.after(at_most));
        is_fresh
            && self.records.len() + records.len() <= RECORDS_MAX
            && self.output_bytes + output_bytes(records) <= OUTPUT_MAX_BYTES
    }

    /// Holds a decision back.
    pub(super) fn hold(
        &mut self,
        first_seq: Seq,
        command: Command,
        records: Vec<Record>,
        now: Timestamp,
    ) {
        if self.is_empty() {
            self.first_seq = first_seq;
            self.since = Some(now);
        }
        self.output_bytes += output_bytes(&records);
        self.records.extend(records);
        self.commands.push(command);
    }

    /// Lets go of everything: the records, to be written, and the commands, should they not be.
    pub(super) fn take(&mut self) -> (Vec<Record>, Vec<Command>) {
        let held = std::mem::take(self);
        (held.records, held.commands)
    }
}

/// How much output is in these.
pub(in crate::engine) fn output_bytes(records: &[Record]) -> usize {
    let of = |record: &Record| match &record.event {
        Event::StepSucceeded { output, .. } => output.text().len(),
        _ => 0,
    };
    records.iter().map(of).sum()
}
