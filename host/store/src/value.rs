//! The small values that connectors keep between runs.

/// Where a connector's value lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueKey {
    /// The plugin's name.
    pub plugin: String,
    /// The workflow's name.
    pub workflow: String,
    /// The connector's own key.
    pub key: String,
}

/// A connector's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// From one; grows with every write.
    pub version: u64,
}

/// What a writer expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

impl Expected {
    /// Whether what was found, by its version, is what the writer expects.
    #[must_use]
    pub fn allows(self, found: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version),
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written; its version.
    Version(u64),
    /// It is deleted.
    Deleted,
    /// Something else is there: its version, or nothing.
    Conflict(Option<u64>),
}
