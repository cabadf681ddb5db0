//! What an answer makes of the step: its output, or its failure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millwork_sdk::Failure;
use millwork_sdk::http::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// How much JSON a failure carries; of more, it carries the beginning as text.
const DETAIL_MAX_BYTES: usize = 4 * 1024;

/// What the step results in.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Always `webhook`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status of the answer.
    status_code: u16,
    /// The body: JSON where the answer says that it is and it parses, else text; bytes that are neither, as
    /// `{"base64": "…"}`.
    response_data: Value,
    /// The URL that the request went to.
    url: String,
    /// The method that was sent.
    method: String,
    /// The headers of the answer, their names in lower case. Where a name comes more than once, its values stand with
    /// ", " between them (those of `set-cookie`, which hold commas, with a line break).
    #[schemars(extend("additionalProperties" = {"type": "string"}))]
    headers: Map<String, Value>,
}

impl Output {
    pub(crate) fn of(response: &Response, url: String, method: String) -> Output {
        Output {
            kind: "webhook",
            status_code: response.status,
            response_data: data(response),
            url,
            method,
            headers: headers(response),
        }
    }
}

/// What a status that is not accepted means: the same failure as in any connector, with more to it.
pub(crate) fn failure(response: &Response, url: impl Serialize, method: &str) -> Failure {
    let answer = if response.body.len() <= DETAIL_MAX_BYTES {
        data(response)
    } else {
        response.excerpt().into()
    };
    response.to_failure().with_details(json!({
        "status": response.status,
        "url": url,
        "method": method,
        "response": answer,
    }))
}

fn data(response: &Response) -> Value {
    if let Some(value) = says_json(response)
        .then(|| serde_json::from_slice(&response.body).ok())
        .flatten()
    {
        return value;
    }
    match std::str::from_utf8(&response.body) {
        Ok(text) => text.into(),
        // Text in another encoding is still for reading; what is no text would be spoilt.
        Err(_) if content_type(response).starts_with("text/") => response.text().into(),
        Err(_) => json!({ "base64": BASE64.encode(&response.body) }),
    }
}

fn says_json(response: &Response) -> bool {
    let kind = content_type(response);
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

/// The media type of the answer, in lower case, without parameters; empty where it does not say.
fn content_type(response: &Response) -> String {
    let value = response.header("content-type").unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn headers(response: &Response) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in &response.headers {
        let name = name.to_ascii_lowercase();
        let between = if name == "set-cookie" { "\n" } else { ", " };
        match headers.get_mut(&name) {
            Some(Value::String(known)) => {
                known.push_str(between);
                known.push_str(value);
            }
            _ => {
                headers.insert(name, value.as_str().into());
            }
        }
    }
    headers
}
