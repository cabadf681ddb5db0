//! Every import, used once, and what its answer was.

use serde_json::{Value, json};

use crate::bindings::millwork::clock::clock;
use crate::bindings::millwork::http::client::{self, Request};
use crate::bindings::millwork::kv::kv::{self, Expectation};
use crate::bindings::millwork::log::log::{self, Level};
use crate::bindings::millwork::random::random;
use crate::bindings::millwork::secrets::secrets;

/// Sends a request that carries a secret, if it may.
pub(crate) fn http(config: &Value) -> Value {
    let mut headers = vec![("x-witness".to_owned(), "1".to_owned())];
    if let Ok(placeholder) = secrets::placeholder("token") {
        headers.push(("authorization".to_owned(), format!("Bearer {placeholder}")));
    }
    let request = Request {
        method: "POST".to_owned(),
        url: config["url"].as_str().unwrap_or_default().to_owned(),
        headers,
        body: Some(b"hello".to_vec()),
        timeout: Some(5_000),
        redirects: 1,
    };
    match client::send(&request) {
        Ok(response) => json!({
            "status": response.status,
            "headers": response.headers.len(),
            "body": String::from_utf8_lossy(&response.body),
            "url": response.url,
        }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

/// Writes over what is expected, and over what is not.
pub(crate) fn kv() -> Value {
    let first = match kv::set("key", b"one", Expectation::Absent) {
        Ok(version) => version,
        Err(error) => return json!({ "error": format!("{error:?}") }),
    };
    let conflict = kv::set("key", b"two", Expectation::Absent);
    let second = kv::set("key", b"two", Expectation::Version(first));
    let value = kv::get("key").ok().flatten().map(|entry| entry.value);
    let old = kv::delete("key", Expectation::Version(first));
    let deleted = kv::delete("key", Expectation::Any);
    json!({
        "conflict": matches!(conflict, Err(kv::Error::Conflict(Some(version))) if version == first),
        "second": matches!(&second, Ok(version) if *version > first),
        "value": String::from_utf8_lossy(&value.unwrap_or_default()),
        "old": matches!(old, Err(kv::Error::Conflict(_))),
        "deleted": deleted.is_ok(),
        "gone": matches!(kv::get("key"), Ok(None)),
    })
}

/// Mentions a secret, and looks at it.
pub(crate) fn secrets() -> Value {
    json!({
        "placeholder": secrets::placeholder("token").map_err(|error| format!("{error:?}")),
        "reveal": secrets::reveal("token").map_err(|error| format!("{error:?}")),
    })
}

/// Speaks at every level.
pub(crate) fn log() -> Value {
    let levels = [
        (Level::Trace, "trace"),
        (Level::Debug, "debug"),
        (Level::Info, "info"),
        (Level::Warn, "warn"),
        (Level::Error, "error"),
    ];
    for (level, name) in levels {
        log::write(level, name, &[("field".to_owned(), "value".to_owned())]);
    }
    Value::Null
}

/// Draws twice.
pub(crate) fn random() -> Value {
    let (one, other) = (random::bytes(16), random::bytes(16));
    json!({"length": one.len(), "differ": one != other})
}

/// Asks the time, and asks it again.
pub(crate) fn clock() -> Value {
    let (before, after) = (clock::now(), clock::now());
    json!({"now": before, "forward": after >= before})
}
