//! How far a run has come, seen with its graph: what is ready, and what is left.
//!
//! All of it follows from the journal and the graph. It is worked out once when a run is read, and kept up while it goes
//! on, so that the end of one step among ten thousand costs what the end of one among ten does.

use crate::graph::{Graph, Node, NodeIndex, Stage};
use crate::run::{Phase, Run};
use crate::step::StepKey;

use crate::event::End;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many of its needs each step still waits for.
    unmet: Vec<usize>,
    /// How many steps of each stage are not done.
    left: [usize; 3],
    /// What is being done.
    pub(super) stage: Stage,
    /// The first step of this stage that failed for good, where that ends the stage.
    pub(super) failed: Option<StepKey>,
    /// How much of what succeeded has not been looked at for something that undoes it.
    pub(super) undo_left: usize,
    /// The compensation that is under way or waits.
    pub(super) undoing: Option<StepKey>,
}

impl Progress {
    /// Looks at all of a run.
    #[must_use]
    pub fn of(graph: &Graph, run: &Run) -> Self {
        let nodes = graph.nodes();
        let is_done: Vec<bool> = nodes.iter().map(|node| is_done(node, run)).collect();
        let unmet = nodes.iter().map(|node| {
            let needs = node.needs.iter();
            needs.filter(|&&before| !is_done[before]).count()
        });
        let left = [Stage::Steps, Stage::OnFailure, Stage::Finally]
            .map(|stage| graph.stage(stage).filter(|&index| !is_done[index]).count());
        let mut progress = Self {
            unmet: unmet.collect(),
            left,
            stage: Stage::Steps,
            failed: None,
            undo_left: run.succeeded().len(),
            undoing: None,
        };
        progress.find_stage(graph, run);
        progress
    }

    /// What is being done is what comes first of all that is left.
    fn find_stage(&mut self, graph: &Graph, run: &Run) {
        let Some(end) = run.ending() else { return };
        self.stage = Stage::Compensation;
        if has_open_steps(graph, run) {
            return;
        }
        if !matches!(end, End::Succeeded { .. }) {
            while let Some(key) = self.next_to_undo(graph, run) {
                let found = run.step(&key);
                if !found.is_some_and(|step| step.phase.is_finished()) {
                    self.undoing = Some(key);
                    return;
                }
            }
        }
        if matches!(end, End::Failed { .. }) {
            self.stage = Stage::OnFailure;
            self.failed = first_failed(graph, run, Stage::OnFailure);
            if !self.is_stage_over() {
                return;
            }
        }
        self.stage = Stage::Finally;
        self.failed = first_failed(graph, run, Stage::Finally);
    }

    /// The step that undoes what succeeded last of all that has not been looked at.
    pub(super) fn next_to_undo(&mut self, graph: &Graph, run: &Run) -> Option<StepKey> {
        while let Some(left) = self.undo_left.checked_sub(1) {
            self.undo_left = left;
            let key = run.succeeded().get(left)?;
            if let Some(undo) = graph
                .find(&key.name)
                .and_then(|at| graph.node(at).compensate)
            {
                return Some(StepKey {
                    name: graph.node(undo).name.clone(),
                    iteration: key.iteration,
                });
            }
        }
        None
    }

    /// Whether nothing is left of this stage that may still be done.
    pub(super) fn is_stage_over(&self) -> bool {
        self.failed.is_some() || self.left[place(self.stage)] == 0
    }

    /// Whether all that a step needs is done.
    pub(super) fn is_free(&self, index: NodeIndex) -> bool {
        self.unmet[index] == 0
    }

