//! `GET /api/v1/runs/{run_id}/logs`: what the steps of a run said, line by line.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::event::{LogLevel, Seq};
use millwork_core::id::RunId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::json::{Time, answer};
use super::super::openapi::{InvalidRequest, Unavailable, UnknownRun};
use super::super::page::{LIMIT_DEFAULT, Page, read_limit};
use super::super::problem::Problem;
use super::super::query::{Id, Query};
use super::event::said;
use crate::engine::Happened;

/// Events that one request looks through. A page may have fewer lines than asked for, and still not be the last.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Events read at once.
const STRETCH: usize = 500;

/// A line that a step's plugin said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunLogLine)]
pub(in crate::api) struct LogItem {
    /// When.
    at: Time,
    /// How loud: `trace`, `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String, example = "info")]
    level: LogLevel,
    /// The step.
    #[schema(example = "fetch")]
    step: String,
    /// Which iteration of it, from 0, where it is a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u32>,
    /// Which attempt, from 1.
    #[schema(example = 1)]
    attempt: u32,
    /// What was said.
    #[schema(example = "GET https://shop.example/orders/7: 200")]
    message: String,
}

/// Where a page of lines goes on: at which event, and behind how many lines of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    seq: Seq,
    lines: usize,
}

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    limit: usize,
    from: Position,
    step: Option<String>,
    level: LogLevel,
}

/// Read what the steps of a run said
///
/// The lines that their plugins wrote to their logs, the earliest attempts first, a page at a time. A line is there once its attempt has ended.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}/logs",
    operation_id = "list_run_logs",
    tag = "runs",
    params(
        ("run_id" = Uuid, Path, description = "The run, with or without dashes"),
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged. A page with few items or none need not be the last"),
        ("step" = Option<String>, Query, description = "Only of this step", example = "fetch"),
        ("level" = Option<String>, Query, description = "Only lines as loud as this, or louder", example = "warn"),
    ),
    responses((status = 200, description = "A page of lines", body = Page<LogItem>), UnknownRun, InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn logs(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    uri: Uri,
) -> Result<Response, Problem> {
    let wanted = read(Query::of(&uri))?;
    let mut lines = Lines::new(&wanted);
    let mut looked_through = 0;
    let mut next = wanted.from.seq;
    let goes_on = loop {
        let happened = api.engine().read_events(run, next, STRETCH).await?;
        looked_through += happened.records.len();
        next = happened.records.last().map_or(next, |(seq, _)| seq + 1);
        if let Some(position) = lines.take(&happened) {
            break Some(position);
        }
        if !happened.has_more {
            break None;
        }
        if looked_through >= LOOKED_THROUGH_MAX {
            break Some(Position {
                seq: next,
                lines: 0,
            });
        }
    };
    let page = Page {
        items: lines.items,
        next_cursor: goes_on.map(|Position { seq, lines }| format!("{seq}.{lines}")),
        limit: wanted.limit,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// The lines of a page.
struct Lines<'a> {
    wanted: &'a Wanted,
    items: Vec<LogItem>,
}

impl<'a> Lines<'a> {
    const fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            items: Vec::new(),
        }
    }

    /// Takes what is wanted of some events. Says where to go on, where the page is full.
    fn take(&mut self, happened: &Happened) -> Option<Position> {
        for (seq, record) in &happened.records {
            let Some((key, attempt, log)) = said(&record.event) else {
                continue;
            };
            if self
                .wanted
                .step
                .as_ref()
                .is_some_and(|step| **step != *key.name)
            {
                continue;
            }
            let skipped = match self.wanted.from.seq == *seq {
                true => self.wanted.from.lines,
                false => 0,
            };
            for (place, line) in log.iter().enumerate().skip(skipped) {
                if line.level < self.wanted.level {
                    continue;
                }
                if self.items.len() == self.wanted.limit {
                    return Some(Position {
                        seq: *seq,
                        lines: place,
                    });
                }
                self.items.push(LogItem {
                    at: Time(line.at),
                    level: line.level,
                    step: key.name.to_string(),
                    iteration: key.iteration,
                    attempt,
                    message: line.message.clone(),
                });
            }
        }
        None
    }
}

