//! Millwork's API as this tool uses it: typed calls over one connection that mends itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Connection, Error, Request, Response};
use crate::time::Timestamp;

/// How long an answer may take before it counts as lost.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The longest that a server's `Retry-After` is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(2);

/// A client of one server.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    connection: Option<Connection>,
    patience: Duration,
}

/// A run as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Which run.
    pub uuid: String,
    /// Where it stands.
    pub status: String,
    /// What it was triggered with.
    #[serde(default)]
    pub payload: Value,
    /// When its first step began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default)]
    pub error: Value,
    /// Its steps, by name.
    #[serde(default)]
    pub step_results: BTreeMap<String, StepResult>,
}

/// A step of a run as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct StepResult {
    /// Where it stands.
    pub status: String,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Its result.
    #[serde(default)]
    pub output: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: Value,
}

impl Run {
    /// Whether nothing more can happen to it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.status.as_str(), "success" | "failed" | "cancelled")
    }
}

/// A page of the list of runs.
#[derive(Clone, Debug, Deserialize)]
pub struct Page {
    /// The runs, newest first.
    pub items: Vec<Value>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

impl Page {
    /// The identifiers of the runs on it.
    ///
    /// # Errors
    /// Where an item has none.
    pub fn uuids(&self) -> Result<Vec<String>> {
        let uuid = |item: &Value| {
            item["uuid"]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("an item of the list has no uuid: {item}"))
        };
        self.items.iter().map(uuid).collect()
    }
}

/// How many runs are in each state.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Counts {
    /// Triggered, and nothing of them has begun.
    pub pending: u64,
    /// Under way, asleep or waiting.
    pub running: u64,
    /// Every step is done.
    pub success: u64,
    /// A step failed for good.
    pub failed: u64,
    /// Held until somebody resumes them.
    pub paused: u64,
    /// Ended because somebody asked.
    pub cancelled: u64,
}

impl Counts {
    /// All that are there.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.pending + self.running + self.paused + self.finished()
    }

    /// Those to which nothing more can happen.
    #[must_use]
    pub const fn finished(self) -> u64 {
        self.success + self.failed + self.cancelled
    }
}

#[derive(Deserialize)]
struct Stats {
    runs: Counts,
}

#[derive(Deserialize)]
struct Created {
    workflow_id: String,
}

#[derive(Deserialize)]
struct Triggered {
    run_id: String,
}

