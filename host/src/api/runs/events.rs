//! `GET /api/v1/runs/{run_id}/events`: what happened to a run, a page at a time; or as server-sent events, while it happens.
//!
//! A stream reads the journal from the store, like a page. So it can be opened at any process, and taken up again behind the last event
//! that came through: an event's identifier is its place in the journal.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream, StreamExt as _};
use millwork_core::event::{Record, Seq};
use millwork_core::id::RunId;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::super::Api;
use super::super::json::answer;
use super::super::openapi::{InvalidRequest, TooManyStreams, Unavailable, UnknownRun};
use super::super::page::{LIMIT_DEFAULT, Page, read_limit, read_number};
use super::super::problem::{Fault, Kind, Problem};
use super::super::query::{Id, Query};
use super::event::EventView;
use crate::engine::{Follower, Happened};

/// Where a client goes on that was cut off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long nothing may be sent, so that nobody in between closes the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When to try again to get one of the streams.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Read what happened to a run
///
/// The events of its journal, the earliest first, a page at a time. With `Accept: text/event-stream` they come as server-sent events
/// instead: those that there are, then each as it happens, until the run has ended. The last message has the name `end` and the run's status. A client
/// that was cut off sends `Last-Event-ID` and goes on behind it; where nothing can come any more, the answer is 204.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}/events",
    operation_id = "list_run_events",
    tag = "runs",
    params(
        ("run_id" = Uuid, Path, description = "The run, with or without dashes"),
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said. A page ends earlier where events are large", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "Only behind this event: the `next_cursor` of the page before, or the `seq` of any event"),
        ("Last-Event-ID" = Option<String>, Header, description = "For streams, the same as `cursor`: the `seq` of the last event that came through"),
    ),
    responses(
        (status = 200, description = "A page of events, or the stream of them", content(
            (Page<EventView<'static>> = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 204, description = "For streams: the run has ended, and nothing has happened behind `Last-Event-ID`"),
        UnknownRun, TooManyStreams, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn events(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit);
    let cursor = query.one("cursor", read_number);
    query.finish()?;
    if wants_stream(&headers) {
        let last = read_last_event_id(&headers)?;
        return follow(&api, run, last.or(cursor)).await;
    }
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let happened = api.engine().read_events(run, behind(cursor), limit).await?;
    let views = happened.records.iter();
    let views: Vec<_> = views
        .map(|(seq, record)| EventView::of(*seq, record))
        .collect();
    let page = Page::numbered(views, limit, happened.has_more, |view| view.seq);
    Ok(answer(StatusCode::OK, &page))
}

fn behind(last: Option<Seq>) -> Seq {
    last.map_or(0, |last| last.saturating_add(1))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(','));
    types.any(|accepted| {
        let essence = accepted.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

fn read_last_event_id(headers: &HeaderMap) -> Result<Option<Seq>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seq = value.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || {
        Problem::invalid(vec![Fault::new(
            "Last-Event-ID",
            "must be the id of an event that was sent",
        )])
    };
    seq.map(Some).ok_or_else(refused)
}

async fn follow(api: &Api, run: RunId, last: Option<Seq>) -> Result<Response, Problem> {
    let place = api.take_stream().map_err(|limit| {
        let detail = format!("{limit} streams are open, the limit is {limit} (server.streams_max)");
        Problem::new(Kind::TooManyStreams, detail).retry_after(RETRY_AFTER)
    })?;
    let from = behind(last);
    // Looked at before the answer begins: afterwards nothing can be refused any more.
    let first = api.engine().read_events(run, from, 1).await?;
    let is_over = first.status.is_finished() && first.records.is_empty();
    if is_over && last.is_some() {
        // What makes a browser stop to ask.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let following = Following {
        follower: api.engine().follow(run, from),
        closing: api.closing().clone(),
        run,
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(messages(following))
        .keep_alive(keep_alive)
        .into_response();
    let headers = response.headers_mut();
    // For proxies that would wait until there is more to pass on.
    headers.insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    Ok(response)
}

/// Somebody who follows a run, and the place that he takes.
struct Following {
    follower: Follower,
    closing: CancellationToken,
    run: RunId,
    _place: OwnedSemaphorePermit,
}

fn messages(following: Following) -> impl Stream<Item = Result<Message, Infallible>> {
    let stretches = stream::unfold(Some(following), async |following| {
        let mut following = following?;
        // Who is cut off because the server ends asks another, or this one when it is back.
        let next = following.follower.next();
        let happened = following.closing.run_until_cancelled(next).await?;
        match happened {
            Ok(Happened {
                status, records, ..
            }) if records.is_empty() => {
                let end = Message::default().event("end");
                let end = end.data(format!("{{\"status\":\"{status}\"}}"));
                Some((vec![Ok(end)], None))
            }
            Ok(Happened { records, .. }) => {
                let messages = records
                    .iter()
                    .map(|(seq, record)| Ok(message(*seq, record)));
                Some((messages.collect(), Some(following)))
            }
            Err(error) => {
                tracing::warn!(run.id = %following.run, error = &error as &dyn std::error::Error, "a stream of events was broken off; who follows it asks again");
                None
            }
        }
    });
    stretches.flat_map(stream::iter)
}

fn message(seq: Seq, record: &Record) -> Message {
    let view = EventView::of(seq, record);
    let text = serde_json::to_string(&view).unwrap_or_else(|_| "null".to_owned());
    Message::default()
        .id(seq.to_string())
        .event(view.r#type)
        .data(on_one_line(text))
}

/// In JSON a line can only end between words: within texts it is written in other letters.
fn on_one_line(text: String) -> String {
    match text.contains(['\n', '\r']) {
        true => text.replace(['\n', '\r'], " "),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_for_who_asks_for_one() {
        let wants = |value: &'static str| {
            let value = header::HeaderValue::from_static(value);
            wants_stream(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        assert!(
            wants("text/event-stream") && wants("application/json;q=0.5, Text/Event-Stream; q=1")
        );
        assert!(!wants("application/json") && !wants("*/*") && !wants_stream(&HeaderMap::new()));
    }

    #[test]
    fn what_is_behind_an_event_begins_one_further() {
        let last = |value: &'static str| {
            let value = header::HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(LAST_EVENT_ID, value)]);
            read_last_event_id(&headers).map_err(|problem| problem.detail().to_owned())
        };
        assert_eq!(last("7"), Ok(Some(7)));
        assert_eq!(last(""), Ok(None));
        assert!(last("x").is_err());
        assert_eq!(
            (behind(None), behind(Some(7)), behind(Some(Seq::MAX))),
            (0, 8, Seq::MAX)
        );
    }

    #[test]
    fn a_message_is_on_one_line() {
        let text = "{\"a\":\r\n[1,\n2]}".to_owned();
        assert_eq!(on_one_line(text), "{\"a\":  [1, 2]}");
    }
}
