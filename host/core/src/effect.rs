//! What is to be done outside. An order to the host: it may be carried out more than once, under the same key.

use std::time::Duration;

use crate::event::Pin;
use crate::id::RunId;
use crate::json::Json;
use crate::outcome::Resume;
use crate::run::Run;
use crate::step::StepKey;

/// What is to be done outside, once the events beside it are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make an attempt at a step.
    InvokePlugin(Box<InvokePlugin>),
    /// Create the run that a step is, unless it exists.
    StartRun(Box<StartRun>),
    /// Cancel a run that a step waits for, unless it is ending already. Its end is told to the step as any other.
    CancelRun {
        /// Which.
        run: RunId,
    },
    /// Interrupt every attempt that is still under way: the run has ended, or turned to its end.
    StopAttempts,
}

/// An attempt to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokePlugin {
    /// The step.
    pub step: StepKey,
    /// Which attempt, from one.
    pub attempt: u32,
    /// In which round: how often the run had been retried. An answer of an earlier round is not taken.
    pub round: u32,
    /// The key under which it acts on the world.
    pub key: String,
    /// The exact plugin and action.
    pub pin: Pin,
    /// The configuration, evaluated.
    pub config: Json,
    /// How long the attempt may take.
    pub timeout: Duration,
    /// What woke it, where it had been suspended.
    pub resumed: Option<Resume>,
}

/// A run to be created. The answer is an attempt's: suspended until that run ends, or completed with its identifier where
/// the step does not wait.
#[derive(Clone, Debug, PartialEq)]
pub struct StartRun {
    /// The step.
    pub step: StepKey,
    /// Which attempt, from one.
    pub attempt: u32,
    /// In which round.
    pub round: u32,
    /// What the identifier of the new run is made of: the same key is the same run.
    pub key: String,
    /// The workflow, by name or identifier.
    pub workflow: String,
    /// Its payload.
    pub payload: Json,
    /// Whether the step waits for its end.
    pub waits: bool,
    /// How many workflows are around the new run; none where nobody waits for it.
    pub depth: u32,
}

/// The key under which an attempt acts on the world: the same for every attempt at a step of a run.
///
/// A retry of the whole run changes it only where the step is known to have come to an end of its own, which may not be
/// what is given back for the same key; where nobody knows whether it acted, the key is what keeps it from acting twice.
#[must_use]
pub fn idempotency_key(run: &Run, step: &StepKey) -> String {
    let id = run.id();
    let key = match step.iteration {
        None => format!("{id}/{}", step.name),
        Some(iteration) => format!("{id}/{}/{iteration}", step.name),
    };
    match run.keys_used(step) {
        0 => key,
        used => format!("{key}~{used}"),
    }
}
