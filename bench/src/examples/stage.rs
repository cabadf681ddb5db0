//! What a story is told with: a server that has the definition, and the services that it calls.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{Request, RequestBuilder};
use crate::sink::{Call, Script, Sink};

use super::document;

/// How long a story waits for what has to come. An example takes a few seconds; a machine that does much else takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks.
const BEAT: Duration = Duration::from_millis(20);

/// A server with an example on it, and the example's services.
pub(super) struct Stage {
    api: Api,
    token: Option<String>,
    services: Sink,
    workflows: Vec<String>,
    seen: Vec<String>,
}

impl Stage {
    /// Puts the definitions of a file on a server.
    pub(super) async fn open(
        server: SocketAddr,
        token: Option<String>,
        file: &Path,
        script: Script,
    ) -> Result<Self> {
        let services = Sink::play(script).await?;
        let definitions = document::read_all(file, services.url("").trim_end_matches('/'))?;
        let mut stage = Self {
            api: Api::new(server),
            token,
            services,
            workflows: Vec::new(),
            seen: Vec::new(),
        };
        for definition in &definitions {
            let workflow = stage.put(definition).await?;
            stage.workflows.push(workflow);
        }
        Ok(stage)
    }

    /// Makes a definition what the server has under its `id`, as `millwork apply` does.
    async fn put(&mut self, definition: &Value) -> Result<String> {
        let id = definition["id"]
            .as_str()
            .context("an example has an `id`")?;
        let path = format!("/api/v1/workflows?archived=true&id={id}");
        let (_, found) = self.ask(Request::get(&path), None).await?;
        let (status, answer) = match found["items"][0]["uuid"].as_str() {
            Some(workflow) => {
                let put = Request::put(&format!("/api/v1/workflows/{workflow}"));
                self.ask(put, Some(definition)).await?
            }
            None => {
                self.ask(Request::post("/api/v1/workflows"), Some(definition))
                    .await?
            }
        };
        ensure!(
            status == 200,
            "the definition is refused ({status}): {answer}"
        );
        Ok(answer["workflow_id"]
            .as_str()
            .context("a workflow has an identifier")?
            .to_owned())
    }

    /// Puts the definitions away: what starts by itself starts no more.
    pub(super) async fn clear(&mut self) -> Result<()> {
        for workflow in self.workflows.clone() {
            let archive = Request::delete(&format!("/api/v1/workflows/{workflow}?archive=true"));
            let (status, answer) = self.ask(archive, None).await?;
            ensure!(
                status == 200,
                "the workflow cannot be archived ({status}): {answer}"
            );
        }
        Ok(())
    }

    /// Asks the server: the status of its answer, and the answer.
    pub(super) async fn ask(
        &mut self,
        request: RequestBuilder,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let request = match &self.token {
            Some(token) => request.header("authorization", &format!("Bearer {token}")),
            None => request,
        };
        self.send(match body {
            Some(body) => request.json(body),
            None => request.body(&[]),
        })
        .await
    }

    /// Sends a request as it is.
    pub(super) async fn send(&mut self, request: Request) -> Result<(u16, Value)> {
        let response = self.api.call(&request).await?;
        let answer = serde_json::from_slice(&response.body);
        let answer =
            answer.with_context(|| format!("an answer is no JSON: {}", response.excerpt()))?;
        Ok((response.status, answer))
    }

    /// Starts a run of the last definition of the file.
    pub(super) async fn trigger(&mut self, payload: Value) -> Result<String> {
        let body = json!({"workflow_id": self.workflow(), "payload": payload});
        let (status, started) = self
            .ask(Request::post("/api/v1/trigger"), Some(&body))
            .await?;
        ensure!(
            status == 200,
            "the trigger is refused ({status}): {started}"
        );
        Ok(started["run_id"]
            .as_str()
            .context("a run has an identifier")?
            .to_owned())
    }

    /// The last definition of the file.
    pub(super) fn workflow(&self) -> String {
        self.workflows.last().cloned().unwrap_or_default()
    }

    /// A run as it is now.
    pub(super) async fn run(&mut self, run: &str) -> Result<Value> {
        let (status, run) = self
            .ask(Request::get(&format!("/api/v1/runs/{run}")), None)
            .await?;
        ensure!(status == 200, "the run cannot be read ({status}): {run}");
        Ok(run)
    }

    /// Waits until a run looks as it should.
    pub(super) async fn until(
        &mut self,
        run: &str,
        what: &str,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.run(run).await?;
            if holds(&now) {
                return Ok(now);
            }
            ensure!(
                Instant::now() < deadline,
                "{what} has not come in {PATIENCE:?}; the run is {now}"
            );
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Waits for the end of a run, which has to be this one.
    pub(super) async fn ended(&mut self, run: &str, status: &str) -> Result<Value> {
        let ends = ["success", "failed", "cancelled"];
        let is_over = |run: &Value| {
            run["status"]
                .as_str()
                .is_some_and(|now| ends.contains(&now))
        };
        let ended = self.until(run, "the end", is_over).await?;
        ensure!(
            ended["status"] == status,
            "a run that should be {status} is {ended}"
        );
        Ok(ended)
    }

    /// Waits until a run waits for a signal.
    pub(super) async fn waits_for_signal(&mut self, run: &str, step: &str) -> Result<()> {
        let what = format!("{step}'s wait for a signal");
        self.until(run, &what, |run| {
            run["waiting_for"]["kind"] == "signal" && run["waiting_for"]["step"] == step
        })
        .await?;
        Ok(())
    }

    /// Sends a run a signal; false where it has ended.
    pub(super) async fn signal(&mut self, run: &str, name: &str, payload: &Value) -> Result<bool> {
        let path = format!("/api/v1/runs/{run}/signals/{name}");
        match self.ask(Request::post(&path), Some(payload)).await? {
            (202, _) => Ok(true),
            (409, _) => Ok(false),
            (status, answer) => bail!("the signal is refused ({status}): {answer}"),
        }
    }

    /// Waits until the services were called like that.
    pub(super) async fn until_called(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&[Call]) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.calls()) {
            ensure!(
                Instant::now() < deadline,
                "{what} has not come in {PATIENCE:?}"
            );
            tokio::time::sleep(BEAT).await;
        }
        Ok(())
    }

    /// Every call of the services so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.services.calls()
    }

    /// The calls of the services from one on, a line each.
    pub(super) fn told(&self, first: usize) -> Vec<String> {
        let calls = self.services.calls_from(first).into_iter();
        calls
            .map(|call| format!("{} {} -> {}", call.method, call.path, call.status))
            .collect()
    }

    /// Notes what was seen.
    pub(super) fn saw(&mut self, what: impl Into<String>) {
        self.seen.push(what.into());
    }

    pub(super) fn into_seen(self) -> Vec<String> {
        self.seen
    }
}
