//! Drives one run: from taking it up to its end, or to where it only waits.
//!
//! The loop is always the same: decide, commit, carry out. Whatever goes wrong in between (a conflict, a store that did not
//! answer) has one remedy: read the journal again and go on from what it says.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use millwork_bus::{Begun, Known, WorkItem};
use millwork_core::command::{AttemptReturned, Command};
use millwork_core::decide::{Decision, Rejection, decide};
use millwork_core::effect::{Effect, InvokePlugin, idempotency_key};
use millwork_core::event::{Event, LogLine, Seq};
use millwork_core::graph::Graph;
use millwork_core::run::Run;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use millwork_plugin::{Invocation, Reply};
use millwork_store::{Committed, Due};

use super::committer::CommitError;
use super::registry::Handle;
use super::{Engine, Error, advance};
use crate::clock::Clock;
use crate::random;
use crate::telemetry;

/// The first wait after the store failed; each further one is twice as long, up to the longest.
const STORE_PAUSE_FIRST: Duration = Duration::from_millis(50);
const STORE_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// How long a run is left alone whose journal or definition the store did not give.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a run is left alone whose journal or definition cannot be understood: until somebody has mended it, or
/// started the host that wrote it.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(300);

impl Engine {
    /// Executes a work item: takes its run up and drives it until it ends or only waits.
    pub async fn execute(&self, item: WorkItem) {
        let run = item.run;
        let mut item = Some(item);
        while let Some(held) = self.0.registry.enter(run) {
            let item = item.take().unwrap_or(WorkItem {
                run,
                known: Known::Hinted,
            });
            if let Err(error) = self.drive(item, held.handle()).await {
                tracing::error!(run.id = %run, error = &error as &dyn std::error::Error, "could not execute the run; trying again");
                let pause = match error {
                    Error::Store(millwork_store::Error::Unavailable { .. }) | Error::Commit(_) => {
                        RETRY_PAUSE
                    }
                    _ => UNREADABLE_PAUSE,
                };
                self.0.schedule.add_beyond_window(Due {
                    at: self.0.clock.now().after(pause),
                    run,
                });
                return;
            }
            // Somebody may have knocked between the driver's last look and its leaving.
            if !held.leave() {
                return;
            }
        }
    }

    async fn drive(&self, item: WorkItem, handle: &Handle) -> Result<(), Error> {
        let parts = &self.0;
        let (run, due_at) = match item.known {
            Known::Begun(Begun { created, at }) => (Run::new(item.run, created, at), at),
            Known::Claimed { .. } | Known::Hinted => match self.load(item.run).await? {
                Some(run) => {
                    let due_at = run.wake_at().unwrap_or_else(|| parts.clock.now());
                    (run, due_at)
                }
                None => return Ok(()),
            },
        };
        if run.status().is_finished() {
            return Ok(());
        }
        let compiled = parts
            .definitions
            .find(run.created().workflow, run.created().version)
            .await?;
        let mut driver = Driver {
            engine: self,
            graph: Arc::clone(&compiled.graph),
            run,
            due_at,
            attempts: FuturesUnordered::new(),
            under_way: Vec::new(),
        };
        driver.drive(handle).await
    }
}

struct Driver<'e> {
    engine: &'e Engine,
    graph: Arc<Graph>,
    run: Run,
    /// Since when the run has had something to do: what its row says while it is in hand, so that it is found if this
    /// process dies.
    due_at: Timestamp,
    attempts: FuturesUnordered<BoxFuture<'e, AttemptReturned>>,
    under_way: Vec<UnderWay>,
}

/// An attempt that is being made.
struct UnderWay {
    step: StepKey,
    attempt: u32,
    /// When to record that it has begun; absent once that is done.
    record_at: Option<Timestamp>,
}