impl Api {
    /// A client that has not connected yet.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
            patience: PATIENCE,
        }
    }

    /// Waits for an answer this long instead.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Lets go of the connection; the next call makes a new one.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// A request that changes nothing is sent again where the connection had been open for a while and turned out to be
    /// closed: servers close connections that idle.
    ///
    /// # Errors
    /// Where no answer comes.
    pub async fn call(&mut self, request: &Request) -> Result<Response, Error> {
        let reused = self.connection.is_some();
        match self.call_once(request).await {
            Err(Error::Lost(_)) if reused && request.is_repeatable() => {
                self.call_once(request).await
            }
            answer => answer,
        }
    }

    async fn call_once(&mut self, request: &Request) -> Result<Response, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let exchange = tokio::time::timeout(self.patience, connection.exchange(request));
        let response = exchange
            .await
            .map_err(|_| Error::TimedOut(self.patience))??;
        if !response.closes {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// Fetches a path and reads the answer, which has to be 200, as JSON.
    ///
    /// # Errors
    /// Where no answer comes, or another.
    pub async fn get<T: for<'de> Deserialize<'de>>(&mut self, path: &str) -> Result<T> {
        let response = self
            .call(&Request::get(path).finish())
            .await
            .with_context(|| format!("GET {path}"))?;
        read(&format!("GET {path}"), &response)
    }

    /// Reads how many runs of a workflow are in each state, or of all.
    ///
    /// # Errors
    /// Where no answer comes, or another.
    pub async fn count_runs(&mut self, workflow: Option<&str>) -> Result<Counts> {
        let path = workflow.map_or_else(
            || "/api/v1/stats".to_owned(),
            |workflow| format!("/api/v1/stats?workflow_id={workflow}"),
        );
        Ok(self.get::<Stats>(&path).await?.runs)
    }

    /// Creates a workflow and returns its identifier.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn create_workflow(&mut self, definition: &Value) -> Result<String> {
        const PATH: &str = "/api/v1/workflows";
        let response = self
            .call(&Request::post(PATH).json(definition))
            .await
            .with_context(|| format!("POST {PATH}"))?;
        Ok(read::<Created>(&format!("POST {PATH}"), &response)?.workflow_id)
    }

    /// Starts a run and returns its identifier; tries again where the server says that it is busy.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn trigger(&mut self, workflow: &str, payload: &Value) -> Result<String> {
        let request = trigger_request(workflow, payload, None);
        let deadline = Instant::now() + self.patience;
        loop {
            let response = self.call(&request).await.context("POST /api/v1/trigger")?;
            match pause_asked_for(&response) {
                Some(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                Some(_) | None => return run_id(&response),
            }
        }
    }

    /// Finds a run.
    ///
    /// # Errors
    /// Where the answer is neither the run nor 404.
    pub async fn find_run(&mut self, run: &str) -> Result<Option<Run>> {
        let path = format!("/api/v1/runs/{run}");
        let response = self
            .call(&Request::get(&path).finish())
            .await
            .with_context(|| format!("GET {path}"))?;
        if response.status == 404 {
            return Ok(None);
        }
        read(&format!("GET {path}"), &response).map(Some)
    }

    /// Reads the identifiers of all runs, page by page.
    ///
    /// # Errors
    /// Where a page cannot be read, or there are more runs than `at_most`.
    pub async fn list_all_runs(&mut self, at_most: usize) -> Result<Vec<String>> {
        let mut uuids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let from = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let page: Page = self.get(&format!("/api/v1/runs?limit=200{from}")).await?;
            uuids.extend(page.uuids()?);
            ensure!(
                uuids.len() <= at_most,
                "the list of runs has more than {at_most} items, or its pages have no end"
            );
            match page.next_cursor {
                None => return Ok(uuids),
                Some(_) if page.items.is_empty() => {
                    bail!("an empty page of the list says that there is another")
                }
                next => cursor = next,
            }
        }
    }
}

/// The request that starts a run.
#[must_use]
pub fn trigger_request(workflow: &str, payload: &Value, idempotency_key: Option<&str>) -> Request {
    let request = Request::post("/api/v1/trigger");
    let request = match idempotency_key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.json(&json!({"workflow_id": workflow, "payload": payload}))
}

/// The identifier of the run that a trigger's answer acknowledges.
///
/// # Errors
/// Where the answer is none.
pub fn run_id(response: &Response) -> Result<String> {
    Ok(read::<Triggered>("POST /api/v1/trigger", response)?.run_id)
}

/// How long to stay away, where the server says that it is busy.
#[must_use]
pub fn pause_asked_for(response: &Response) -> Option<Duration> {
    match response.status {
        429 | 503 => Some(
            response
                .retry_after()
                .unwrap_or(Duration::from_millis(50))
                .min(RETRY_AFTER_MAX),
        ),
        _ => None,
    }
}

/// Reads an answer that has to be 200.
///
/// # Errors
/// Where it is not, or is not what was expected.
pub fn read<T: for<'de> Deserialize<'de>>(what: &str, response: &Response) -> Result<T> {
    if response.status != 200 {
        bail!(
            "{what} answered {}: {}",
            response.status,
            response.excerpt()
        );
    }
    serde_json::from_slice(&response.body).with_context(|| {
        format!(
            "{what} answered what cannot be read: {}",
            response.excerpt()
        )
    })
}