    /// A step is done. Returns those that waited for nothing else.
    pub(super) fn finish<'g>(
        &mut self,
        graph: &'g Graph,
        index: NodeIndex,
    ) -> impl Iterator<Item = NodeIndex> + use<'_, 'g> {
        let node = graph.node(index);
        if node.stage != Stage::Compensation {
            self.left[place(node.stage)] -= 1;
        }
        let unmet = &mut self.unmet;
        node.dependents.iter().copied().filter(move |&dependent| {
            unmet[dependent] -= 1;
            unmet[dependent] == 0
        })
    }

    /// The steps of this stage that are under way or wait, or whose turn has come.
    pub(super) fn open_keys(&self, graph: &Graph, run: &Run) -> Vec<(NodeIndex, StepKey)> {
        let recorded = run.open_steps().filter_map(|key| {
            let index = graph.find(&key.name)?;
            (graph.node(index).stage == self.stage).then(|| (index, key.clone()))
        });
        let mut keys: Vec<_> = recorded.collect();
        if run.status().is_finished() {
            return keys;
        }
        let is_new = |key: &StepKey| run.step(key).is_none();
        if self.stage == Stage::Compensation {
            let undoing = self.undoing.iter().filter(|key| is_new(key));
            keys.extend(undoing.filter_map(|key| Some((graph.find(&key.name)?, key.clone()))));
            return keys;
        }
        if self.failed.is_some() {
            return keys;
        }
        let free = graph.stage(self.stage).filter(|&index| self.is_free(index));
        for index in free {
            let node = graph.node(index);
            match run.find_loop(&node.name) {
                None => keys.extend(Some((index, key(node))).filter(|(_, key)| is_new(key))),
                Some(found) => {
                    let open = found.open().iter().map(|&i| iteration_key(node, i));
                    keys.extend(open.filter(is_new).map(|key| (index, key)));
                }
            }
        }
        keys
    }

    /// Whether anything of the run is being done, or is to be.
    pub(super) fn is_anything_under_way(&self, graph: &Graph, run: &Run) -> bool {
        let runs = |key: &StepKey| {
            let step = run.step(key);
            step.is_some_and(|step| matches!(step.phase, Phase::Running { .. }))
        };
        let has_turn = || {
            let keys = self.open_keys(graph, run);
            keys.iter().any(|(_, key)| run.step(key).is_none())
        };
        run.open_steps().any(runs) || (run.paused_at().is_none() && has_turn())
    }

    /// Whether an attempt at a step is being made, or is to be.
    #[must_use]
    pub fn is_under_way(&self, graph: &Graph, run: &Run, key: &StepKey) -> bool {
        match run.step(key) {
            Some(step) => matches!(step.phase, Phase::Running { .. }),
            None => self.is_ready(graph, run, key),
        }
    }

    /// Whether a step's turn has come and nothing of it has been recorded.
    pub(super) fn is_ready(&self, graph: &Graph, run: &Run, key: &StepKey) -> bool {
        let Some(index) = graph.find(&key.name) else {
            return false;
        };
        let node = graph.node(index);
        if run.step(key).is_some() || run.status().is_finished() || node.stage != self.stage {
            return false;
        }
        match (node.stage, key.iteration) {
            (Stage::Compensation, _) => self.undoing.as_ref() == Some(key),
            _ if self.failed.is_some() => false,
            (_, None) => node.each.is_none() && self.is_free(index),
            (_, Some(iteration)) => run
                .find_loop(&key.name)
                .is_some_and(|found| found.open().contains(&iteration)),
        }
    }
}

const fn place(stage: Stage) -> usize {
    match stage {
        Stage::Steps | Stage::Compensation => 0,
        Stage::OnFailure => 1,
        Stage::Finally => 2,
    }
}

/// Whether what waits for a step may begin: it, or all its iterations, are done.
pub(super) fn is_done(node: &Node, run: &Run) -> bool {
    match run.find_loop(&node.name) {
        Some(found) => found.is_done(),
        None => run
            .step(&key(node))
            .is_some_and(|step| step.phase.is_done()),
    }
}

/// Whether a step of the course has begun and not come to its end: where it is known how the run ends, that is one that
/// waits for another run.
pub(super) fn has_open_steps(graph: &Graph, run: &Run) -> bool {
    run.open_steps().any(|key| {
        let index = graph.find(&key.name);
        index.is_some_and(|index| graph.node(index).stage == Stage::Steps)
    })
}

/// The first step of a stage that failed for good.
fn first_failed(graph: &Graph, run: &Run, stage: Stage) -> Option<StepKey> {
    let has_failed = |key: &StepKey| {
        run.step(key)
            .is_some_and(|step| matches!(step.phase, Phase::Failed { .. }) && !step.phase.is_done())
    };
    graph.stage(stage).find_map(|index| {
        let node = graph.node(index);
        let open = run.find_loop(&node.name);
        let iterations = open.into_iter().flat_map(|found| found.open().iter());
        let iterations = iterations.map(|iteration| iteration_key(node, *iteration));
        std::iter::once(key(node))
            .chain(iterations)
            .find(has_failed)
    })
}

/// The key of a step that is no loop.
pub(super) fn key(node: &Node) -> StepKey {
    StepKey {
        name: node.name.clone(),
        iteration: None,
    }
}

pub(super) fn iteration_key(node: &Node, iteration: u32) -> StepKey {
    StepKey {
        name: node.name.clone(),
        iteration: Some(iteration),
    }
}
