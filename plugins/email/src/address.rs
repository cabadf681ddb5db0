//! Addresses of mail, as far as anybody but their host can judge them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// An address, with or without a name: `ada@example.com`, `Ada <ada@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address {
    pub(crate) name: Option<String>,
    pub(crate) mail: String,
}

impl Address {
    /// As a header of a mail has it.
    pub(crate) fn full(&self) -> String {
        match &self.name {
            Some(name) => format!("\"{}\" <{}>", name.replace(['"', '\\'], ""), self.mail),
            None => self.mail.clone(),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        let wrong = || {
            format!(
                "must be an address such as \"ada@example.com\" or \"Ada <ada@example.com>\", not {text:?}"
            )
        };
        let (name, mail) = match text.trim().strip_suffix('>') {
            Some(rest) => {
                let (name, mail) = rest.rsplit_once('<').ok_or_else(wrong)?;
                (unquoted(name.trim()), mail)
            }
            None => ("", text.trim()),
        };
        let (local, domain) = mail.rsplit_once('@').ok_or_else(wrong)?;
        let is_odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
        if local.is_empty()
            || domain.is_empty()
            || mail.len() > 254
            || mail.contains(is_odd)
            // A line break would begin another header.
            || name.contains(char::is_control)
        {
            return Err(wrong());
        }
        Ok(Address {
            name: (!name.is_empty()).then(|| name.to_owned()),
            mail: mail.to_owned(),
        })
    }
}

/// A name may stand in quotes, as in a header.
fn unquoted(name: &str) -> &str {
    let inside = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(name)
}

impl JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^\\r\\n]*[^\\s@<]@[^\\s@>]+>?\\s*$" })
    }
}

/// No address, one, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Addresses(Vec<Address>);

impl Addresses {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }
}

impl TryFrom<Value> for Addresses {
    type Error = String;

    fn try_from(value: Value) -> Result<Addresses, String> {
        let one = |value: Value| match value {
            Value::String(text) => Address::try_from(text),
            other => Err(format!("an address is a text, not {other}")),
        };
        let addresses = match value {
            Value::Array(items) => {
                let numbered = items.into_iter().enumerate();
                numbered
                    .map(|(index, item)| {
                        one(item).map_err(|problem| format!("item {index}: {problem}"))
                    })
                    .collect::<Result<_, _>>()?
            }
            value => vec![one(value)?],
        };
        Ok(Addresses(addresses))
    }
}

impl JsonSchema for Addresses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Addresses".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = Address::json_schema(generator);
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "maxItems": 50 }] })
    }
}
