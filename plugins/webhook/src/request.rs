//! From a configuration to the request that is sent.

use std::time::Duration;

use millwork_sdk::Context;
use millwork_sdk::http::Request;
use serde_json::Value;

use crate::Config;

/// How long an exchange may take where the configuration does not say.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

pub(crate) fn build(cx: &Context, config: &Config, method: &str) -> Request {
    let timeout = config
        .timeout
        .clone()
        .map_or(TIMEOUT_DEFAULT, Duration::from);
    let mut request = Request::new(method, config.url.clone())
        .timeout(timeout)
        .redirects(config.follow_redirects.count());
    // The user's headers go first: what follows is added only where they say nothing.
    for (name, value) in config.headers.iter() {
        request = request.header(name, value);
    }
    request = match &config.body {
        Value::Null => request,
        Value::String(text) => request.text(text),
        value => request.json(value),
    };
    request.idempotency_key(cx)
}
