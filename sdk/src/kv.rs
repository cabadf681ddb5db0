//! Small values that a connector keeps between calls, scoped to the connector and the workflow.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// What is kept under a key.
pub fn get(key: &str) -> Result<Option<Entry>, Error> {
    crate::host::kv_get(key)
}

/// Keeps a value, whatever was there, and returns its version.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<u64, Error> {
    set_expecting(key, value, Expected::Any)
}

/// Keeps a value as JSON, whatever was there, and returns its version.
pub fn set_json(key: &str, value: &impl Serialize) -> Result<u64, Failure> {
    let text = serde_json::to_vec(value).map_err(|error| {
        Failure::permanent(
            "invalid-value",
            format!("the value for \"{key}\" does not serialize: {error}"),
        )
    })?;
    Ok(set(key, text)?)
}

/// Keeps a value only over what is expected there (compare-and-set), and returns its version.
pub fn set_expecting(key: &str, value: impl AsRef<[u8]>, expected: Expected) -> Result<u64, Error> {
    crate::host::kv_set(key, value.as_ref(), expected)
}

/// Forgets a key; one that is absent is no error.
pub fn delete(key: &str) -> Result<(), Error> {
    delete_expecting(key, Expected::Any)
}

/// Forgets a key only where what is expected is there.
pub fn delete_expecting(key: &str, expected: Expected) -> Result<(), Error> {
    crate::host::kv_delete(key, expected)
}

/// A kept value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Changes with every write.
    pub version: u64,
}

impl Entry {
    /// The value read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.value).map_err(|error| {
            Failure::permanent(
                "invalid-value",
                format!("the kept value does not read back: {error}"),
            )
        })
    }
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

/// Why a value was not read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not granted.
    Denied(String),
    /// Something else is there; its version, or nothing where the key is absent.
    Conflict(Option<u64>),
    /// A key or value over the limit, in bytes.
    TooLarge(u64),
    /// The store did not answer; another attempt may work.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(reason) => write!(f, "kept values denied: {reason}"),
            Error::Conflict(Some(version)) => {
                write!(f, "something else was written first: version {version}")
            }
            Error::Conflict(None) => f.write_str("the key is not there any more"),
            Error::TooLarge(max) => {
                write!(f, "the key or the value is over the limit of {max} bytes")
            }
            Error::Unavailable(reason) => {
                write!(f, "the store of kept values did not answer: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Failure::permanent("kv-denied", message),
            Error::Conflict(_) => Failure::retryable("kv-conflict", message),
            Error::TooLarge(_) => Failure::permanent("kv-too-large", message),
            Error::Unavailable(_) => Failure::retryable("kv-unavailable", message),
        }
    }
}
