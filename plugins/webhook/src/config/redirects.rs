//! How many redirects are followed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `true` means.
const DEFAULT: u32 = 10;

/// More would be a loop.
const MAX: u32 = 20;

/// How many redirects are followed: `true`, `false` or a number.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Value")]
pub(crate) struct Redirects(u32);

impl Redirects {
    pub(crate) fn count(self) -> u32 {
        self.0
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Redirects::default()
    }
}

impl Default for Redirects {
    fn default() -> Redirects {
        Redirects(DEFAULT)
    }
}

impl TryFrom<Value> for Redirects {
    type Error = String;

    fn try_from(value: Value) -> Result<Redirects, String> {
        let count = match &value {
            Value::Bool(true) => Some(DEFAULT),
            Value::Bool(false) => Some(0),
            _ => value
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count <= MAX),
        };
        count
            .map(Redirects)
            .ok_or_else(|| format!("must be true, false, or a number from 0 to {MAX}"))
    }
}

impl JsonSchema for Redirects {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Redirects".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "integer"], "minimum": 0, "maximum": MAX })
    }
}
