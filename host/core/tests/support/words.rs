//! Reads the words of a line: bare ones, quoted ones, spans of time, and JSON.

use std::time::Duration;

use millwork_core::json::Json;
use serde_json::Value;

/// What is left of a line.
pub(crate) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self(line.trim())
    }

    /// The next word.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        let end = self.0.find(' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        if word.is_empty() {
            return Err(format!("{what} is missing at the end"));
        }
        self.0 = rest.trim_start();
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub(crate) fn take(&mut self, expected: &str) -> bool {
        let mut ahead = Self(self.0);
        let found = ahead.word(expected) == Ok(expected);
        if found {
            *self = ahead;
        }
        found
    }

    /// Whether a quoted text comes next.
    pub(crate) fn is_quoted(&self) -> bool {
        self.0.starts_with('"')
    }

    pub(crate) fn span(&mut self) -> Result<Duration, String> {
        let word = self.word("a span of time")?;
        let span: jiff::SignedDuration = word
            .parse()
            .map_err(|error| format!("{word:?} is no span of time: {error}"))?;
        Duration::try_from(span).map_err(|_| format!("{word:?} is negative"))
    }

    pub(crate) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.word(what)?;
        word.parse().map_err(|_| format!("{word:?} is not {what}"))
    }

    /// The next JSON value, kept as it is written.
    pub(crate) fn json(&mut self) -> Result<Json, String> {
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<Value>();
        values
            .next()
            .ok_or("JSON is missing at the end")?
            .map_err(|error| format!("{:?} is no JSON: {error}", self.0))?;
        let (text, rest) = self.0.split_at(values.byte_offset());
        self.0 = rest.trim_start();
        Json::from_text(text.trim()).map_err(|error| error.to_string())
    }

    /// The next quoted text.
    pub(crate) fn text(&mut self) -> Result<String, String> {
        let json = self.json()?;
        json.value()
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{json} is no quoted text"))
    }

    /// Complains of whatever is left.
    pub(crate) fn end(&self) -> Result<(), String> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?} has no meaning here", self.0))
        }
    }
}
