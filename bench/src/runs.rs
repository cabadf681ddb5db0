//! Waits until runs have ended and reads them, many at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::api::{Api, Run};
use crate::report::Problems;
use crate::time::Timestamp;

/// Connections that read runs.
const READERS: usize = 8;

/// How long the readers rest where everything that is left was looked at and has not ended.
const REST: Duration = Duration::from_millis(50);

/// What became of runs that were waited for.
#[derive(Debug)]
pub struct Awaited<T> {
    /// What was kept of those that ended.
    pub finished: Vec<T>,
    /// Those that the server does not know.
    pub missing: Vec<String>,
    /// Those that had not ended when patience did, with their status.
    pub unfinished: Vec<(String, String)>,
}

impl<T> Awaited<T> {
    /// Names every run that did not end.
    pub fn complain(&self, problems: &mut Problems) {
        for run in &self.missing {
            problems.add(format!("run {run} was acknowledged and is not there"));
        }
        for (run, status) in &self.unfinished {
            problems.add(format!("run {run} has not ended: its status is {status}"));
        }
    }
}

/// Waits until every run has ended, for at most `patience`, and keeps of each what `keep` makes of it.
///
/// # Errors
/// Where the server does not answer.
pub async fn await_finished<T, F>(
    address: SocketAddr,
    runs: &[String],
    patience: Duration,
    keep: F,
) -> Result<Awaited<T>>
where
    T: Send + 'static,
    F: Fn(Run) -> T + Send + Sync + Copy + 'static,
{
    let deadline = Instant::now() + patience;
    let queue: VecDeque<Waiting> = runs
        .iter()
        .map(|run| Waiting {
            run: run.clone(),
            seen: None,
        })
        .collect();
    let queue = Arc::new(Mutex::new(queue));
    let mut readers = JoinSet::new();
    for _ in 0..READERS.min(runs.len()) {
        readers.spawn(read(address, Arc::clone(&queue), deadline, keep));
    }
    let mut awaited = Awaited {
        finished: Vec::with_capacity(runs.len()),
        missing: Vec::new(),
        unfinished: Vec::new(),
    };
    while let Some(part) = readers.join_next().await {
        let part = part??;
        awaited.finished.extend(part.finished);
        awaited.missing.extend(part.missing);
        awaited.unfinished.extend(part.unfinished);
    }
    Ok(awaited)
}

struct Waiting {
    run: String,
    /// When it was last looked at.
    seen: Option<Instant>,
}

async fn read<T, F: Fn(Run) -> T>(
    address: SocketAddr,
    queue: Arc<Mutex<VecDeque<Waiting>>>,
    deadline: Instant,
    keep: F,
) -> Result<Awaited<T>> {
    let mut api = Api::new(address);
    let mut part = Awaited {
        finished: Vec::new(),
        missing: Vec::new(),
        unfinished: Vec::new(),
    };
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(waiting) = next else { return Ok(part) };
        if let Some(rest) = waiting
            .seen
            .and_then(|seen| REST.checked_sub(seen.elapsed()))
        {
            tokio::time::sleep(rest).await;
        }
        match api.find_run(&waiting.run).await? {
            None => part.missing.push(waiting.run),
            Some(run) if run.is_finished() => part.finished.push(keep(run)),
            Some(run) if Instant::now() >= deadline => {
                part.unfinished.push((waiting.run, run.status));
            }
            Some(_) => {
                let again = Waiting {
                    run: waiting.run,
                    seen: Some(Instant::now()),
                };
                queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(again);
            }
        }
    }
}

/// How a run with waits in it went.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Which run.
    pub run: String,
    /// Where it ended.
    pub status: String,
    /// When.
    pub completed_at: Option<Timestamp>,
    /// For each of its steps that tells both times, by how many microseconds it was longer than it should have been;
    /// negative where it woke early.
    pub late_by_micros: Vec<i64>,
}

impl Waits {
    /// Measures a run whose steps each wait for `seconds`.
    #[must_use]
    pub fn of(run: Run, seconds: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "waits of a few minutes")]
        let micros = (seconds * 1e6) as i64;
        let late = |step: &crate::api::StepResult| {
            Some(step.completed_at?.micros_since(step.started_at?) - micros)
        };
        let late_by_micros = run.step_results.values().filter_map(late).collect();
        Self {
            run: run.uuid,
            status: run.status,
            completed_at: run.completed_at,
            late_by_micros,
        }
    }

    /// Measures a run whose one step waits until the time that its payload names as `until`.
    #[must_use]
    pub fn until(run: Run) -> Self {
        let until: Option<Timestamp> = serde_json::from_value(run.payload["until"].clone()).ok();
        let late = |step: &crate::api::StepResult| Some(step.completed_at?.micros_since(until?));
        let late_by_micros = run.step_results.values().filter_map(late).collect();
        Self {
            run: run.uuid,
            status: run.status,
            completed_at: run.completed_at,
            late_by_micros,
        }
    }

    /// Says what is wrong with it: not a success, a step without its times, or one that woke early.
    pub fn complain(&self, steps: usize, problems: &mut Problems) {
        let Self { run, status, .. } = self;
        if status != "success" {
            problems.add(format!("run {run} ended as {status}"));
        } else if self.completed_at.is_none() {
            problems.add(format!("run {run} ended and does not say when"));
        } else if self.late_by_micros.len() != steps {
            let told = self.late_by_micros.len();
            problems.add(format!(
                "run {run} tells the times of {told} steps, it has {steps}"
            ));
        }
        if let Some(early) = self.late_by_micros.iter().find(|late| **late < 0) {
            problems.add(format!("run {run} woke {} us early", early.unsigned_abs()));
        }
    }
}
