//! Reads the fields of a JSON object one by one, and remembers what is wrong with them.

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{DURATION_MAX, NAME_MAX, Problem, Problems, cut};
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

    pub(super) fn text(&mut self, field: &'static str) -> Option<String> {
        let text = self.get(field)?.as_str();
        if text.is_none() {
            self.problem(field, "must be a string");
        }
        text.map(str::to_owned)
    }

    pub(super) fn required_name(&mut self, field: &'static str) -> String {
        let Some(value) = self.get(field) else {
            // An object that is none has been complained of already.
            if self.members.is_some() {
                self.problem(field, format!("is missing: {} needs it", self.what));
            }
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
            None => {
                if self.members.is_some() {
                    self.problem(field, format!("is missing: {} needs it", self.what));
                }
                &[]
            }
        }
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
                if self.members.is_some() {
                    self.problem(field, format!("is missing: {} needs it", self.what));
                }
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
            let names: Vec<_> = choices
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            self.problem(field, format!("must be one of {}", names.join(", ")));
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

/// A sentence about a name that does not exist, with the nearest that does.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    const SHOWN: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    let name = cut(name.to_owned(), NAME_MAX);
    match nearest(&name, &known) {
        Some(nearest) => format!("unknown {what} \"{name}\"; did you mean \"{nearest}\"?"),
        None if known.is_empty() => format!("unknown {what} \"{name}\""),
        None => {
            let mut shown: Vec<String> = known
                .iter()
                .take(SHOWN)
                .map(|name| format!("\"{}\"", cut((*name).to_owned(), NAME_MAX)))
                .collect();
            if known.len() > SHOWN {
                shown.push("…".to_owned());
            }
            format!(
                "unknown {what} \"{name}\"; known here: {}",
                shown.join(", ")
            )
        }
    }
}

/// The known name that somebody may have meant. The comparison takes the product of both lengths in time and memory, so
/// only what differs little in length is compared, and nothing that is longer than a name may be.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = name.chars().count();
    let near_enough = |candidate: &str| 1 + candidate.chars().count() / 3;
    let comparable = known.iter().filter(|candidate| {
        let candidate_length = candidate.chars().count();
        candidate_length <= NAME_MAX && candidate_length.abs_diff(length) <= near_enough(candidate)
    });
    comparable
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()),
                *candidate,
            )
        })
        .min()
        .filter(|(distance, candidate)| *distance <= near_enough(candidate))
        .map(|(_, candidate)| candidate)
}
