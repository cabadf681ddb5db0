//! How items, announcements and notices are written on Kafka. What stands here once is read for ever: the tests freeze it.

use std::fmt;

use millwork_core::event::{Event, Record};
use millwork_core::id::RunId;
use millwork_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Begun, Ended, Known, Notice, WorkItem};

/// The format that is written.
const FORMAT: u32 = 1;

/// Nothing longer is written or read: brokers and clients refuse a million bytes unless they are told otherwise, and a dead
/// letter has to fit with what is noted on it.
pub(super) const MESSAGE_MAX_BYTES: usize = 900_000;

/// Why a message is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum Garbage {
    #[error("it is {bytes} bytes long, and {MESSAGE_MAX_BYTES} is the limit")]
    TooLong { bytes: usize },
    #[error("it is empty")]
    Empty,
    #[error("it is of format {0}, and this host reads {FORMAT}: a later one wrote it")]
    Newer(u32),
    #[error("it is no work item: {0}")]
    Unreadable(serde_json::Error),
    #[error("its key {key:?} is not its run {run}")]
    WrongKey { key: String, run: RunId },
    #[error("what it says of the beginning of its run cannot be read: {0}")]
    Record(String),
}

/// Writes borrow, reads own: one shape.
#[derive(Serialize, Deserialize)]
struct Item<'a> {
    v: u32,
    run_id: RunId,
    /// The journal's own text, as it is: it is neither escaped nor parsed twice.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    created: Option<&'a RawValue>,
    /// When the run began, in microseconds since 1970, where how it began would be too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_us: Option<i64>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The key of a run's messages: its text, since people read topics with tools that show keys, and the twenty bytes that the
/// binary form would save are nothing beside the rest of a message.
pub(super) fn key(run: RunId) -> String {
    run.to_string()
}

/// Writes an item. How its run began goes along if it is short enough.
pub(super) fn encode(item: &WorkItem, record_max_bytes: usize) -> String {
    if let Known::Begun(Begun { created, at }) = &item.known {
        let record = Record {
            at: *at,
            event: Event::RunCreated(created.clone()),
        };
        let text = record.encode();
        if text.len() <= record_max_bytes
            && text.len() < MESSAGE_MAX_BYTES - 100
            && let Ok(raw) = RawValue::from_string(text)
        {
            return write(&Item {
                v: FORMAT,
                run_id: item.run,
                created: Some(&raw),
                began_us: None,
            });
        }
    }
    let began = match &item.known {
        Known::Begun(Begun { at: began, .. }) | Known::Offered { began } => Some(*began),
        Known::Claimed { .. } | Known::Hinted => None,
    };
    write(&Item {
        v: FORMAT,
        run_id: item.run,
        created: None,
        began_us: began.map(Timestamp::as_micros),
    })
}

/// Reads an item.
pub(super) fn decode(key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<WorkItem, Garbage> {
    let payload = payload.ok_or(Garbage::Empty)?;
    if payload.len() > MESSAGE_MAX_BYTES {
        return Err(Garbage::TooLong {
            bytes: payload.len(),
        });
    }
    // Only the version is read first where the whole cannot be read: a later format may look like nothing known.
    let item = match serde_json::from_slice::<Item<'_>>(payload) {
        Ok(item) if item.v == FORMAT => item,
        read => {
            return Err(match (read, serde_json::from_slice::<Version>(payload)) {
                (_, Ok(Version { v })) if v != FORMAT => Garbage::Newer(v),
                (Err(error), _) | (Ok(_), Err(error)) => Garbage::Unreadable(error),
                (Ok(item), Ok(_)) => Garbage::Newer(item.v),
            });
        }
    };
    let key = key.unwrap_or_default();
    if key != self::key(item.run_id).as_bytes() {
        return Err(Garbage::WrongKey {
            key: String::from_utf8_lossy(&key[..key.len().min(100)]).into_owned(),
            run: item.run_id,
        });
    }
    let known = match item.created {
        None => match item.began_us {
            None => Known::Hinted,
            Some(began) => Known::Offered {
                began: Timestamp::from_micros(began),
            },
        },
        Some(raw) => match Record::decode(raw.get()) {
            Ok(Record {
                at,
                event: Event::RunCreated(created),
            }) => Known::Begun(Begun { created, at }),
            Ok(_) => {
                return Err(Garbage::Record("another event than the first".to_owned()));
            }
            Err(error) => return Err(Garbage::Record(error.to_string())),
        },
    };
    Ok(WorkItem {
        run: item.run_id,
        known,
    })
}

#[derive(Serialize)]
struct Announcement<'a> {
    v: u32,
    run_id: RunId,
    workflow_id: String,
    workflow_version: u32,
    status: &'a str,
    error: Option<&'a str>,
    created_at: String,
    completed_at: String,
}

/// Writes the end of a run for the world.
pub(super) fn encode_ended(ended: &Ended) -> String {
    // A failure's text may be as long as a plugin likes; the announcement has to fit.
    let error = ended.error.as_deref().map(|text| shorten(text, 100_000));
    write(&Announcement {
        v: FORMAT,
        run_id: ended.run,
        workflow_id: ended.workflow.to_string(),
        workflow_version: ended.version,
        status: ended.status.as_str(),
        error,
        created_at: ended.created_at.to_string(),
        completed_at: ended.completed_at.to_string(),
    })
}

/// Reads of an announcement what [`Notice`] tells.
pub(super) fn decode_ended(payload: &[u8]) -> Result<Notice, Garbage> {
    let item: Item<'_> = serde_json::from_slice(payload).map_err(Garbage::Unreadable)?;
    if item.v != FORMAT {
        return Err(Garbage::Newer(item.v));
    }
    Ok(Notice::Ended(item.run_id))
}

/// What stands on the control topic.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    Changed(RunId),
    Ended(RunId),
    /// A process is there. It says so to see that it can write.
    Hello,
}

#[derive(Serialize, Deserialize)]
struct Control {
    v: u32,
    told: Told,
}

/// Writes a notice, or a greeting.
pub(super) fn encode_notice(notice: Option<Notice>) -> String {
    write(&Control {
        v: FORMAT,
        told: match notice {
            Some(Notice::Changed(run)) => Told::Changed(run),
            Some(Notice::Ended(run)) => Told::Ended(run),
            None => Told::Hello,
        },
    })
}

/// Reads a notice; nothing where it was a greeting.
pub(super) fn decode_notice(payload: &[u8]) -> Result<Option<Notice>, Garbage> {
    let control: Control = serde_json::from_slice(payload).map_err(Garbage::Unreadable)?;
    if control.v != FORMAT {
        return Err(Garbage::Newer(control.v));
    }
    Ok(match control.told {
        Told::Changed(run) => Some(Notice::Changed(run)),
        Told::Ended(run) => Some(Notice::Ended(run)),
        Told::Hello => None,
    })
}

fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .expect("a message is made of strings and numbers, all of which can be written")
}

fn shorten(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