fn read(mut query: Query) -> Result<Wanted, Problem> {
    let wanted = Wanted {
        limit: query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT),
        from: query.one("cursor", read_position).unwrap_or_default(),
        step: query.one("step", |text| Ok(text.to_owned())),
        level: query.one("level", read_level).unwrap_or(LogLevel::Trace),
    };
    query.finish()?;
    Ok(wanted)
}

fn read_position(text: &str) -> Result<Position, String> {
    let parts = text.split_once('.');
    let position = parts.and_then(|(seq, lines)| {
        Some(Position {
            seq: seq.parse().ok()?,
            lines: lines.parse().ok()?,
        })
    });
    position.ok_or_else(|| "is no cursor: send the next_cursor of a page as it is".to_owned())
}

fn read_level(text: &str) -> Result<LogLevel, String> {
    match text {
        "trace" => Ok(LogLevel::Trace),
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" => Ok(LogLevel::Warn),
        "error" => Ok(LogLevel::Error),
        _ => Err("must be trace, debug, info, warn or error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use millwork_core::event::{Event, LogLine, Record};
    use millwork_core::json::Json;
    use millwork_core::run::RunStatus;
    use millwork_core::step::StepKey;
    use millwork_core::time::Timestamp;

    use super::*;

    fn attempt(seq: Seq, step: &str, lines: &[(LogLevel, &str)]) -> (Seq, Record) {
        let at = Timestamp::from_micros(i64::from(seq));
        let log = lines.iter().map(|(level, message)| LogLine {
            at,
            level: *level,
            message: (*message).to_owned(),
        });
        let event = Event::StepSucceeded {
            step: StepKey::of(step),
            attempt: 1,
            started_at: at,
            output: Json::null(),
            log: log.collect(),
        };
        (seq, Record { at, event })
    }

    fn pages(step: Option<&str>, level: LogLevel, limit: usize) -> Vec<String> {
        use LogLevel::{Debug, Error, Info};
        let records = [
            attempt(1, "a", &[(Info, "1"), (Debug, "2"), (Error, "3")]),
            attempt(2, "b", &[(Info, "4")]),
            attempt(3, "a", &[]),
            attempt(4, "a", &[(Info, "5"), (Info, "6")]),
        ];
        let mut pages = Vec::new();
        let mut from = Position::default();
        loop {
            let wanted = Wanted {
                limit,
                from,
                step: step.map(str::to_owned),
                level,
            };
            let behind = records.iter().filter(|(seq, _)| *seq >= from.seq);
            let happened = Happened {
                status: RunStatus::Success,
                records: behind.cloned().collect(),
                has_more: false,
            };
            let mut lines = Lines::new(&wanted);
            let goes_on = lines.take(&happened);
            let page = lines.items.iter().map(|item| item.message.as_str());
            pages.push(page.collect::<Vec<_>>().concat());
            match goes_on {
                Some(position) => from = position,
                None => return pages,
            }
        }
    }

    #[test]
    fn lines_follow_each_other_over_pages() {
        assert_eq!(pages(None, LogLevel::Trace, 10), ["123456"]);
        assert_eq!(pages(None, LogLevel::Trace, 2), ["12", "34", "56"]);
        assert_eq!(pages(Some("a"), LogLevel::Info, 2), ["13", "56"]);
        assert_eq!(pages(Some("a"), LogLevel::Error, 1), ["3"]);
        assert_eq!(pages(Some("c"), LogLevel::Trace, 1), [""]);
    }

    #[test]
    fn a_cursor_is_an_event_and_a_line() {
        let position = Position { seq: 17, lines: 3 };
        assert_eq!(read_position("17.3"), Ok(position));
        for text in ["", "17", "17.", "x.1", "-1.2"] {
            assert!(read_position(text).is_err(), "{text}");
        }
    }
}
