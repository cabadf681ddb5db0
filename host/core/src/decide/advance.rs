//! What the state of a run asks for: begin what is free, and where a stage is over, go on to the next.
//!
//! ```text
//! steps ──all done──────────────────────────────────────────▶ finally ─▶ success
//!   │                                                            ▲
//!   └─one failed, or the time is up──▶ compensation ─▶ on_failure ┤      ▶ failed
//!   └─cancelled──────────────────────▶ compensation ──────────────┘      ▶ cancelled
//! ```

use super::progress::{has_open_steps, iteration_key, key};
use super::scope::RunScope;
use super::{Deciding, Turn};
use crate::effect::Effect;
use crate::event::{End, Event};
use crate::graph::{NodeIndex, Stage, Work};
use crate::outcome::Failure;
use crate::run::Phase;
use crate::step::StepKey;

impl Deciding<'_> {
    /// Does all that can be done now. Nothing, while somebody holds the run.
    pub(super) fn advance(&mut self) {
        loop {
            if self.run.status().is_finished() || self.run.paused_at().is_some() {
                return;
            }
            if self.progress.stage == Stage::Steps && self.run.failed().is_some() {
                self.ready.clear();
            }
            let goes_on = match self.ready.pop_front() {
                Some(turn) => self.take_turn(turn),
                None => match self.progress.stage {
                    Stage::Steps => self.end_course(),
                    Stage::Compensation => self.undo_next(),
                    Stage::OnFailure => self.end_on_failure(),
                    Stage::Finally => self.end_run(),
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Begins what has been set free, before anything else is looked at.
    pub(super) fn advance_turns(&mut self) {
        while let Some(turn) = self.ready.pop_front() {
            if self.run.failed().is_some() && self.progress.stage == Stage::Steps {
                self.ready.clear();
            } else {
                self.take_turn(turn);
            }
        }
    }

    fn take_turn(&mut self, turn: Turn) -> bool {
        let (Turn::Node(index) | Turn::Iteration(index, _)) = turn;
        // What was set free by the last that was done of a stage that is over, or has failed, does not begin.
        if self.graph.node(index).stage == self.progress.stage && self.progress.failed.is_none() {
            match turn {
                Turn::Node(index) => self.begin(index),
                Turn::Iteration(index, iteration) => self.begin_iteration(index, iteration),
            }
        }
        true
    }

    /// Ends the course of a run, where it is over. Returns whether there is more to decide.
    fn end_course(&mut self) -> bool {
        if let Some(step) = self.run.failed().cloned() {
            let end = self.failed_at(step);
            self.turn(end);
            return true;
        }
        let limit = self.graph.limits.events_max;
        if self.run.next_seq() > limit {
            self.turn(End::Failed {
                step: None,
                code: "journal-full".to_owned(),
                message: format!(
                    "the run has come to {} events, the limit is {limit} (limits.run_events_max)",
                    self.run.next_seq()
                ),
            });
            return true;
        }
        if !self.progress.is_stage_over() {
            return false;
        }
        let output = self.graph.output.as_ref();
        let output = output.map(|output| output.render(&RunScope::of_run(self.graph, self.run)));
        match output.transpose() {
            Err(error) => self.turn(End::Failed {
                step: None,
                code: "output-failed".to_owned(),
                message: format!("the output of the workflow has no value: {error}"),
            }),
            Ok(output) if self.graph.stage(Stage::Finally).is_empty() => {
                self.record(Event::RunSucceeded { output });
            }
            Ok(output) => {
                let end = End::Succeeded { output };
                self.record(Event::EndBegan { end });
                self.enter(Stage::Finally);
            }
        }
        true
    }

    fn failed_at(&self, step: StepKey) -> End {
        let failure = match self.run.step(&step).map(|step| &step.phase) {
            Some(Phase::Failed { failure, .. }) => failure.clone(),
            // A step that failed is known to have.
            _ => Failure::permanent("failed", "the step failed"),
        };
        End::Failed {
            step: Some(step),
            code: failure.code,
            message: failure.message,
        }
    }

    /// Turns the run from its course to an end that is no success.
    pub(super) fn turn(&mut self, end: End) {
        self.stop_course();
        if self.ends_at_once(&end) {
            return self.record(end_of(end));
        }
        self.record(Event::EndBegan { end });
        self.begin_end();
    }

    /// Ends every step of the course that has begun, but for those that wait for another run: its end comes first.
    pub(super) fn stop_course(&mut self) {
        for (index, key) in self.open_keys() {
            if !self.waits_for_run(index, &key) {
                self.record(Event::StepCancelled { step: key });
            }
        }
        // What this decision was about to begin need not begin.
        self.decision.effects = vec![Effect::StopAttempts];
        self.ready.clear();
    }

    /// Ends every step of this stage that has begun.
    pub(super) fn stop_stage(&mut self) {
        for (_, key) in self.open_keys() {
            self.record(Event::StepCancelled { step: key });
        }
        self.decision.effects = vec![Effect::StopAttempts];
        self.ready.clear();
    }

    /// Whether nothing is to be done before the run ends so.
    pub(super) fn ends_at_once(&self, end: &End) -> bool {
        let undoes = || {
            let mut seen = self.progress.clone();
            seen.undo_left = self.run.succeeded().len();
            seen.next_to_undo(self.graph, self.run).is_some()
        };
        let is_failure = matches!(end, End::Failed { .. });
        self.graph.stage(Stage::Finally).is_empty()
            && (!is_failure || self.graph.stage(Stage::OnFailure).is_empty())
            && !has_open_steps(self.graph, self.run)
            && !undoes()
    }

    /// It is known how the run ends: what its steps wait for is told so.
    pub(super) fn begin_end(&mut self) {
        self.progress.stage = Stage::Compensation;
        self.progress.undo_left = self.run.succeeded().len();
        let open: Vec<StepKey> = self.run.open_steps().cloned().collect();
        for key in open {
            self.end_child_of(&key);
        }
    }

    /// Begins the next compensation. Returns whether there is more to decide.
    fn undo_next(&mut self) -> bool {
        if has_open_steps(self.graph, self.run) {
            return false;
        }
        let is_finished = |key: &StepKey| {
            let step = self.run.step(key);
            step.is_some_and(|step| step.phase.is_finished())
        };
        if let Some(undoing) = &self.progress.undoing {
            if !is_finished(undoing) {
                return false;
            }
            self.progress.undoing = None;
        }
        // What was done while the end was near is undone as well.
        match self.progress.next_to_undo(self.graph, self.run) {
            None => {
                let has_failed = matches!(self.run.ending(), Some(End::Failed { .. }));
                self.enter(if has_failed {
                    Stage::OnFailure
                } else {
                    Stage::Finally
                });
            }
            Some(undo) if is_finished(&undo) => {}
            Some(undo) => {
                if let Some(index) = self.graph.find(&undo.name) {
                    self.progress.undoing = Some(undo.clone());
                    self.begin_attempt(index, undo);
                }
            }
        }
        true
    }

    fn end_on_failure(&mut self) -> bool {
        let is_over = self.progress.is_stage_over();
        if is_over {
            self.enter(Stage::Finally);
        }
        is_over
    }

    fn end_run(&mut self) -> bool {
        if !self.progress.is_stage_over() {
            return false;
        }
        let end = match (self.run.ending(), self.progress.failed.clone()) {
            // What is to be done at the end is a part of the run.
            (Some(End::Succeeded { .. }) | None, Some(step)) => self.failed_at(step),
            (Some(end), _) => end.clone(),
            (None, None) => End::Succeeded { output: None },
        };
        self.record(end_of(end));
        true
    }

    fn enter(&mut self, stage: Stage) {
        self.progress.stage = stage;
        self.progress.failed = None;
        let free = self.graph.stage(stage);
        let free = free.filter(|&index| self.progress.is_free(index));
        self.ready.extend(free.map(Turn::Node));
    }

    /// The steps of this stage that are under way or wait, in the order of the definition.
    pub(super) fn open_keys(&self) -> Vec<(NodeIndex, StepKey)> {
        let mut keys = self.progress.open_keys(self.graph, self.run);
        keys.sort_by_key(|(index, key)| (*index, key.iteration));
        keys
    }

    /// Whether a step waits for the end of another run, or is about to.
    pub(super) fn waits_for_run(&self, index: NodeIndex, key: &StepKey) -> bool {
        let is_recorded = self.run.step(key).is_some();
        self.graph.node(index).work == Work::Workflow && is_recorded
    }

    /// Begins what is free in this stage and leaves alone what is under way here.
    pub(super) fn continue_stage(&mut self, is_here: impl Fn(&StepKey) -> bool) {
        if self.progress.stage == Stage::Compensation {
            let undoing = self.progress.undoing.clone();
            if let Some(key) = undoing.filter(|key| !is_here(key))
                && let Some(index) = self.graph.find(&key.name)
            {
                self.continue_step(index, key);
            }
            return;
        }
        if self.progress.failed.is_some() {
            return;
        }
        for index in self.graph.stage(self.progress.stage) {
            let node = self.graph.node(index);
            if !self.progress.is_free(index) {
                continue;
            }
            let Some(found) = self.run.find_loop(&node.name) else {
                let key = key(node);
                if !is_here(&key) {
                    self.continue_step(index, key);
                }
                continue;
            };
            let open: Vec<u32> = found.open().iter().copied().collect();
            for iteration in open {
                let key = iteration_key(node, iteration);
                if !is_here(&key) {
                    self.continue_step(index, key);
                }
            }
        }
    }

    fn continue_step(&mut self, index: NodeIndex, key: StepKey) {
        match self.run.step(&key).map(|step| (&step.phase, step.attempt)) {
            Some((Phase::Running { resume }, attempt)) => {
                let resume = resume.clone();
                self.continue_attempt(index, key, attempt, resume);
            }
            Some(_) => {}
            None if self.progress.stage == Stage::Compensation => self.begin_attempt(index, key),
            None => self.ready.push_back(match key.iteration {
                None => Turn::Node(index),
                Some(iteration) => Turn::Iteration(index, iteration),
            }),
        }
    }
}

fn end_of(end: End) -> Event {
    match end {
        End::Succeeded { output } => Event::RunSucceeded { output },
        End::Failed {
            step,
            code,
            message,
        } => Event::RunFailed {
            step,
            code,
            message,
        },
        End::Cancelled { reason } => Event::RunCancelled { reason },
    }
}
