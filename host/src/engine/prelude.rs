//! The prelude: the beginning of a run that acts on nothing, made before the run is written and written with it.
//!
//! A run whose first steps are pure would be written twice: when it is created, and when they are done or it waits. Calling a
//! pure step harms nothing, also where the run then turns out not to be created at all. So they are called first, and one write
//! has the run and what came of them. Nobody is told of the run before it is durable, as ever.
//!
//! Only what is there at once is taken along: a call that does not answer at its first turn on the processor is dropped, and made
//! again by whoever drives the run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use millwork_bus::{Known, WorkItem};
use millwork_core::command::Command;
use millwork_core::decide::{Decision, decide};
use millwork_core::effect::{Effect, InvokePlugin};
use millwork_core::event::{Event, Record, RunCreated};
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::run::Run;
use millwork_core::time::Timestamp;

use super::Engine;
use super::attempt::Attempt;
use super::claims::Kept;
use super::driver::held;
use super::registry::Held;
use super::schedule::Soon;

/// How long it may take in all, for whoever waits to hear that the run is durable.
const AT_MOST: Duration = Duration::from_millis(2);

/// What a run has come to before it is written.
pub(super) struct Prelude {
    pub(super) run: Run,
    /// What follows its creation.
    pub(super) records: Vec<Record>,
    /// Whether it has something to do now.
    has_more: bool,
}

impl Prelude {
    fn of(id: RunId, created: &Arc<RunCreated>, at: Timestamp) -> Self {
        Self {
            run: Run::new(id, Arc::clone(created), at),
            records: Vec::new(),
            has_more: false,
        }
    }

    /// Takes a decision in, and says what it orders; nothing where it may not be written late, and the run is as it was.
    fn take(&mut self, engine: &Engine, decision: Decision) -> Option<Vec<Effect>> {
        let is_start = |record: &Record| matches!(record.event, Event::StepStarted { .. });
        if decision.records.iter().any(is_start) || !engine.are_pure(&decision.effects) {
            let mut run = Run::new(
                self.run.id(),
                Arc::clone(self.run.created()),
                self.run.created_at(),
            );
            self.records.iter().for_each(|record| run.apply(record));
            self.run = run;
            return None;
        }
        self.records.extend(decision.records);
        Some(decision.effects)
    }

    fn is_full(&self) -> bool {
        self.records.len() >= held::RECORDS_MAX
            || held::output_bytes(&self.records) >= held::OUTPUT_MAX_BYTES
    }
}

impl Engine {
    /// Plays what of a new run can be played before it is written. Nothing where that is not worth the while: where others wait
    /// already, nobody overtakes them.
    pub(super) fn play(
        &self,
        id: RunId,
        created: &Arc<RunCreated>,
        graph: &Graph,
        at: Timestamp,
    ) -> Option<Prelude> {
        let parts = &self.0;
        let is_to_be_played = parts.options.commit_elision
            && parts.is_executing.load(Ordering::Relaxed)
            && parts.claims.timeout().is_none()
            && created.bounds.is_none()
            && self.backlog() == 0;
        if !is_to_be_played {
            return None;
        }
        let mut prelude = Prelude::of(id, created, at);
        let taken_up = decide(graph, &mut prelude.run, Command::TakeUp, at).ok()?;
        let mut to_do: VecDeque<Effect> = prelude.take(self, taken_up)?.into();
        while let Some(effect) = to_do.pop_front() {
            let now = parts.clock.now();
            prelude.has_more = true;
            let Effect::InvokePlugin(invoke) = effect else {
                break;
            };
            if prelude.is_full() || now >= at.after(AT_MOST) {
                break;
            }
            let Some(decision) = self.try_at_once(&mut prelude.run, *invoke, graph, now) else {
                break;
            };
            let Some(effects) = prelude.take(self, decision) else {
                break;
            };
            to_do.extend(effects);
            prelude.has_more = !to_do.is_empty();
        }
        let is_more_than_created = !prelude.records.is_empty();
        is_more_than_created.then_some(prelude)
    }

    /// Makes an attempt that answers at once, and decides on what it says.
    fn try_at_once(
        &self,
        run: &mut Run,
        invoke: InvokePlugin,
        graph: &Graph,
        now: Timestamp,
    ) -> Option<Decision> {
        let attempt = Attempt::of(invoke, run, graph, now, &self.0.options.traces);
        let returned = attempt
            .make(&*self.0.plugins, &self.0.options.traces)
            .now_or_never()?;
        let command = Command::CompleteAttempt(Box::new(returned));
        decide(graph, run, command, self.0.clock.now()).ok()
    }

    /// Where a run stands when its prelude is written: when it is due, and how it is kept where it only waits.
    pub(super) fn due_after_prelude(
        &self,
        prelude: &Prelude,
        at: Timestamp,
    ) -> (Option<Timestamp>, Option<Kept>) {
        let claims = &self.0.claims;
        let now = self.0.clock.now();
        if prelude.run.status().is_finished() {
            (self.due_after_end(&prelude.run, now), None)
        } else if prelude.has_more {
            (Some(claims.in_hand(at, at)), None)
        } else {
            let kept = prelude.run.wake_at().map(|at| claims.waiting(at, now));
            (kept.map(|kept| kept.due_at), kept)
        }
    }

    /// A run is written with its prelude: goes on with it, or leaves it to the clock.
    pub(super) fn leave_prelude(
        &self,
        held: Held<'_>,
        prelude: &Prelude,
        (due_at, wait): (Option<Timestamp>, Option<Kept>),
    ) {
        let run = &prelude.run;
        self.note_written(run, &prelude.records);
        let until = due_at.unwrap_or(Timestamp::EPOCH);
        held.handle().claim(until);
        if run.status().is_finished() {
            self.announce_end(run);
        }
        // Whoever has found it in the store since has knocked.
        let is_asked_for = held.leave().is_some();
        if let (Some(until), Some(at)) = (wait.and_then(|kept| kept.until), run.wake_at()) {
            let run = run.id();
            self.0.schedule.add(Soon { at, run, until });
        }
        if prelude.has_more || is_asked_for {
            self.hand_on(WorkItem {
                run: run.id(),
                known: Known::Claimed { until },
            });
        }
    }
}

impl Engine {
    /// Whether carrying these out acts on nothing.
    pub(super) fn are_pure(&self, effects: &[Effect]) -> bool {
        let plugins = &self.0.plugins;
        effects.iter().all(|effect| match effect {
            Effect::InvokePlugin(invoke) => plugins.is_pure(&invoke.pin.digest),
            Effect::StartRun(_) | Effect::CancelRun { .. } | Effect::StopAttempts => false,
        })
    }
}