impl Driver<'_> {
    async fn drive(&mut self, handle: &Handle) -> Result<(), Error> {
        self.carry_out(Command::TakeUp).await?;
        while !self.attempts.is_empty() {
            let command = self.next_command(handle).await;
            match command {
                Next::Command(command) => self.carry_out(command).await?,
                Next::LookAgain => self.look_again().await?,
            }
        }
        // It only waits now. Said again even where nothing was committed: a clock that was set back may have woken it too soon.
        if let Some(at) = self.run.wake_at() {
            self.engine.0.schedule.add(Due {
                at,
                run: self.run.id(),
            });
        }
        Ok(())
    }

    async fn next_command(&mut self, handle: &Handle) -> Next {
        let clock = &self.engine.0.clock;
        let record_at = self
            .under_way
            .iter()
            .filter_map(|attempt| attempt.record_at)
            .min();
        let wake_at = self.run.wake_at();
        tokio::select! {
            // An attempt that is done is looked at first: most are done at once, and nothing else is even asked.
            biased;
            Some(returned) = self.attempts.next() => {
                self.under_way.retain(|attempt| attempt.step != returned.step);
                Next::Command(Command::CompleteAttempt(Box::new(returned)))
            }
            () = handle.happened() => Next::LookAgain,
            () = sleep_until(&**clock, wake_at) => Next::Command(Command::Wake),
            () = sleep_until(&**clock, record_at) => self.record_start(record_at),
        }
    }

    fn record_start(&mut self, record_at: Option<Timestamp>) -> Next {
        match self
            .under_way
            .iter_mut()
            .find(|attempt| attempt.record_at == record_at)
        {
            Some(attempt) => {
                attempt.record_at = None;
                Next::Command(Command::RecordStart {
                    step: attempt.step.clone(),
                    attempt: attempt.attempt,
                })
            }
            None => Next::LookAgain,
        }
    }

    /// Decides, commits, and begins what is to be done; again from the journal where somebody else was faster.
    async fn carry_out(&mut self, command: Command) -> Result<(), Error> {
        let mut next = Some(command);
        let mut needs_resync = false;
        let mut pause = STORE_PAUSE_FIRST;
        loop {
            let command = match next.take() {
                Some(command) => command,
                None if needs_resync => {
                    needs_resync = false;
                    self.resync()
                }
                None => return Ok(()),
            };
            let first_seq = self.run.next_seq();
            let now = self.engine.0.clock.now();
            let decision = match decide(&self.graph, &mut self.run, command.clone(), now) {
                Ok(decision) => decision,
                Err(rejection) => {
                    self.note(&rejection);
                    continue;
                }
            };
            match self.commit(first_seq, &decision).await {
                Ok(Committed::Written) => {
                    self.begin(decision.effects);
                    continue;
                }
                Ok(Committed::Conflict | Committed::Replayed { .. }) => {
                    tracing::debug!(run.id = %self.run.id(), "somebody else has advanced the run; looking again");
                }
                // Written or not: the journal will say.
                Err(error) => {
                    tracing::warn!(run.id = %self.run.id(), error = &error as &dyn std::error::Error, "the commit was not confirmed; looking again");
                    self.pause(&mut pause).await;
                }
            }
            self.reload().await?;
            // The command again, since it may still hold; then whatever the journal's new end has set free.
            next = Some(command);
            needs_resync = true;
        }
    }

    fn resync(&self) -> Command {
        Command::Resync {
            under_way: self
                .under_way
                .iter()
                .map(|attempt| attempt.step.clone())
                .collect(),
        }
    }

    /// Somebody else has done something to the run.
    async fn look_again(&mut self) -> Result<(), Error> {
        self.reload().await?;
        let resync = self.resync();
        self.carry_out(resync).await
    }

    async fn reload(&mut self) -> Result<(), Error> {
        let mut pause = STORE_PAUSE_FIRST;
        loop {
            match self.engine.load(self.run.id()).await {
                Ok(Some(run)) => {
                    self.run = run;
                    return Ok(());
                }
                Ok(None) => return Err(Error::UnknownRun(self.run.id())),
                Err(Error::Store(error @ millwork_store::Error::Unavailable { .. })) => {
                    tracing::warn!(run.id = %self.run.id(), error = &error as &dyn std::error::Error, "could not read the journal; trying again");
                    self.pause(&mut pause).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&mut self, pause: &mut Duration) {
        let clock = &self.engine.0.clock;
        clock.sleep_until(clock.now().after(*pause)).await;
        *pause = (*pause * 2).min(STORE_PAUSE_LONGEST);
    }

    async fn commit(
        &mut self,
        first_seq: Seq,
        decision: &Decision,
    ) -> Result<Committed, CommitError> {
        if decision.records.is_empty() {
            return Ok(Committed::Written);
        }
        let has_ended = self.run.status().is_finished();
        let begins_some = decision
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::InvokePlugin(_)));
        let due_at = if has_ended {
            None
        } else if begins_some || !self.attempts.is_empty() {
            // While it is in hand its row stays due, so that it is found if this process dies.
            Some(self.due_at)
        } else {
            self.run.wake_at()
        };
        let commit = advance(&self.run, first_seq, &decision.records, due_at);
        let committed = self.engine.0.committer.commit(commit).await?;
        match committed {
            Committed::Written => {
                decision
                    .records
                    .iter()
                    .for_each(|record| count(&record.event));
                if has_ended {
                    self.engine.announce_end(&self.run);
                }
            }
            Committed::Conflict | Committed::Replayed { .. } => {
                metrics::counter!(telemetry::COMMIT_CONFLICTS).increment(1);
            }
        }
        Ok(committed)
    }

    fn begin(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::InvokePlugin(invoke) => self.begin_attempt(*invoke),
                Effect::StopAttempts => self.stop_attempts(),
            }
        }
    }

    /// Dropping an attempt interrupts its call.
    fn stop_attempts(&mut self) {
        self.attempts.clear();
        self.under_way.clear();
    }

    fn begin_attempt(&mut self, invoke: InvokePlugin) {
        let parts = &self.engine.0;
        let InvokePlugin {
            step,
            attempt,
            pin,
            config,
            timeout,
            resumed,
        } = invoke;
        let started_at = parts.clock.now();
        let call = Invocation {
            plugin: pin.digest,
            action: pin.action,
            config,
            timeout,
            now: started_at,
            run: self.run.id(),
            workflow: self.graph.name.clone(),
            step: step.name.to_string(),
            iteration: step.iteration,
            attempt,
            idempotency_key: idempotency_key(self.run.id(), &step),
            resumed,
        };
        let is_recorded = self.run.step(&step).is_some();
        let record_at = (!is_recorded).then(|| started_at.after(parts.options.record_start_after));
        self.under_way.push(UnderWay {
            step: step.clone(),
            attempt,
            record_at,
        });
        let plugins = &parts.plugins;
        self.attempts.push(Box::pin(async move {
            let Reply { result, log } = plugins.invoke(call).await;
            let log = log.into_iter().map(LogLine::from).collect();
            AttemptReturned {
                step,
                attempt,
                started_at,
                result,
                log,
                chance: random::chance(),
            }
        }));
    }

    fn note(&mut self, rejection: &Rejection) {
        match rejection {
            Rejection::Finished { .. } => self.stop_attempts(),
            Rejection::StaleAttempt { .. } => {}
        }
        tracing::debug!(run.id = %self.run.id(), "a command came too late: {rejection}");
    }
}

/// Tells the metrics what has happened.
fn count(event: &Event) {
    let status = match event {
        Event::StepSucceeded { .. } => "success",
        Event::StepFailed { .. } => "failed",
        Event::StepSkipped { .. } => "skipped",
        Event::StepCancelled { .. } => "cancelled",
        Event::StepRetryScheduled { .. } => {
            metrics::counter!(telemetry::STEP_RETRIES).increment(1);
            return;
        }
        Event::RunCreated(_)
        | Event::StepStarted { .. }
        | Event::StepSuspended { .. }
        | Event::StepResumed { .. }
        | Event::RunSucceeded {}
        | Event::RunFailed { .. }
        | Event::RunCancelled { .. } => return,
    };
    metrics::counter!(telemetry::STEPS_COMPLETED, "status" => status).increment(1);
}

/// What a driver does next.
enum Next {
    Command(Command),
    LookAgain,
}

/// Sleeps until a time; for ever where there is none.
async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
