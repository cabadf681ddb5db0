//! Where and for whom an action runs.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Failure;
use crate::clock::Timestamp;

/// Where and for whom an action runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub(crate) run_id: String,
    pub(crate) workflow: String,
    pub(crate) step: String,
    pub(crate) iteration: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: String,
    pub(crate) deadline: Timestamp,
    pub(crate) trace_parent: Option<String>,
    pub(crate) resumed: Option<Resume>,
}

impl Context {
    /// The run, as a UUID.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The name of the workflow.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The name of the step.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Which iteration of a loop this is, from zero.
    pub fn iteration(&self) -> Option<u32> {
        self.iteration
    }

    /// Which attempt at the step this is, from one.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The same over all attempts and restarts: hand it on, so that a second attempt can be harmless.
    pub fn idempotency_key(&self) -> &str {
        &self.idempotency_key
    }

    /// When the host will give up on this call.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The W3C trace context to continue.
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_deref()
    }

    /// What woke the step, where this call continues a suspended one.
    pub fn resumed(&self) -> Option<&Resume> {
        self.resumed.as_ref()
    }
}

/// What woke a suspended step, and the state that it left.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    pub(crate) cause: Wake,
    pub(crate) state: Vec<u8>,
}

impl Resume {
    /// Why the step goes on.
    pub fn cause(&self) -> &Wake {
        &self.cause
    }

    /// The state, read back as what [`Suspension::state`](crate::Suspension::state) was given.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.state).map_err(|error| {
            Failure::permanent(
                "invalid-state",
                format!("the saved state does not read back: {error}"),
            )
        })
    }

    /// The state as bytes, for [`Suspension::state_bytes`](crate::Suspension::state_bytes).
    pub fn state_bytes(&self) -> &[u8] {
        &self.state
    }
}

/// Why a suspended step goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Wake {
    /// The time has come.
    Timer,
    /// The signal has arrived.
    Signal(Signal),
    /// The signal did not arrive in time.
    SignalTimeout,
}

/// A signal that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What came with it; null where nothing did.
    pub payload: Value,
}
