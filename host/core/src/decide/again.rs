//! A run that has ended is done again, from somewhere on.
//!
//! What is done again: what is named; what failed or was cut off; what was undone; and all that comes after any of these,
//! since it was made of what they gave. What closed the run is forgotten. The rest stays as it is, and is not done again.

use std::collections::{BTreeMap, BTreeSet};

use super::progress::{is_done, iteration_key, key};
use super::{Deciding, Rejection};
use crate::command::{From, Retry};
use crate::definition::unknown;
use crate::event::Event;
use crate::graph::{NodeIndex, Stage};
use crate::run::{Phase, RunStatus};
use crate::step::StepKey;

/// What is done again of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Iterations(BTreeSet<u32>),
}

/// What is done again, by step.
#[derive(Default)]
struct Again(BTreeMap<NodeIndex, Part>);

impl Again {
    fn whole(&mut self, index: NodeIndex) {
        self.0.insert(index, Part::Whole);
    }

    fn iteration(&mut self, index: NodeIndex, iteration: u32) {
        let part = self
            .0
            .entry(index)
            .or_insert_with(|| Part::Iterations(BTreeSet::new()));
        if let Part::Iterations(iterations) = part {
            iterations.insert(iteration);
        }
    }

    fn add(&mut self, index: NodeIndex, iteration: Option<u32>) {
        match iteration {
            None => self.whole(index),
            Some(iteration) => self.iteration(index, iteration),
        }
    }
}

impl Deciding<'_> {
    pub(super) fn retry(&mut self, retry: Retry) -> Result<(), Rejection> {
        let status = self.run.status();
        if !status.is_finished() {
            let run = self.run.id();
            return Err(Rejection::NotFinished { run, status });
        }
        let Retry {
            from,
            version,
            plugins,
        } = retry;
        let reset = match from {
            From::Start => self.everything(),
            From::Failure if status == RunStatus::Success => {
                return Err(Rejection::NothingToRetry { run: self.run.id() });
            }
            From::Failure => self.what_is_done_again(Again::default()),
            From::Step(step) => {
                let mut again = Again::default();
                again.add(self.find_named(&step)?, step.iteration);
                self.what_is_done_again(again)
            }
        };
        self.record(Event::RunRetried {
            reset,
            version: (version != self.run.version()).then_some(version),
            plugins: plugins.filter(|plugins| **plugins != *self.run.plugins()),
            deadline: self.graph.deadline(self.now),
        });
        Ok(())
    }

    fn find_named(&self, step: &StepKey) -> Result<NodeIndex, Rejection> {
        let refuse = |message: String| Rejection::UnknownStep {
            run: self.run.id(),
            message,
        };
        let course = self.graph.stage(Stage::Steps);
        let names = || course.clone().map(|index| &*self.graph.node(index).name);
        let found = self.graph.find(&step.name);
        let index = found
            .filter(|index| course.contains(index))
            .ok_or_else(|| refuse(unknown("step", &step.name, names())))?;
        let Some(iteration) = step.iteration else {
            return Ok(index);
        };
        let length = self.run.find_loop(&step.name).map(crate::run::Loop::length);
        match length {
            Some(length) if iteration < length => Ok(index),
            Some(length) => Err(refuse(format!(
                "step \"{}\" has {length} iterations, counted from 0, and no iteration {iteration}",
                step.name
            ))),
            None => Err(refuse(format!(
                "step \"{}\" has no iterations in this run; name the step alone",
                step.name
            ))),
        }
    }

    fn everything(&self) -> Vec<StepKey> {
        let keys = self.run.steps().map(|(key, _)| self.whole(key));
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What has to be named so that a step is forgotten: of a loop, the loop.
    fn whole(&self, key: &StepKey) -> StepKey {
        match self.run.find_loop(&key.name) {
            Some(_) => StepKey::of(key.name.clone()),
            None => key.clone(),
        }
    }

    /// Whether anything has been recorded of a step.
    fn is_known(&self, key: &StepKey) -> bool {
        let is_loop = key.iteration.is_none() && self.run.find_loop(&key.name).is_some();
        is_loop || self.run.step(key).is_some()
    }

    fn what_is_done_again(&self, mut again: Again) -> Vec<StepKey> {
        let course = self.graph.stage(Stage::Steps);
        for index in course.clone() {
            self.add_undone(index, &mut again);
        }
        for key in self.run.succeeded() {
            if let Some(index) = self.graph.find(&key.name)
                && self.was_undone(index, key)
            {
                again.add(index, key.iteration);
            }
        }
        let mut next: Vec<NodeIndex> = again.0.keys().copied().collect();
        while let Some(index) = next.pop() {
            for &after in &self.graph.node(index).dependents {
                if again.0.get(&after) != Some(&Part::Whole) {
                    again.whole(after);
                    next.push(after);
                }
            }
        }
        // What is known of steps that are not in the course, or not in the workflow any more, is of the end that is taken
        // back, or of no use.
        let is_of_course = |key: &StepKey| matches!(self.graph.find(&key.name), Some(index) if course.contains(&index));
        let other: BTreeSet<StepKey> = self
            .run
            .steps()
            .filter(|(key, _)| !is_of_course(key))
            .map(|(key, _)| self.whole(key))
            .collect();
        let of_course = again.0.into_iter().flat_map(|(index, part)| {
            let node = self.graph.node(index);
            match part {
                Part::Whole => vec![key(node)],
                Part::Iterations(iterations) => {
                    let iterations = iterations.into_iter();
                    iterations.map(|i| iteration_key(node, i)).collect()
                }
            }
        });
        let known = of_course.filter(|key| self.is_known(key));
        known.chain(other).collect()
    }

    /// Adds what has begun of a step and is not done.
    fn add_undone(&self, index: NodeIndex, again: &mut Again) {
        let node = self.graph.node(index);
        if is_done(node, self.run) {
            return;
        }
        match self.run.find_loop(&node.name) {
            Some(found) if node.each.is_some() => {
                for &iteration in found.open() {
                    again.iteration(index, iteration);
                }
            }
            _ => again.whole(index),
        }
    }

    /// Whether what a step had done was undone.
    fn was_undone(&self, index: NodeIndex, key: &StepKey) -> bool {
        let Some(undo) = self.graph.node(index).compensate else {
            return false;
        };
        let undo = StepKey {
            name: self.graph.node(undo).name.clone(),
            iteration: key.iteration,
        };
        let undo = self.run.step(&undo);
        undo.is_some_and(|step| matches!(step.phase, Phase::Succeeded { .. }))
    }
}
