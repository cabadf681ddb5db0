//! What an invocation came to: done, or to be continued.

use std::time::Duration;

use serde::Serialize;

use crate::Failure;
use crate::clock::Timestamp;

/// What an invocation came to.
///
/// Waiting is a value: a suspended step costs the host a row in a table, and nothing of the connector stays in memory.
///
/// ```
/// # use std::time::Duration;
/// # use millwork_sdk::{Failure, Outcome};
/// # fn poll(done: bool, round: u32) -> Result<Outcome<&'static str>, Failure> {
/// if done {
///     return Ok(Outcome::completed("it is there"));
/// }
/// Ok(Outcome::suspend_for(Duration::from_secs(30)).state(&(round + 1))?.into())
/// # }
/// # poll(false, 1).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// Done; the output of the step.
    Completed(T),
    /// To be continued.
    Suspended(Suspension<T>),
}

/// How a suspended step goes on. Without another word the action is invoked again, with
/// [`Context::resumed`](crate::Context::resumed) set.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspension<T> {
    pub(crate) until: Until,
    pub(crate) state: Vec<u8>,
    pub(crate) then: Then<T>,
}

/// What a suspended step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A point in time; one in the past is due at once.
    At(Timestamp),
    /// A span of time from when the host receives this.
    After(Duration),
    /// A named signal to the run, for at most this long; for ever where absent.
    Signal(String, Option<Duration>),
}

/// What happens on waking.
#[derive(Clone, Debug, PartialEq)]
pub enum Then<T> {
    /// The action is invoked again.
    CallAgain,
    /// The step completes with this output, without another call.
    Complete(T),
}

impl<T> Outcome<T> {
    /// Done, with this output.
    pub fn completed(output: T) -> Outcome<T> {
        Outcome::Completed(output)
    }

    /// Waits until a point in time; one in the past is due at once.
    pub fn suspend_until(time: Timestamp) -> Suspension<T> {
        Suspension::new(Until::At(time))
    }

    /// Waits for a span of time from when the host receives this. The contract counts milliseconds: what is left
    /// over is rounded up, since a wait may end late but never early.
    pub fn suspend_for(span: Duration) -> Suspension<T> {
        Suspension::new(Until::After(span))
    }

    /// Waits for a named signal to the run, for at most `timeout`; for ever where it is `None`.
    pub fn wait_for_signal(name: impl Into<String>, timeout: Option<Duration>) -> Suspension<T> {
        Suspension::new(Until::Signal(name.into(), timeout))
    }

    /// The same outcome with another output.
    pub(crate) fn try_map<U, E>(
        self,
        mut map: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Outcome<U>, E> {
        let Suspension { until, state, then } = match self {
            Outcome::Completed(output) => return Ok(Outcome::Completed(map(output)?)),
            Outcome::Suspended(suspension) => suspension,
        };
        let then = match then {
            Then::CallAgain => Then::CallAgain,
            Then::Complete(output) => Then::Complete(map(output)?),
        };
        Ok(Outcome::Suspended(Suspension { until, state, then }))
    }
}

impl<T> Suspension<T> {
    fn new(until: Until) -> Suspension<T> {
        Suspension {
            until,
            state: Vec::new(),
            then: Then::CallAgain,
        }
    }

    /// Keeps a value for the next call, where [`Resume::state`](crate::Resume::state) gives it back.
    pub fn state(self, state: &impl Serialize) -> Result<Suspension<T>, Failure> {
        let bytes = serde_json::to_vec(state).map_err(|error| {
            Failure::permanent(
                "invalid-state",
                format!("the state does not serialize: {error}"),
            )
        })?;
        Ok(self.state_bytes(bytes))
    }

    /// Keeps bytes for the next call, where [`Resume::state_bytes`](crate::Resume::state_bytes) gives them back.
    pub fn state_bytes(mut self, state: impl Into<Vec<u8>>) -> Suspension<T> {
        self.state = state.into();
        self
    }

    /// On waking, completes the step with this output instead of invoking the action again.
    pub fn then_complete(mut self, output: T) -> Suspension<T> {
        self.then = Then::Complete(output);
        self
    }

    /// What it waits for.
    pub fn until(&self) -> &Until {
        &self.until
    }

    /// What happens on waking.
    pub fn then(&self) -> &Then<T> {
        &self.then
    }

    /// The state kept for the next call.
    pub fn kept(&self) -> &[u8] {
        &self.state
    }
}

impl<T> From<Suspension<T>> for Outcome<T> {
    fn from(suspension: Suspension<T>) -> Outcome<T> {
        Outcome::Suspended(suspension)
    }
}
