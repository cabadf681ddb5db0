//! The headers of a request, as the user gives them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{TOKEN, is_token};

/// What the host sets itself, since it concerns the connection that it holds.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a request, in the user's order, each name once.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers, by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Headers, M::Error> {
                let mut headers: Vec<(String, String)> = Vec::new();
                while let Some((Name(name), Text(value))) = map.next_entry()? {
                    if headers
                        .iter()
                        .any(|(known, _)| known.eq_ignore_ascii_case(&name))
                    {
                        return Err(M::Error::custom(format!(
                            "the header {name:?} is there twice, in different case"
                        )));
                    }
                    headers.push((name, value));
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The name of a header.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Name, String> {
        if !is_token(&name) {
            return Err(format!(
                "{name:?} is no name of a header: use letters, digits and dashes"
            ));
        }
        if RESERVED
            .into_iter()
            .any(|reserved| reserved.eq_ignore_ascii_case(&name))
        {
            return Err(format!(
                "the header {name:?} is set by the host, which holds the connection: leave it out"
            ));
        }
        Ok(Name(name))
    }
}

/// The value of a header, as text.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
struct Text(String);

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Text, String> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(
                    "the value of a header must be text, a number, true or false".to_owned(),
                );
            }
        };
        // A line break would begin another header.
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(
                "the value of a header must not hold line breaks or other control characters"
                    .to_owned(),
            );
        }
        Ok(Text(text))
    }
}

impl JsonSchema for Headers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": TOKEN },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}
