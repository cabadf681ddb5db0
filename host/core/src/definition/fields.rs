//! Reads the fields of a JSON object one by one, and remembers what is wrong with them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::words::{is_header, label_fault, unknown};
use super::{DURATION_MAX, LABELS_MAX, NAME_MAX, Problem, Problems};
use crate::pointer::Pointer;

/// An object under examination. Each field is asked for by name; [`Fields::finish`] complains of those that nobody
/// asked for.
pub(super) struct Fields<'d, 'p> {
    members: Option<&'d Map<String, Value>>,
    path: &'p str,
    what: &'static str,
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

impl<'d, 'p> Fields<'d, 'p> {
    pub(super) fn of(
        document: &'d Value,
        path: &'p str,
        what: &'static str,
        problems: &'p mut Problems,
    ) -> Self {
        let members = document.as_object();
        if members.is_none() {
            problems.add(|| Problem::new(path, format!("must be an object, since it is {what}")));
        }
        Self {
            members,
            path,
            what,
            known: Vec::new(),
            problems,
        }
    }

    fn problem(&mut self, field: &str, message: impl Into<String>) {
        let place = Pointer::Root(self.path);
        self.problems
            .add(|| Problem::new(place.member(field).to_string(), message));
    }

    /// The value of a field; null counts as absent.
    fn get(&mut self, field: &'static str) -> Option<&'d Value> {
        self.known.push(field);
        self.members?.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn ignore(&mut self, field: &'static str) {
        self.known.push(field);
    }

    /// Whether a field is there, whatever it holds.
    pub(super) fn has(&self, field: &'static str) -> bool {
        let value = self.members.and_then(|members| members.get(field));
        value.is_some_and(|value| !value.is_null())
    }

    fn missing(&mut self, field: &str) {
        // An object that is none has been complained of already.
        if self.members.is_some() {
            self.problem(field, format!("is missing: {} needs it", self.what));
        }
    }

    /// A document of any form.
    pub(super) fn any(&mut self, field: &'static str) -> Option<Value> {
        self.get(field).cloned()
    }

    pub(super) fn text(&mut self, field: &'static str) -> Option<String> {
        let text = self.get(field)?.as_str();
        if text.is_none() {
            self.problem(field, "must be a string");
        }
        text.map(str::to_owned)
    }

    pub(super) fn required_name(&mut self, field: &'static str) -> String {
        let Some(value) = self.get(field) else {
            self.missing(field);
            return String::new();
        };
        let Some(name) = value.as_str() else {
            self.problem(field, "must be a string");
            return String::new();
        };
        if name.trim().is_empty() {
            self.problem(field, "must not be empty");
        } else if name.chars().count() > NAME_MAX {
            self.problem(
                field,
                format!(
                    "is {} characters long, the limit is {NAME_MAX}",
                    name.chars().count()
                ),
            );
        } else if name.chars().any(char::is_control) {
            self.problem(field, "must not contain control characters");
        } else if name.contains("${") || name.contains('}') {
            self.problem(field, "must not contain ${ or }, which mark expressions");
        }
        name.to_owned()
    }

    pub(super) fn required_list(&mut self, field: &'static str, items_max: usize) -> &'d [Value] {
        if !self.has(field) {
            self.missing(field);
        }
        self.list(field, items_max)
    }

    /// A list of at most so many items; empty where there is none.
    pub(super) fn list(&mut self, field: &'static str, items_max: usize) -> &'d [Value] {
        match self.get(field) {
            Some(Value::Array(items)) if items.len() > items_max => {
                self.problem(
                    field,
                    format!("has {} items, the limit is {items_max}", items.len()),
                );
                &[]
            }
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problem(field, "must be a list");
                &[]
            }
            None => &[],
        }
    }

    /// A text that is there and not empty; empty where something is wrong with it.
    pub(super) fn required_text(&mut self, field: &'static str) -> String {
        if !self.has(field) {
            self.known.push(field);
            self.missing(field);
            return String::new();
        }
        let text = self.text(field).unwrap_or_else(|| "?".to_owned());
        if text.trim().is_empty() {
            self.problem(field, "must not be empty");
        }
        text
    }

    /// Labels: short texts under short names.
    pub(super) fn labels(&mut self, field: &'static str) -> BTreeMap<String, String> {
        let members = match self.get(field) {
            None => return BTreeMap::new(),
            Some(Value::Object(members)) if members.len() <= LABELS_MAX => members,
            Some(Value::Object(members)) => {
                let message = format!("has {} labels, the limit is {LABELS_MAX}", members.len());
                self.problem(field, message);
                return BTreeMap::new();
            }
            Some(_) => {
                let message = "must be an object with texts in it, such as {\"team\": \"shop\"}";
                self.problem(field, message);
                return BTreeMap::new();
            }
        };
        let root = Pointer::Root(self.path);
        let place = root.member(field);
        let mut labels = BTreeMap::new();
        for (name, value) in members {
            let fault = label_fault(name, value);
            if let Some(fault) = fault {
                self.problems
                    .add(|| Problem::new(place.member(name).to_string(), fault));
            }
            let value = value.as_str().unwrap_or_default().to_owned();
            labels.insert(name.clone(), value);
        }
        labels
    }

    /// A JSON Schema. Whether it is one is for the catalogue to say.
    pub(super) fn schema(&mut self, field: &'static str) -> Option<Value> {
        let schema = self.get(field)?;
        if !schema.is_object() {
            self.problem(
                field,
                "must be an object: the JSON Schema of the payload, such as {\"type\": \"object\", \"required\": [\"order_id\"]}",
            );
        }
        Some(schema.clone())
    }

    /// What a loop goes through: a list, or one expression, with or without its `${…}`.
    pub(super) fn items(&mut self, field: &'static str) -> Option<Value> {
        match self.get(field)? {
            Value::String(text) if text.contains("${") => {
                Some(Value::String(text.trim().to_owned()))
            }
            Value::String(text) => Some(Value::String(format!("${{{text}}}"))),
            list @ Value::Array(_) => Some(list.clone()),
            _ => {
                self.problem(
                    field,
                    "must be a list, or an expression that gives one, such as \"${payload.items}\"",
                );
                None
            }
        }
    }

    /// The name of an HTTP header, in lower case.
    pub(super) fn header(&mut self, field: &'static str) -> Option<String> {
        let name = self.text(field)?;
        if !is_header(&name) {
            self.problem(field, "is no name of an HTTP header");
            return None;
        }
        Some(name.to_ascii_lowercase())
    }

    pub(super) fn required_header(&mut self, field: &'static str) -> Option<String> {
        let header = self.header(field);
        if !self.has(field) {
            self.missing(field);
        }
        header
    }

    /// Names of HTTP headers, in lower case.
    pub(super) fn headers(&mut self, field: &'static str, most: usize) -> Vec<String> {
        let items = self.list(field, most);
        let names: Option<Vec<_>> = items
            .iter()
            .map(|item| item.as_str().filter(|name| is_header(name)))
            .map(|name| name.map(str::to_ascii_lowercase))
            .collect();
        if names.is_none() {
            self.problem(field, "must be a list of names of HTTP headers");
        }
        names.unwrap_or_default()
    }

    /// A span of time that is longer than nothing.
    pub(super) fn time_limit(&mut self, field: &'static str) -> Option<Duration> {
        let span = self.duration(field);
        if span.is_some_and(|span| span.is_zero()) {
            self.problem(field, "must be longer than nothing");
        }
        span
    }

    pub(super) fn required_whole(
        &mut self,
        field: &'static str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let whole = self.whole(field, least, most);
        if !self.has(field) {
            self.missing(field);
        }
        whole
    }

    pub(super) fn required_choice<T: Copy>(
        &mut self,
        field: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let chosen = self.choice(field, choices);
        if !self.has(field) && self.members.is_some() {
            let words = one_of(choices);
            self.problem(
                field,
                format!("is missing: {} needs it, one of {words}", self.what),
            );
        }
        chosen
    }

    pub(super) fn parsed<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        match self.get(field).map(Value::as_str) {
            Some(Some(text)) => text
                .parse()
                .map_err(|error: T::Err| self.problem(field, error.to_string()))
                .ok(),
            Some(None) => {
                self.problem(field, "must be a string");
                None
            }
            None => {
                self.missing(field);
                None
            }
        }
    }

    pub(super) fn object(&mut self, field: &'static str) -> Value {
        match self.get(field) {
            None => Value::Object(Map::new()),
            Some(value @ Value::Object(_)) => value.clone(),
            Some(_) => {
                self.problem(field, "must be an object");
                Value::Object(Map::new())
            }
        }
    }

    pub(super) fn names(&mut self, field: &'static str) -> Option<Vec<String>> {
        let Value::Array(items) = self.get(field)? else {
            self.problem(field, "must be a list of step names");
            return None;
        };
        let names: Option<Vec<_>> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        if names.is_none() {
            self.problem(field, "must be a list of step names");
        }
        names
    }

    /// A condition: an expression, with or without its `${…}`.
    pub(super) fn condition(&mut self, field: &'static str) -> Option<String> {
        match self.get(field)? {
            Value::String(text) => {
                let text = text.trim();
                let bare = text
                    .strip_prefix("${")
                    .and_then(|rest| rest.strip_suffix('}'));
                Some(bare.unwrap_or(text).to_owned())
            }
            Value::Bool(constant) => Some(constant.to_string()),
            _ => {
                self.problem(
                    field,
                    "must be an expression such as \"${payload.total > 100}\"",
                );
                None
            }
        }
    }

    /// A span of time: seconds as a number, or text such as `1h30m`.
    pub(super) fn duration(&mut self, field: &'static str) -> Option<Duration> {
        let parsed = match self.get(field)? {
            Value::Number(seconds) => seconds
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            Value::String(text) => text
                .parse::<jiff::SignedDuration>()
                .ok()
                .and_then(|span| Duration::try_from(span).ok()),
            _ => None,
        };
        match parsed {
            None => self.problem(
                field,
                "must be seconds as a number, or text such as \"500ms\", \"20s\" or \"1h30m\"",
            ),
            Some(span) if span > DURATION_MAX => {
                self.problem(field, "must not be longer than ten years");
            }
            Some(_) => {}
        }
        parsed.filter(|span| *span <= DURATION_MAX)
    }

    pub(super) fn whole(&mut self, field: &'static str, least: u32, most: u32) -> Option<u32> {
        let value = self.get(field)?;
        let whole = value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (least..=most).contains(n));
        if whole.is_none() {
            self.problem(
                field,
                format!("must be a whole number from {least} to {most}"),
            );
        }
        whole
    }

    pub(super) fn number(&mut self, field: &'static str, least: f64, most: f64) -> Option<f64> {
        let value = self.get(field)?;
        let number = value.as_f64().filter(|n| (least..=most).contains(n));
        if number.is_none() {
            self.problem(field, format!("must be a number from {least} to {most}"));
        }
        number
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let value = self.get(field)?;
        let chosen = choices
            .iter()
            .find(|(name, _)| value.as_str() == Some(name));
        if chosen.is_none() {
            self.problem(field, format!("must be one of {}", one_of(choices)));
        }
        chosen.map(|(_, choice)| *choice)
    }

    pub(super) fn child(&mut self, field: &'static str) -> Option<(&'d Value, String)> {
        let path = format!("{}/{field}", self.path);
        self.get(field).map(|value| (value, path))
    }

    /// Complains of every field that nobody asked for, naming the nearest that exists.
    pub(super) fn finish(self) {
        let Some(members) = self.members else { return };
        let place = Pointer::Root(self.path);
        for name in members
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()))
        {
            self.problems.add(|| {
                Problem::new(
                    place.member(name).to_string(),
                    unknown("field", name, self.known.iter().copied()),
                )
            });
        }
    }
}

fn one_of<T>(choices: &[(&'static str, T)]) -> String {
    let names: Vec<_> = choices
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    names.join(", ")
}
