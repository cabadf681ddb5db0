//! Where a request goes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An absolute `http` or `https` URL. That its host and path hold is for the host to say, which parses it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Url(String);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Url, String> {
        let rest = text.split_once("://").filter(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        });
        let names_host = rest
            .is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']));
        if !names_host {
            return Err(format!(
                "must be an absolute http or https URL such as \"https://example.com/hook\", not {text:?}"
            ));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(
                "must not hold spaces or control characters: write a space as %20".to_owned(),
            );
        }
        Ok(Url(text))
    }
}

impl From<Url> for String {
    fn from(url: Url) -> String {
        url.0
    }
}

impl JsonSchema for Url {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#:\\s]\\S*$" })
    }
}
