//! The host's functions, under the names that the crate's modules call.

use super::bindings::millwork::{
    clock, http as wit_http, kv as wit_kv, log as wit_log, random, secrets as wit_secrets,
};
use super::convert::millis_ceil;
use crate::http::{self, Request, Response};
use crate::kv::{self, Entry, Expected};
use crate::log::Level;
use crate::secrets;

pub(crate) fn now() -> u64 {
    clock::clock::now()
}

pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    random::random::bytes(count)
}

pub(crate) fn log_write(level: Level, message: &str, fields: &[(String, String)]) {
    use wit_log::log::Level as Wit;
    let level = match level {
        Level::Trace => Wit::Trace,
        Level::Debug => Wit::Debug,
        Level::Info => Wit::Info,
        Level::Warn => Wit::Warn,
        Level::Error => Wit::Error,
    };
    wit_log::log::write(level, message, fields);
}

pub(crate) fn http_send(request: Request) -> Result<Response, http::Error> {
    let request = wit_http::client::Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        timeout: request.timeout.map(millis_ceil),
        redirects: request.redirects,
    };
    match wit_http::client::send(&request) {
        Ok(wit_http::client::Response {
            status,
            headers,
            body,
            url,
        }) => Ok(Response {
            status,
            headers,
            body,
            url,
        }),
        Err(error) => Err(error.into()),
    }
}

impl From<wit_http::client::HttpError> for http::Error {
    fn from(error: wit_http::client::HttpError) -> http::Error {
        use wit_http::client::HttpError as Wit;
        match error {
            Wit::Denied(reason) => http::Error::Denied(reason),
            Wit::InvalidRequest(reason) => http::Error::InvalidRequest(reason),
            Wit::Dns(reason) => http::Error::Dns(reason),
            Wit::Connect(reason) => http::Error::Connect(reason),
            Wit::Tls(reason) => http::Error::Tls(reason),
            Wit::Timeout => http::Error::Timeout,
            Wit::ResponseTooLarge(max) => http::Error::ResponseTooLarge(max),
            Wit::Redirect(reason) => http::Error::Redirect(reason),
            Wit::Protocol(reason) => http::Error::Protocol(reason),
            Wit::Other(reason) => http::Error::Other(reason),
        }
    }
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Entry>, kv::Error> {
    let entry = wit_kv::kv::get(key)?;
    Ok(entry.map(|wit_kv::kv::Entry { value, version }| Entry { value, version }))
}

pub(crate) fn kv_set(key: &str, value: &[u8], expected: Expected) -> Result<u64, kv::Error> {
    Ok(wit_kv::kv::set(key, value, expected.into())?)
}

pub(crate) fn kv_delete(key: &str, expected: Expected) -> Result<(), kv::Error> {
    Ok(wit_kv::kv::delete(key, expected.into())?)
}

impl From<Expected> for wit_kv::kv::Expectation {
    fn from(expected: Expected) -> wit_kv::kv::Expectation {
        match expected {
            Expected::Any => wit_kv::kv::Expectation::Any,
            Expected::Absent => wit_kv::kv::Expectation::Absent,
            Expected::Version(version) => wit_kv::kv::Expectation::Version(version),
        }
    }
}

impl From<wit_kv::kv::Error> for kv::Error {
    fn from(error: wit_kv::kv::Error) -> kv::Error {
        use wit_kv::kv::Error as Wit;
        match error {
            Wit::Denied(reason) => kv::Error::Denied(reason),
            Wit::Conflict(version) => kv::Error::Conflict(version),
            Wit::TooLarge(max) => kv::Error::TooLarge(max),
            Wit::Unavailable(reason) => kv::Error::Unavailable(reason),
        }
    }
}

pub(crate) fn secret_placeholder(name: &str) -> Result<String, secrets::Error> {
    Ok(wit_secrets::secrets::placeholder(name)?)
}

pub(crate) fn secret_reveal(name: &str) -> Result<String, secrets::Error> {
    Ok(wit_secrets::secrets::reveal(name)?)
}

impl From<wit_secrets::secrets::Error> for secrets::Error {
    fn from(error: wit_secrets::secrets::Error) -> secrets::Error {
        match error {
            wit_secrets::secrets::Error::Denied(reason) => secrets::Error::Denied(reason),
            wit_secrets::secrets::Error::Unavailable(reason) => secrets::Error::Unavailable(reason),
        }
    }
}
