//! What is to be done outside. An order to the host: it may be carried out more than once, under the same key.

use std::time::Duration;

use crate::event::Pin;
use crate::id::RunId;
use crate::json::Json;
use crate::outcome::Resume;
use crate::step::StepKey;

/// What is to be done outside, once the events beside it are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make an attempt at a step.
    InvokePlugin(Box<InvokePlugin>),
    /// Interrupt every attempt that is still under way: the run has ended.
    StopAttempts,
}

/// An attempt to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokePlugin {
    /// The step.
    pub step: StepKey,
    /// Which attempt, from one.
    pub attempt: u32,
    /// The exact plugin and action.
    pub pin: Pin,
    /// The configuration, evaluated.
    pub config: Json,
    /// How long the attempt may take.
    pub timeout: Duration,
    /// What woke it, where it had been suspended.
    pub resumed: Option<Resume>,
}

/// The key under which an attempt acts on the world: the same for every attempt at a step of a run.
#[must_use]
pub fn idempotency_key(run: RunId, step: &StepKey) -> String {
    match step.iteration {
        None => format!("{run}/{}", step.name),
        Some(iteration) => format!("{run}/{}/{iteration}", step.name),
    }
}
