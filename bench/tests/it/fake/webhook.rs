//! The fake's own HTTP client, apart from the tool's: it reads answers to `HEAD` too.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a webhook and returns the step's output; what goes wrong on the way is an error.
pub(super) async fn send(config: &Value, key: &str, content_type_twice: bool) -> Result<Value> {
    let url = config["url"].as_str().context("there is no url")?;
    let method = config["method"].as_str().unwrap_or("GET");
    let rest = url.strip_prefix("http://").context("it is no http url")?;
    let (host, path) = rest.split_once('/').context("it has no path")?;
    let body = match &config["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut headers: BTreeMap<String, String> = BTreeMap::from([
        ("host".to_owned(), host.to_owned()),
        ("connection".to_owned(), "close".to_owned()),
        ("idempotency-key".to_owned(), key.to_owned()),
    ]);
    if !body.is_empty() {
        headers.insert("content-length".to_owned(), body.len().to_string());
        headers.insert("content-type".to_owned(), "application/json".to_owned());
    }
    for (name, value) in config["headers"].as_object().into_iter().flatten() {
        headers.insert(
            name.to_lowercase(),
            value.as_str().unwrap_or_default().to_owned(),
        );
    }
    let mut request = format!("{method} /{path} HTTP/1.1\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if content_type_twice {
        request.push_str("Content-Type: application/json\r\n");
    }
    let mut stream = TcpStream::connect(host).await?;
    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let length = head
        .parse(&answer)?
        .is_complete()
        .then(|| answer.windows(4).position(|four| four == b"\r\n\r\n"));
    let body = &answer[length.flatten().context("the answer is not whole")? + 4..];
    let kind = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-type"));
    let kind = kind.map_or_else(String::new, |kind| {
        String::from_utf8_lossy(kind.value).into_owned()
    });
    let text = Value::from(String::from_utf8_lossy(body).into_owned());
    let data = if kind.starts_with("application/json") {
        serde_json::from_slice(body).unwrap_or(text)
    } else {
        text
    };
    Ok(json!({
        "type": "webhook", "status_code": head.code, "response_data": data, "url": url, "method": method,
        "headers": {"content-type": kind},
    }))
}
