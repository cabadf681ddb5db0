//! Values as PostgreSQL keeps them.

use std::error::Error;
use std::str::FromStr;

use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::text;
use crate::Labels;

pub(super) fn uuid(run: RunId) -> Uuid {
    Uuid::from_bytes(*run.as_bytes())
}

pub(super) fn workflow_uuid(workflow: WorkflowId) -> Uuid {
    Uuid::from_bytes(*workflow.as_bytes())
}

pub(super) fn run_id(row: &PgRow, index: usize) -> sqlx::Result<RunId> {
    Ok(RunId::from_bytes(
        row.try_get::<Uuid, _>(index)?.into_bytes(),
    ))
}

pub(super) fn workflow_id(row: &PgRow, index: usize) -> sqlx::Result<WorkflowId> {
    Ok(WorkflowId::from_bytes(
        row.try_get::<Uuid, _>(index)?.into_bytes(),
    ))
}

/// To the microsecond, which both have.
pub(super) fn to_time(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_micros()) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

pub(super) fn from_time(time: OffsetDateTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
}

pub(super) fn time(row: &PgRow, index: usize) -> sqlx::Result<Timestamp> {
    Ok(from_time(row.try_get(index)?))
}

pub(super) fn optional_time(row: &PgRow, index: usize) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<_>, _>(index)?.map(from_time))
}

pub(super) fn text(row: &PgRow, index: usize) -> sqlx::Result<String> {
    Ok(text::decode(row.try_get(index)?))
}

pub(super) fn optional_text(row: &PgRow, index: usize) -> sqlx::Result<Option<String>> {
    Ok(row.try_get::<Option<_>, _>(index)?.map(text::decode))
}

pub(super) fn status(row: &PgRow, index: usize) -> sqlx::Result<RunStatus> {
    word(row, index)
}

/// A word, or words, that mean something.
pub(super) fn word<T>(row: &PgRow, index: usize) -> sqlx::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let word: &str = row.try_get(index)?;
    word.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn digest(row: &PgRow, index: usize) -> sqlx::Result<Digest> {
    let bytes: &[u8] = row.try_get(index)?;
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Digest::from_bytes(bytes))
}

/// A number that grows.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The version of a workflow.
pub(super) fn version(row: &PgRow, index: usize) -> sqlx::Result<u32> {
    let version: i64 = row.try_get(index)?;
    u32::try_from(version).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A place in a journal.
pub(super) fn seq(row: &PgRow, index: usize) -> sqlx::Result<Seq> {
    let seq: i64 = row.try_get(index)?;
    Seq::try_from(seq).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Labels, as a JSON object.
pub(super) fn labels(row: &PgRow, index: usize) -> sqlx::Result<Labels> {
    let text: &str = row.try_get(index)?;
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// What [`labels`] reads. JSON writes U+0000 as six plain characters, so nothing has to be encoded.
pub(super) fn labels_text(labels: &Labels) -> String {
    serde_json::to_string(labels).expect("texts by names can be written as JSON")
}

/// A number of rows, as `LIMIT` takes it.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
