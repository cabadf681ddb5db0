//! Sends requests that a test spells out: `{"url":"…","method":"…","headers":"a: b","body":"…","redirects":"3","timeout":"100"}`,
//! every value a string without escapes.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

use crate::bindings::millwork::http::client::{self, Request};
use crate::bindings::millwork::secrets::secrets;

/// One exchange through `millwork:http`; `200 body @ url`, or the error.
pub(crate) fn send(config: &str) -> String {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text(config, "headers")
        .unwrap_or_default()
        .split('|')
        .filter(|line| !line.is_empty())
    {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        let value = if value == "SECRET" {
            secrets::placeholder("token").unwrap_or_default()
        } else {
            value.to_owned()
        };
        headers.push((name.to_owned(), value));
    }
    let many: usize = text(config, "many")
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    headers.extend((0..many).map(|i| (format!("x-{i}"), String::new())));
    let request = Request {
        method: text(config, "method").unwrap_or("GET").to_owned(),
        url: text(config, "url").unwrap_or_default().to_owned(),
        headers,
        body: text(config, "body").map(|body| body.as_bytes().to_vec()),
        timeout: text(config, "timeout").and_then(|number| number.parse().ok()),
        redirects: text(config, "redirects")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0),
    };
    match client::send(&request) {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(1_000)])
                .into_owned();
            format!("{} {body} @ {}", response.status, response.url)
        }
        Err(error) => format!("{error:?}"),
    }
}

/// The same through `wasi:http`.
pub(crate) fn send_wasi(config: &str) -> String {
    let url = text(config, "url").unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    if request.set_method(&Method::Get).is_err()
        || request.set_scheme(Some(&scheme)).is_err()
        || request.set_authority(Some(authority)).is_err()
        || request
            .set_path_with_query(Some(&format!("/{path}")))
            .is_err()
    {
        return "the request cannot be written".to_owned();
    }
    let answer = match outgoing_handler::handle(request, None) {
        Ok(answer) => answer,
        Err(error) => return format!("{error:?}"),
    };
    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        other => {
            return format!(
                "{:?}",
                other.map(|taken| taken.map(|answer| answer.map(|_| ())))
            );
        }
    };
    let status = response.status();
    let Ok(body) = response.consume() else {
        return "no body".to_owned();
    };
    let Ok(stream) = body.stream() else {
        return "no stream".to_owned();
    };
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(wasip2::io::streams::StreamError::Closed) => break,
            Err(error) => return format!("{} bytes, then {error:?}", bytes.len()),
        }
    }
    let body = String::from_utf8_lossy(&bytes[..bytes.len().min(1_000)]).into_owned();
    format!("{status} {body}")
}

/// The text of a field, read without a JSON parser.
fn text<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    let start = config.find(&format!("\"{name}\":\""))? + name.len() + 4;
    let end = config[start..].find('"')?;
    Some(&config[start..start + end])
}
