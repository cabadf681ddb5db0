//! Runs that are steps of other runs.
//!
//! A child is created once: its identifier is made of its parent's key for the step and of when the step began, and both are
//! in the parent's journal. Its end is told to the parent before the child's row is settled, so whoever finds the row due
//! after a crash tells it again; the parent takes it once.

use std::sync::Arc;
use std::time::Duration;

use millwork_core::command::{ChildEnd, Command};
use millwork_core::decide::Rejection;
use millwork_core::effect::StartRun;
use millwork_core::event::{Parent, RunCreated};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use millwork_core::run::Run;
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;
use millwork_store::WorkflowQuery;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::definitions::Compiled;
use super::trigger::{BegunAs, Newcomer, OVERTAKEN_MAX, overtaken};
use super::{Engine, Error};

/// How long to leave the store alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Creates the run that a step of another is, unless it exists.
    pub(super) async fn start_child(
        &self,
        parent: RunId,
        began: Timestamp,
        start: StartRun,
        trace: Option<TraceContext>,
    ) -> Result<Outcome, Failure> {
        let run = child_id(&start.key, began);
        let waits = start.waits;
        loop {
            match self.create_child(run, parent, began, &start, trace).await {
                Ok(()) => break,
                Err(Error::Store(_) | Error::Commit(_)) => self.rest().await,
                Err(Error::UnknownWorkflow(_) | Error::NoSuchWorkflow { .. }) => {
                    let message = format!("there is no workflow \"{}\"", start.workflow);
                    return Err(Failure::permanent("unknown-workflow", message));
                }
                // Its own workflow's limits let no more wait: what the step's retries are for.
                Err(Error::LimitReached {
                    message,
                    retry_after,
                }) => {
                    let kind = FailureKind::RateLimited {
                        after_ms: u64::try_from(retry_after.as_millis()).ok(),
                    };
                    return Err(Failure::new(kind, "limit-reached", message));
                }
                Err(error) => {
                    return Err(Failure::permanent(
                        "workflow-not-started",
                        error.to_string(),
                    ));
                }
            }
        }
        Ok(match waits {
            true => Outcome::Suspended(Suspension {
                until: Until::Run(run),
                state: Vec::new(),
                then: Then::CallAgain,
            }),
            false => Outcome::Completed(Json::from(json!({"run_id": run.to_string()}))),
        })
    }

    async fn create_child(
        &self,
        run: RunId,
        parent: RunId,
        at: Timestamp,
        start: &StartRun,
        trace: Option<TraceContext>,
    ) -> Result<(), Error> {
        for _ in 0..OVERTAKEN_MAX {
            let compiled = match self.find_child_workflow(&start.workflow).await {
                Ok(compiled) => compiled,
                // Its workflow takes no more runs; but this one may have been created before, in an attempt that was interrupted.
                Err(Error::UnknownWorkflow(_) | Error::WorkflowArchived(_))
                    if self.find_run(run).await?.is_some() =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let written = self.write_child(&compiled, run, parent, at, start, trace);
            if written.await? != Some(BegunAs::Outdated) {
                // Where it exists, it was created before: by us, in an attempt that was interrupted.
                return Ok(());
            }
            self.0.definitions.forget_newest(compiled.workflow);
        }
        Err(overtaken())
    }

    async fn write_child(
        &self,
        compiled: &Compiled,
        run: RunId,
        parent: RunId,
        at: Timestamp,
        start: &StartRun,
        trace: Option<TraceContext>,
    ) -> Result<Option<BegunAs>, Error> {
        let created = RunCreated {
            parent: Some(Parent {
                run: parent,
                step: start.step.clone(),
                depth: start.depth,
                waits: start.waits,
            }),
            trace,
            ..self.describe(compiled, start.payload.clone(), at)?
        };
        let newcomer = Newcomer {
            id: run,
            at,
            created: Arc::new(created),
            graph: &compiled.graph,
            is_newest: true,
            idempotency: None,
        };
        let place = self.0.registry.reserve_new(run);
        self.create(newcomer, place).await
    }

    async fn find_child_workflow(&self, name: &str) -> Result<Arc<Compiled>, Error> {
        let workflow = match name.parse() {
            Ok(workflow) => workflow,
            Err(_) => self.find_named(name).await?,
        };
        self.0.definitions.find_newest(workflow).await
    }

    /// Finds the one workflow that has a name: its author's identifier, or else its name.
    async fn find_named(&self, name: &str) -> Result<WorkflowId, Error> {
        let named = || Some(name.to_owned());
        let all = WorkflowQuery {
            limit: 2,
            ..WorkflowQuery::default()
        };
        let by_label = WorkflowQuery {
            label: named(),
            ..all.clone()
        };
        let by_name = WorkflowQuery {
            name: named(),
            ..all
        };
        for query in [by_label, by_name] {
            match &self.0.store.list_workflows(query).await?[..] {
                [] => {}
                [only] => return Ok(only.id),
                [_, ..] => {
                    return Err(Error::WorkflowNotNamed {
                        name: name.to_owned(),
                    });
                }
            }
        }
        Err(Error::NoSuchWorkflow {
            name: name.to_owned(),
        })
    }

    /// Cancels a run that was a step of one that is ending. Its parent waits for its end, and asks again where this is lost.
    pub(super) fn cancel_child(&self, run: RunId) {
        self.end_child(run, |reason| Command::Cancel { reason });
    }

    fn end_child(&self, run: RunId, command: fn(Option<String>) -> Command) {
        let engine = self.clone();
        let reason = Some("the run that it is a step of ends".to_owned());
        self.0.tasks.spawn(async move {
            let command = command(reason);
            while let Err(error) = engine.ask(run, &command).await {
                if !is_passing(&error) {
                    tracing::debug!(run.id = %run, "the run of a step was not ended: {error}");
                    return;
                }
                engine.rest().await;
            }
        });
    }

    /// When the row of a run that has ended is looked at again: until the world, and its family, have been told.
    pub(super) fn due_after_end(&self, run: &Run, now: Timestamp) -> Option<Timestamp> {
        self.0
            .claims
            .ended(now)
            .or_else(|| (has_family(run) || self.0.announcer.has_audience()).then_some(now))
    }

    /// Tells the world that a run has ended; and first, where it is a step of another or others were steps of it, those.
    pub(super) fn tell_end(&self, run: &Run) {
        let trace = self.0.options.traces.of_run(run);
        if !has_family(run) {
            self.0.announcer.announce(run, trace);
            return;
        }
        let (engine, run) = (self.clone(), run.clone());
        self.0.tasks.spawn(async move {
            for (_, child) in run.children().open() {
                engine.end_child(child, |reason| Command::Kill { reason });
            }
            engine.tell_parent(&run).await;
            if engine.0.announcer.has_audience() {
                engine.0.announcer.announce(&run, trace);
                return;
            }
            while let Err(error) = engine.0.store.settle(vec![run.id()]).await {
                tracing::warn!(run.id = %run.id(), error = &error as &dyn std::error::Error, "could not note that a parent was told of the end of its run; trying again");
                engine.rest().await;
            }
        });
    }

    async fn tell_parent(&self, run: &Run) {
        let Some(parent) = run.created().parent.as_ref().filter(|parent| parent.waits) else {
            return;
        };
        let end = ChildEnd {
            step: parent.step.clone(),
            run: run.id(),
            status: run.status(),
            output: run.output().cloned(),
            error: run.error().map(ToString::to_string),
        };
        let command = Command::EndChild(Box::new(end));
        while let Err(error) = self.ask(parent.run, &command).await {
            if !is_passing(&error) {
                tracing::debug!(run.id = %run.id(), "nobody is left to be told of the end of a run: {error}");
                return;
            }
            self.rest().await;
        }
    }

    async fn rest(&self) {
        let clock = &self.0.clock;
        clock.sleep_until(clock.now().after(PAUSE)).await;
    }
}

