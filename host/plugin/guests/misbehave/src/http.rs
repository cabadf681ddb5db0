//! Sends requests that a test spells out: `{"url":"…","method":"…","headers":"a: b","body":"…","redirects":"3","timeout":"100"}`,
//! every value a string without escapes. Where one says `SECRET`, what stands for the secret is put.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

use crate::bindings::millwork::http::client::{self, Request};
use crate::bindings::millwork::secrets::secrets;

/// One exchange through `millwork:http`; `200 body @ url`, or the error.
pub(crate) fn send(config: &str) -> String {
    let mut headers = headers(config);
    let many: usize = text(config, "many")
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    headers.extend((0..many).map(|i| (format!("x-{i}"), String::new())));
    let request = Request {
        method: text(config, "method").unwrap_or("GET").to_owned(),
        url: with_secret(text(config, "url").unwrap_or_default()),
        headers,
        body: text(config, "body").map(|body| with_secret(body).into_bytes()),
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

/// The headers of a request: `a: b|c: d`.
fn headers(config: &str) -> Vec<(String, String)> {
    let lines = text(config, "headers").unwrap_or_default().split('|');
    let lines = lines.filter(|line| !line.is_empty());
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        (name.to_owned(), with_secret(value))
    };
    lines.map(header).collect()
}

/// A text with what stands for the secret where it says `SECRET`.
fn with_secret(text: &str) -> String {
    match text.contains("SECRET") {
        true => text.replace("SECRET", &secrets::placeholder("token").unwrap_or_default()),
        false => text.to_owned(),
    }
}

/// The same through `wasi:http`.
pub(crate) fn send_wasi(config: &str) -> String {
    let url = with_secret(text(config, "url").unwrap_or_default());
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let fields = Fields::new();
    for (name, value) in headers(config) {
        if let Err(error) = fields.append(&name, value.as_bytes()) {
            return format!("{name}: {error:?}");
        }
    }
    let request = OutgoingRequest::new(fields);
    let scheme = if scheme == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let method = match text(config, "method") {
        Some("POST") => Method::Post,
        Some(other) => Method::Other(other.to_owned()),
        None => Method::Get,
    };
    if request.set_method(&method).is_err()
        || request.set_scheme(Some(&scheme)).is_err()
        || request.set_authority(Some(authority)).is_err()
        || request
            .set_path_with_query(Some(&format!("/{path}")))
            .is_err()
    {
        return "the request cannot be written".to_owned();
    }
    // The host puts in what was mentioned before the request was handed over.
    let body = text(config, "body").map(with_secret);
    let outgoing = body.and_then(|body| Some((request.body().ok()?, body)));
    let handled = outgoing_handler::handle(request, None);
    if let Some((outgoing, body)) = outgoing
        && let Err(error) = write_body(outgoing, &body)
    {
        return error;
    }
    let answer = match handled {
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

fn write_body(outgoing: OutgoingBody, body: &str) -> Result<(), String> {
    let stream = outgoing.write().map_err(|()| "no stream".to_owned())?;
    for part in body.as_bytes().chunks(4_096) {
        let written = stream.blocking_write_and_flush(part);
        written.map_err(|error| format!("the body: {error:?}"))?;
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|error| format!("the body: {error:?}"))
}

/// The text of a field, read without a JSON parser.
pub(crate) fn text<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    let start = config.find(&format!("\"{name}\":\""))? + name.len() + 4;
    let end = config[start..].find('"')?;
    Some(&config[start..start + end])
}
