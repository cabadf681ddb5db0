//! How a step is named inside a run.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One step of one run: its name, and which iteration where the step is a loop.
///
/// Written as `"fetch"`, or `["fetch", 3]` for an iteration. With the run's id it is the key of everything that the
/// step does outside: stable over attempts and restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey {
    /// The step's name in the definition.
    pub name: Arc<str>,
    /// Which iteration, from zero; absent where the step is no loop.
    pub iteration: Option<u32>,
}

impl StepKey {
    /// The key of a step that is no loop.
    #[must_use]
    pub fn of(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            iteration: None,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iteration {
            None => f.write_str(&self.name),
            Some(iteration) => write!(f, "{}[{iteration}]", self.name),
        }
    }
}

impl Serialize for StepKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.iteration {
            None => serializer.serialize_str(&self.name),
            Some(iteration) => (&*self.name, iteration).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Plain(Arc<str>),
            Iteration(Arc<str>, u32),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Plain(name) => Self {
                name,
                iteration: None,
            },
            Written::Iteration(name, iteration) => Self {
                name,
                iteration: Some(iteration),
            },
        })
    }
}
