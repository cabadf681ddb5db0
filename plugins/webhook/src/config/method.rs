//! The method of a request.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{TOKEN, is_token};

/// The methods whose name is put into capitals, however it is written; any other is sent as it is written, since the
/// names of methods are told apart by case.
const KNOWN: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY",
];

/// The method of a request: one of the known, or any other token.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Method(String);

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(text: String) -> Result<Method, String> {
        if !is_token(&text) {
            return Err(format!(
                "must be an HTTP method such as \"POST\", not {text:?}"
            ));
        }
        let known = KNOWN
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(&text));
        Ok(Method(known.map_or(text, str::to_owned)))
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.0
    }
}

impl JsonSchema for Method {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": TOKEN, "examples": KNOWN })
    }
}
