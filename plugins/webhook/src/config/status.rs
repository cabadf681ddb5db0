//! Statuses that an answer may have.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// A range of statuses: `404`, `"400-404"`, `"2xx"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    pub(crate) fn holds(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl TryFrom<Value> for StatusRange {
    type Error = String;

    fn try_from(value: Value) -> Result<StatusRange, String> {
        let range = match &value {
            Value::Number(_) => value
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .map(|one| (one, one)),
            Value::String(text) => read(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match range {
            Some((first, last)) if (100..=599).contains(&first) && first <= last && last <= 599 => {
                Ok(StatusRange { first, last })
            }
            _ => Err("must be a status from 100 to 599 such as 404, a range such as \"400-404\" or a class such as \"2xx\"".to_owned()),
        }
    }
}

fn read(text: &str) -> Option<(u16, u16)> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(class) = text.strip_suffix("xx") {
        let first = class.parse::<u16>().ok()?.checked_mul(100)?;
        return Some((first, first.checked_add(99)?));
    }
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

impl JsonSchema for StatusRange {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 100,
            "maximum": 599,
            "pattern": "^\\s*([1-5][Xx][Xx]|[1-5][0-9]{2}(\\s*-\\s*[1-5][0-9]{2})?)\\s*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(value: Value) -> Option<(u16, u16)> {
        StatusRange::try_from(value)
            .ok()
            .map(|range| (range.first, range.last))
    }

    #[test]
    fn a_range_is_a_number_or_text() {
        assert_eq!(range(json!(404)), Some((404, 404)));
        assert_eq!(range(json!("404")), Some((404, 404)));
        assert_eq!(range(json!("400-404")), Some((400, 404)));
        assert_eq!(range(json!(" 400 - 404 ")), Some((400, 404)));
        assert_eq!(range(json!("2xx")), Some((200, 299)));
        assert_eq!(range(json!("5XX")), Some((500, 599)));
    }

    #[test]
    fn what_is_no_range_of_statuses_is_refused() {
        for value in [
            json!(99),
            json!(600),
            json!("404-400"),
            json!("6xx"),
            json!("99999xx"),
            json!("x"),
            json!(""),
            json!(2.5),
            json!(-1),
            json!(null),
        ] {
            assert_eq!(range(value.clone()), None, "{value}");
        }
    }
}