/// Whether another attempt may go better.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Store(_) | Error::Commit(_) => true,
        Error::Rejected(rejection) => match rejection {
            // A run that is ending comes to its end.
            Rejection::Ending { .. }
            | Rejection::Finished { .. }
            | Rejection::NotFinished { .. }
            | Rejection::NothingToRetry { .. }
            | Rejection::UnknownStep { .. }
            | Rejection::TooManySignals { .. }
            | Rejection::StaleAttempt { .. } => false,
        },
        _ => false,
    }
}

fn has_family(run: &Run) -> bool {
    let parent = run.created().parent.as_ref();
    parent.is_some_and(|parent| parent.waits) || run.children().open().next().is_some()
}

/// The identifier of the run that a step is: the same for the same step, however often it is asked for.
fn child_id(key: &str, began: Timestamp) -> RunId {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let mut chance = [0; 10];
    chance.copy_from_slice(&digest[..10]);
    RunId::from_parts(began, chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_run_however_often_it_is_asked_for() {
        let at = Timestamp::from_micros(1_767_225_600_123_456);
        assert_eq!(child_id("run/ship", at), child_id("run/ship", at));
        assert_ne!(child_id("run/ship", at), child_id("run/ship~1", at));
        assert_eq!(child_id("run/ship", at).as_uuid().get_version_num(), 7);
    }
}
