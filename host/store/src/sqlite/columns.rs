//! How the words of the port lie in columns: identifiers and digests as bytes, times as microseconds, statuses as words.

use std::error::Error;
use std::str::FromStr;

use millwork_core::digest::Digest;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Result, Row};

use crate::Labels;

pub(super) fn run_id(row: &Row<'_>, column: usize) -> Result<RunId> {
    row.get(column).map(RunId::from_bytes)
}

pub(super) fn workflow_id(row: &Row<'_>, column: usize) -> Result<WorkflowId> {
    row.get(column).map(WorkflowId::from_bytes)
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Digest> {
    row.get(column).map(Digest::from_bytes)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)
        .map(|micros| micros.map(Timestamp::from_micros))
}

pub(super) fn status(row: &Row<'_>, column: usize) -> Result<RunStatus> {
    word(row, column)
}

/// A word, or words, that mean something.
pub(super) fn word<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let word = row.get_ref(column)?.as_str()?;
    word.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// A number that grows.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Labels, as a JSON object.
pub(super) fn labels(row: &Row<'_>, column: usize) -> Result<Labels> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// What [`labels`] reads.
pub(super) fn labels_text(labels: &Labels) -> String {
    serde_json::to_string(labels).expect("texts by names can be written as JSON")
}

/// A bound on how many rows to read.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
