//! A JSON document that is carried as text and read only where somebody looks into it.
//!
//! Payloads and outputs pass through the machine many times and are looked at rarely. Kept as text they are
//! written to the journal without being taken apart, and keep their key order and their numbers to the last digit.

mod mend;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::expression::Ready;

/// How deep a document may nest. Everything that reads one recurses at most this far.
pub const DEPTH_MAX: usize = 96;

/// A JSON document: immutable, cheap to clone, valid and of bounded depth.
#[derive(Clone)]
pub struct Json(Arc<Inner>);

struct Inner {
    text: Box<RawValue>,
    value: OnceLock<Value>,
    ready: OnceLock<Ready>,
}

/// The text is no JSON, or nests too deep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseJsonError {
    /// The text breaks RFC 8259.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// The text nests deeper than [`DEPTH_MAX`].
    #[error("nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl Json {
    /// Takes a text that somebody else wrote.
    ///
    /// # Errors
    /// Where the text is no JSON document, or nests deeper than [`DEPTH_MAX`].
    pub fn from_text(text: impl Into<String>) -> Result<Self, ParseJsonError> {
        let raw = RawValue::from_string(text.into())
            .map_err(|error| ParseJsonError::Syntax(error.to_string()))?;
        Self::from_raw(raw)
    }

    /// Takes a raw value that serde has already found to be JSON.
    ///
    /// # Errors
    /// Where it nests deeper than [`DEPTH_MAX`].
    pub fn from_raw(raw: Box<RawValue>) -> Result<Self, ParseJsonError> {
        if depth(raw.get()) > DEPTH_MAX {
            return Err(ParseJsonError::TooDeep);
        }
        Ok(Self(Arc::new(Inner {
            text: raw,
            value: OnceLock::new(),
            ready: OnceLock::new(),
        })))
    }

    /// The document `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Arc::new(Inner {
            text: RawValue::NULL.to_owned(),
            value: OnceLock::new(),
            ready: OnceLock::new(),
        }))
    }

    /// The document `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::from(&Value::Object(serde_json::Map::new()))
    }

    /// The text, as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text.get()
    }

    /// The raw value, for serde.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0.text
    }

    /// The document, read at the first call and kept.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| {
            // The text was found valid and of bounded depth when this value was made. What serde_json may still
            // refuse is a number beyond the range of a double, or half a surrogate pair.
            // The null is for what nobody has thought of: a document that stopped its run at every start would be worse.
            serde_json::from_str(self.text())
                .or_else(|_| serde_json::from_str(&mend::mend(self.text())))
                .unwrap_or(Value::Null)
        })
    }

    /// The document as expressions see it, made ready at the first call and kept: a payload may be large, and a loop of
    /// ten thousand items may name it in each.
    pub(crate) fn ready(&self) -> &Ready {
        self.0.ready.get_or_init(|| Ready::of(self.value()))
    }

    /// How long its text is.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.text().len()
    }

    /// Whether the document is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.text().starts_with('{')
    }
}

/// Reads a document in a field that may be absent. `null` is a document too, and what was written is read back.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// How deep brackets nest, counted without recursion.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        let text = value.to_string();
        let raw = RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(Arc::new(Inner {
            text: raw,
            value: OnceLock::new(),
            ready: OnceLock::new(),
        }))
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        let json = Self::from(&value);
        let _ = json.0.value.set(value);
        json
    }
}

impl PartialEq for Json {
    /// Two documents are equal where they say the same, however they are spaced.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() || self.value() == other.value()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_keeps_its_text() {
        let text = r#"{"b":1.10,"a":[123456789012345678901234567890]}"#;
        let json = Json::from_text(text).expect("it is JSON");
        assert_eq!(json.text(), text);
        assert_eq!(serde_json::to_string(&json).expect("it is JSON"), text);
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
        assert_eq!(Json::from_text(deep), Err(ParseJsonError::TooDeep));
        let flat = format!("\"{}\\\"{}\"", "[".repeat(500), "{".repeat(500));
        assert!(Json::from_text(flat).is_ok());
    }

    #[test]
    fn what_json_allows_and_a_value_cannot_hold_costs_only_itself() {
        let read = |text: &str| Json::from_text(text).expect("it is JSON").value().clone();
        assert_eq!(
            read(r#"{"order": 7, "far": 1e999, "near": -1E+5}"#),
            json!({"order": 7, "far": null, "near": -1e5})
        );
        assert_eq!(
            read("[17976931348623158e292, 1e308999, 1.7976931348623159e308, -0.0]")[3],
            json!(-0.0)
        );
        assert_eq!(read(&format!("[1, {}]", "9".repeat(400))), json!([1, null]));
        assert_eq!(
            read(r#"{"a": 1e999, "lone": "x\ud800y", "pair": "\ud83d\ude00"}"#),
            json!({"a": null, "lone": "x\u{fffd}y", "pair": "😀"})
        );
        assert_eq!(
            read(r#"["\udc00", "\ud800\u0041", "\ud800", "\\ud800", "1e999"]"#),
            json!(["\u{fffd}", "\u{fffd}A", "\u{fffd}", "\\ud800", "1e999"])
        );
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(matches!(
            Json::from_text("{"),
            Err(ParseJsonError::Syntax(_))
        ));
        assert!(matches!(
            Json::from_text("nan"),
            Err(ParseJsonError::Syntax(_))
        ));
    }
}
