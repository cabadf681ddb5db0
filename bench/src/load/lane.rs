//! One client thread of a load, and the connections that it drives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::{Course, Tally, Until};
use crate::api::{PATIENCE, pause_asked_for, run_id};
use crate::client::{Connection, Error, Response};
use crate::time::Timestamp;

/// How long a connection rests after an error, so that a server that is down is not hammered.
const REST: Duration = Duration::from_millis(10);

/// Errors after which a connection gives up: the server is gone, and the load would have no end.
const ERRORS_MAX: u64 = 1_000;

/// The longest that a load of a counted number of requests may take.
const COUNTED_MAX: Duration = Duration::from_secs(20 * 60);

/// Drives this thread's share of the connections to the end of the load.
pub(super) fn drive(course: &Arc<Course>, thread: usize, threads: usize) -> Result<Tally> {
    // A runtime of its own on this thread: no lock and no wake-up is shared with the other client threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let connections = share(course.load.connections, thread, threads);
    let at_most = PATIENCE
        + match course.load.until {
            Until::Elapsed(span) => span,
            Until::Requests(_) => COUNTED_MAX,
        };
    runtime.block_on(async {
        let lanes = run_lanes(course, connections);
        tokio::time::timeout(at_most, lanes)
            .await
            .with_context(|| format!("the load had no end within {at_most:?}"))?
    })
}

/// How many of `whole` things fall to one of `parts`.
fn share(whole: usize, part: usize, parts: usize) -> usize {
    whole / parts + usize::from(part < whole % parts)
}

async fn run_lanes(course: &Arc<Course>, connections: usize) -> Result<Tally> {
    // All connections stand before the clock starts.
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(course.load.address).await?);
    }
    let start = Instant::now();
    let mut lanes = JoinSet::new();
    for connection in open {
        lanes.spawn(Lane::new(Arc::clone(course), connection, start).run());
    }
    let mut tally: Option<Tally> = None;
    while let Some(part) = lanes.join_next().await {
        let part = part?;
        match &mut tally {
            None => tally = Some(part),
            Some(tally) => {
                tally.answers += part.answers;
                tally.errors += part.errors;
                tally.turned_away += part.turned_away;
                tally.first_error = tally.first_error.take().or(part.first_error);
                tally.micros.extend(part.micros);
                tally.run_ids.extend(part.run_ids);
            }
        }
    }
    let mut tally = tally.context("a client thread had no connection to drive")?;
    tally.elapsed = start.elapsed();
    tally.ended_at = Timestamp::now();
    Ok(tally)
}

/// One connection.
struct Lane {
    course: Arc<Course>,
    connection: Option<Connection>,
    start: Instant,
    tally: Tally,
}

impl Lane {
    fn new(course: Arc<Course>, connection: Connection, start: Instant) -> Self {
        Self {
            course,
            connection: Some(connection),
            start,
            tally: Tally::default(),
        }
    }

    async fn run(mut self) -> Tally {
        while self.tally.errors < ERRORS_MAX {
            let Some(number) = self.course.take(self.start) else {
                break;
            };
            let due = self.course.due(self.start, number);
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            // In an open loop the clock of a request starts when it was due, though its connection may still have been
            // waiting for the answer before: a server that stalls does not get fewer requests to be slow at.
            let begun = due.unwrap_or_else(Instant::now);
            self.settle(number, begun).await;
        }
        self.tally
    }

    /// Sends one request until it is answered with something else than *busy*.
    async fn settle(&mut self, number: u64, begun: Instant) {
        loop {
            match self.exchange(number).await {
                Ok(response) => match pause_asked_for(&response) {
                    Some(pause) => {
                        self.tally.turned_away += 1;
                        tokio::time::sleep(pause).await;
                    }
                    None => return self.count(&response, begun),
                },
                Err(error) => {
                    self.fail(format!("{:#}", anyhow::Error::from(error)));
                    return tokio::time::sleep(REST).await;
                }
            }
            if self.course.is_over(self.start) {
                return;
            }
        }
    }

    async fn exchange(&mut self, number: u64) -> Result<Response, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) if !self.course.load.reconnect => connection,
            Some(_) | None => Connection::open(self.course.load.address).await?,
        };
        let response = connection.exchange(self.course.request(number)).await?;
        if !response.closes {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn count(&mut self, response: &Response, begun: Instant) {
        // A run's identifier has one length, so every right answer is as long as the first.
        if response.status != 200 || response.body.len() != self.course.answer_bytes {
            return self.fail(format!(
                "answered {}: {}",
                response.status,
                response.excerpt()
            ));
        }
        self.tally.answers += 1;
        self.course.load.answered.fetch_add(1, Ordering::Relaxed);
        self.tally
            .micros
            .push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        if self.course.load.keep_run_ids {
            match run_id(response) {
                Ok(run) => self.tally.run_ids.push(run),
                Err(error) => self.fail(format!("{error:#}")),
            }
        }
    }

    fn fail(&mut self, error: String) {
        self.tally.errors += 1;
        self.tally.first_error.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_share_all_connections() {
        assert_eq!(
            (0..3).map(|part| share(10, part, 3)).collect::<Vec<_>>(),
            [4, 3, 3]
        );
        assert_eq!(share(1, 0, 1), 1);
    }
}
