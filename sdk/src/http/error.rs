//! Why a request got no answer.

use std::fmt;

use crate::Failure;

/// Why a request got no answer. As a [`Failure`] it says whether another attempt is worth it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not granted; the text names the line that would grant it.
    Denied(String),
    /// The request itself is wrong: its method, its URL, a header.
    InvalidRequest(String),
    /// The name does not resolve.
    Dns(String),
    /// No connection: refused, unreachable, reset.
    Connect(String),
    /// The certificate or the handshake.
    Tls(String),
    /// Not done in time.
    Timeout,
    /// The answer is larger than the limit, in bytes.
    ResponseTooLarge(u64),
    /// Too many redirects, or one without a usable location.
    Redirect(String),
    /// The other side broke the protocol.
    Protocol(String),
    /// None of these.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(reason) => write!(f, "request denied: {reason}"),
            Error::InvalidRequest(reason) => write!(f, "invalid request: {reason}"),
            Error::Dns(reason) => write!(f, "name not resolved: {reason}"),
            Error::Connect(reason) => write!(f, "no connection: {reason}"),
            Error::Tls(reason) => write!(f, "no secure connection: {reason}"),
            Error::Timeout => f.write_str("no answer in time"),
            Error::ResponseTooLarge(max) => {
                write!(f, "the answer is larger than the limit of {max} bytes")
            }
            Error::Redirect(reason) => write!(f, "redirect not followed: {reason}"),
            Error::Protocol(reason) => write!(f, "the other side broke the protocol: {reason}"),
            Error::Other(reason) => write!(f, "request failed: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    /// | error | kind | code |
    /// |---|---|---|
    /// | `Denied` | permanent | `http-denied` |
    /// | `InvalidRequest` | permanent | `invalid-request` |
    /// | `Dns`, `Connect`, `Tls`, `Protocol`, `Other` | retryable | `dns-error`, `connect-error`, `tls-error`, `protocol-error`, `http-error` |
    /// | `Timeout` | timeout | `timeout` |
    /// | `ResponseTooLarge` | permanent | `response-too-large` |
    /// | `Redirect` | permanent | `redirect-error` |
    fn from(error: Error) -> Failure {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Failure::permanent("http-denied", message),
            Error::InvalidRequest(_) => Failure::permanent("invalid-request", message),
            Error::Dns(_) => Failure::retryable("dns-error", message),
            Error::Connect(_) => Failure::retryable("connect-error", message),
            // A certificate is renewed and a handshake cut off more often than either is wrong for good.
            Error::Tls(_) => Failure::retryable("tls-error", message),
            Error::Timeout => Failure::timeout("timeout", message),
            Error::ResponseTooLarge(_) => Failure::permanent("response-too-large", message),
            Error::Redirect(_) => Failure::permanent("redirect-error", message),
            Error::Protocol(_) => Failure::retryable("protocol-error", message),
            Error::Other(_) => Failure::retryable("http-error", message),
        }
    }
}
