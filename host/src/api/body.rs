//! The bodies of requests: read from the connection within bounds, and taken apart only as far as somebody looks.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::{Fault, Kind, Problem};

/// How large a body may be, and how an operator changes that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// What is limited.
    pub(super) what: &'static str,
    /// How many bytes.
    pub(super) bytes: NonZeroUsize,
    /// What may stand in the body around it.
    pub(super) around_bytes: usize,
    /// Its setting.
    pub(super) setting: &'static str,
}

impl Limit {
    /// Says that something is larger.
    pub(super) fn exceeded(self) -> Problem {
        let Self {
            what,
            bytes,
            setting,
            ..
        } = self;
        Problem::new(
            Kind::TooLarge,
            format!("{what} is larger than {bytes} bytes, the limit ({setting})"),
        )
    }
}

/// How much of a body that is too large is read and thrown away. An answer to a client that is still sending would be
/// lost with the connection, and the client would not learn why.
const DISCARDED_MAX: usize = 16 << 20;

/// Reads a JSON body whole.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    limit: Limit,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    // Read in any case: a client that is still sending would lose the answer.
    let body = read(body, limit, timeout).await?;
    require_json(headers)?;
    Ok(body)
}

/// Refuses a body that is not declared as JSON.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    let detail = "send the body as JSON, with the header Content-Type: application/json";
    Err(Problem::new(Kind::WrongContentType, detail))
}

/// Reads a body whole.
pub(super) async fn read(body: Body, limit: Limit, timeout: Duration) -> Result<Bytes, Problem> {
    tokio::time::timeout(timeout, collect(body, limit))
        .await
        .unwrap_or_else(|_| {
            let detail = format!(
                "the body was not there after {timeout:?}, the limit (server.body_timeout)"
            );
            Err(Problem::new(Kind::BodyTimeout, detail))
        })
}

async fn collect(body: Body, limit: Limit) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    let mut chunks = body.into_data_stream();
    let unreadable = |error: axum::Error| {
        Problem::new(Kind::MalformedJson, "the body ended before it was whole").caused_by(error)
    };
    let mut whole = Bytes::new();
    let mut gathered = BytesMut::new();
    let mut length = 0;
    let most = limit.bytes.get().saturating_add(limit.around_bytes);
    let is_too_large = |length: usize| length > most || announced > most as u64;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(unreadable)?;
        length += chunk.len();
        if is_too_large(length) {
            if length > most.saturating_add(DISCARDED_MAX) {
                break;
            }
            gathered.clear();
        } else if length == chunk.len() {
            // Nearly every body comes in one piece: it is used as it lies in the connection's buffer.
            whole = chunk;
        } else {
            gathered.extend_from_slice(&std::mem::take(&mut whole));
            gathered.extend_from_slice(&chunk);
        }
    }
    if is_too_large(length) {
        return Err(limit.exceeded());
    }
    Ok(if gathered.is_empty() {
        whole
    } else {
        gathered.freeze()
    })
}

/// Whether a body is declared as JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(declared)) = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str())
    else {
        return false;
    };
    if declared == "application/json" {
        return true;
    }
    let mut parts = declared.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// The members of a JSON object, each still as text, in their order.
#[derive(Debug)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes an object apart.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        serde_json::from_str(text(body)?).map_err(|error| refused(&error))
    }
}

/// Reads a whole JSON document and leaves it the text that it is.
pub(super) fn raw(body: &[u8]) -> Result<&RawValue, Problem> {
    serde_json::from_str(text(body)?).map_err(|error| refused(&error))
}

/// Reads a whole JSON document.
pub(super) fn document(body: &[u8]) -> Result<serde_json::Value, Problem> {
    serde_json::from_str(text(body)?).map_err(|error| refused(&error))
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let detail = format!(
            "the body is not UTF-8: byte {} cannot be read",
            error.valid_up_to()
        );
        Problem::new(Kind::MalformedJson, detail)
    })
}

fn refused(error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::invalid(vec![Fault::new("", "must be a JSON object")]);
    }
    Problem::new(
        Kind::MalformedJson,
        format!("the body is not JSON: {error}"),
    )
}

/// The place of a member, as a JSON Pointer.
pub(super) fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The text of a JSON string.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        // With an escape in it, it is not in the body as it is meant.
        Err(_) => serde_json::from_str::<String>(raw.get())
            .ok()
            .map(Cow::Owned),
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(4);
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A member's name, borrowed where no escape is in it.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        let Borrowed(name) = Borrowed::deserialize(deserializer)?;
        Ok(Self(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        what: "the body",
        bytes: NonZeroUsize::new(6).expect("6"),
        around_bytes: 2,
        setting: "limits.body",
    };

    fn chunked(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())))
            .collect();
        Body::from_stream(futures::stream::iter(chunks))
    }

    async fn read_all(body: Body) -> Result<Bytes, String> {
        read(body, LIMIT, Duration::from_secs(5))
            .await
            .map_err(|problem| problem.detail().to_owned())
    }

    #[tokio::test]
    async fn a_body_is_read_in_one_piece_or_in_many() {
        assert_eq!(
            read_all(Body::from("12345678")).await,
            Ok("12345678".into())
        );
        assert_eq!(
            read_all(chunked(&["12", "", "345", "678"])).await,
            Ok("12345678".into())
        );
        assert_eq!(read_all(Body::empty()).await, Ok("".into()));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_by_the_name_of_the_limit() {
        let refusal = Err("the body is larger than 6 bytes, the limit (limits.body)".to_owned());
        assert_eq!(read_all(Body::from("123456789")).await, refusal);
        assert_eq!(read_all(chunked(&["1234", "5678", "9"])).await, refusal);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = read(body, LIMIT, Duration::from_millis(5))
            .await
            .expect_err("it never comes");
        assert_eq!(
            problem.detail(),
            "the body was not there after 5ms, the limit (server.body_timeout)"
        );
    }

    #[test]
    fn json_is_declared_in_several_ways() {
        let declared = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                value.parse().expect("a header"),
            )]))
        };
        for yes in [
            "application/json",
            "Application/JSON; charset=\"UTF-8\"",
            "application/cloudevents+json;charset=utf-8",
        ] {
            assert!(declared(yes), "{yes}");
        }
        for no in [
            "text/plain",
            "application/json; charset=latin1",
            "application/jsonp",
            "text/x+json",
            "",
        ] {
            assert!(!declared(no), "{no}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn members_keep_their_order_and_their_text() {
        let members =
            Members::read(br#" {"b": 1.10, "\u0061": {"x" : [ ]}} "#).expect("it is an object");
        let told: Vec<_> = members
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", value.get()))
            .collect();
        assert_eq!(told, ["b=1.10", r#"a={"x" : [ ]}"#]);
    }

    #[test]
    fn what_is_no_object_is_refused_in_words() {
        let refusal = |body: &[u8]| {
            Members::read(body)
                .expect_err("it is no object")
                .detail()
                .to_owned()
        };
        insta::assert_snapshot!(
            [refusal(b""), refusal(b"{\"a\":1,}"), refusal(b"{}\n x"), refusal(b"[]"), refusal(b"{\"\xff\":1}")].join("\n"),
            @r#"
        the body is not JSON: EOF while parsing a value at line 1 column 0
        the body is not JSON: trailing comma at line 1 column 8
        the body is not JSON: trailing characters at line 2 column 2
        the request does not hold: must be a JSON object
        the body is not UTF-8: byte 2 cannot be read
        "#
        );
    }
}
