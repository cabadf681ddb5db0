//! The runs for which steps of a run wait.

use std::collections::BTreeMap;

use crate::id::RunId;
use crate::json::Json;
use crate::run::RunStatus;
use crate::step::StepKey;

/// How a run ended for which a step waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Which run.
    pub run: RunId,
    /// How.
    pub status: RunStatus,
    /// Its result, where it succeeded and has one.
    pub output: Option<Json>,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
}

/// The runs for which steps wait, and the ends that have been told and not been taken. An end may be told before the
/// step is known to wait for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Children {
    open: BTreeMap<StepKey, RunId>,
    ended: BTreeMap<StepKey, Ended>,
}

impl Children {
    pub(super) fn wait(&mut self, step: &StepKey, run: RunId) {
        self.open.insert(step.clone(), run);
    }

    pub(super) fn end(&mut self, step: &StepKey, ended: Ended) {
        if self.open.get(step) == Some(&ended.run) {
            self.open.remove(step);
        }
        self.ended.insert(step.clone(), ended);
    }

    /// The step has taken the end, and looks for it no more.
    pub(super) fn take(&mut self, step: &StepKey) {
        self.ended.remove(step);
    }

    /// The step is to be done again. A run that it waited for goes on without it.
    pub(super) fn forget(&mut self, step: &StepKey) {
        self.open.remove(step);
        self.ended.remove(step);
    }

    /// The runs that are waited for and have not been heard of.
    pub fn open(&self) -> impl Iterator<Item = (&StepKey, RunId)> {
        self.open.iter().map(|(step, run)| (step, *run))
    }

    /// The end that a step waits for, if it has been told.
    #[must_use]
    pub fn ended(&self, step: &StepKey) -> Option<&Ended> {
        self.ended.get(step)
    }
}
