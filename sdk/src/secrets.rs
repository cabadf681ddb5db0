//! Values that a connector may use without seeing them.
//!
//! Prefer [`placeholder`]: it stands in a request in the secret's place, and the host puts the value there on the way
//! out, to hosts for which it is granted. A connector that never holds a secret cannot leak it.

use std::fmt;

use crate::Failure;

/// A placeholder for the named secret, for the URL, the headers or the body of a request.
pub fn placeholder(name: &str) -> Result<String, Error> {
    crate::host::secret_placeholder(name)
}

/// The value itself: a grant of its own.
pub fn reveal(name: &str) -> Result<Secret, Error> {
    crate::host::secret_reveal(name).map(Secret)
}

/// A secret's value, which does not print by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not granted, or unknown.
    Denied(String),
    /// The store did not answer; another attempt may work.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(reason) => write!(f, "secret denied: {reason}"),
            Error::Unavailable(reason) => {
                write!(f, "the store of secrets did not answer: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Failure::permanent("secret-denied", message),
            Error::Unavailable(_) => Failure::retryable("secrets-unavailable", message),
        }
    }
}
