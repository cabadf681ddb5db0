//! What a request from outside makes a run about: `{headers, query, body}`.

use axum::extract::Query;
use axum::http::{HeaderMap, Uri};
use millwork_core::definition::WebhookTrigger;
use millwork_core::json::Json;
use serde_json::{Map, Value};

use super::super::problem::{Fault, Kind, Problem};
use crate::api::body;

/// Makes the payload of a request: the headers that the trigger names, the query, and the body as JSON or as text.
pub(super) fn read(
    trigger: &WebhookTrigger,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json, Problem> {
    let chosen = trigger.headers.iter().filter_map(|name| {
        let value = headers.get(name)?;
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.clone(), Value::String(text)))
    });
    let payload = Value::Object(Map::from_iter([
        ("headers".to_owned(), Value::Object(chosen.collect())),
        ("query".to_owned(), Value::Object(read_query(uri))),
        ("body".to_owned(), read_body(headers, body)?),
    ]));
    Ok(Json::from(payload))
}

/// Each parameter as a text; one that comes more than once as a list.
fn read_query(uri: &Uri) -> Map<String, Value> {
    let mut query = Map::new();
    // Any text is a query, so there is nothing to refuse.
    let parameters = Query::<Vec<(String, String)>>::try_from_uri(uri);
    for (name, value) in parameters.map(|Query(all)| all).unwrap_or_default() {
        let value = Value::String(value);
        match query.get_mut(&name) {
            None => _ = query.insert(name, value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    query
}

fn read_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    if body::is_json(headers) {
        return serde_json::from_slice(body).map_err(|error| {
            Problem::new(
                Kind::MalformedJson,
                format!("the body is not JSON: {error}"),
            )
        });
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Value::String(text.to_owned())),
        Err(_) => {
            let message = "must be JSON, declared as such, or text in UTF-8";
            Err(Problem::invalid(vec![Fault::new("body", message)]))
        }
    }
}

/// The identifier of an event whose sender writes it into the body.
pub(super) fn event_id(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Event {
        id: String,
    }
    let event: Event = serde_json::from_slice(body).ok()?;
    let is_fit = (1..=super::DELIVERY_MAX_BYTES).contains(&event.id.len());
    Some(event.id).filter(|_| is_fit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_with(content_type: &str, query: &str, body: &[u8]) -> Result<Value, u16> {
        let trigger = WebhookTrigger {
            path: "orders".to_owned(),
            verify: None,
            headers: vec!["x-event".to_owned(), "x-absent".to_owned()],
            dedupe: None,
        };
        let uri = format!("/hooks/orders{query}")
            .parse()
            .expect("it is a URI");
        let mut headers = HeaderMap::new();
        headers.insert("x-event", "push".parse().expect("it is a value"));
        headers.insert("authorization", "secret".parse().expect("it is a value"));
        headers.insert("content-type", content_type.parse().expect("it is a value"));
        let read = read(&trigger, &uri, &headers, body);
        read.map(|json| json.value().clone())
            .map_err(|problem| problem.kind().status().as_u16())
    }

    #[test]
    fn a_payload_has_the_headers_that_were_chosen_the_query_and_the_body() {
        let read = read_with("application/json", "?a=1&b=x%20y&a=2", br#"{"n": 1.50}"#);
        let expected = json!({
            "headers": {"x-event": "push"},
            "query": {"a": ["1", "2"], "b": "x y"},
            "body": {"n": 1.50},
        });
        assert_eq!(read, Ok(expected));
        let read = read_with("text/plain", "", b"hello").expect("it is text");
        assert_eq!(read["body"], "hello");
        let read = read_with("application/json", "", b"").expect("nothing is something");
        assert_eq!(read["body"], Value::Null);
    }

    #[test]
    fn what_is_neither_json_nor_text_is_refused() {
        assert_eq!(read_with("application/json", "", b"{"), Err(400));
        assert_eq!(
            read_with("application/octet-stream", "", &[0xff, 0xfe]),
            Err(422)
        );
    }

    #[test]
    fn an_event_that_has_an_identifier_is_known_by_it() {
        assert_eq!(
            event_id(br#"{"id":"evt_1","x":2}"#),
            Some("evt_1".to_owned())
        );
        for body in [&b"{}"[..], b"[]", b"{\"id\":7}", b"{\"id\":\"\"}", b"x"] {
            assert_eq!(event_id(body), None);
        }
    }
}
