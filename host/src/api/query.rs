//! Parameters: of the path and of the query. Whatever is wrong with them is said at once.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;

use super::problem::{Fault, Problem};
use crate::config::parse_span;
use crate::nearest::unknown;

/// The identifier in a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err: Display>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let refuse = |name: &str, why: &dyn Display| {
            Problem::invalid(vec![Fault::new(name, why.to_string())])
        };
        let parameters = parameters.map_err(|_| refuse("path", &"must be UTF-8"))?;
        let (name, text) = parameters.iter().next().unwrap_or_default();
        text.parse().map(Self).map_err(|error| refuse(name, &error))
    }
}

/// The identifier in a path, and the name behind it.
#[derive(Clone, Debug)]
pub(super) struct IdAndName<T>(pub(super) T, pub(super) String);

impl<T: FromStr<Err: Display>, S: Send + Sync> FromRequestParts<S> for IdAndName<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Both read the same parameters; what cannot be read as text is refused by the first.
        let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else {
            return Err(Problem::invalid(vec![Fault::new("path", "must be UTF-8")]));
        };
        let name = parameters.iter().nth(1).map(|(_, name)| name.to_owned());
        drop(parameters);
        let Id(id) = Id::from_request_parts(parts, state).await?;
        Ok(Self(id, name.unwrap_or_default()))
    }
}

/// The parameters of a query, taken out one by one.
#[derive(Debug)]
pub(super) struct Query {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        // Any text is a query, so there is nothing to refuse.
        let left = match uri.query() {
            None | Some("") => Vec::new(),
            Some(_) => axum::extract::Query::try_from_uri(uri)
                .map(|axum::extract::Query(left)| left)
                .unwrap_or_default(),
        };
        Self {
            left,
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Takes a parameter that may be given once.
    pub(super) fn one<T>(
        &mut self,
        name: &'static str,
        parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Option<T> {
        let mut all = self.all(name, parse);
        if all.len() > 1 {
            self.faults
                .push(Fault::new(name, "is given more than once"));
        }
        all.pop()
    }

    /// Takes a parameter that may be given many times.
    pub(super) fn all<T>(
        &mut self,
        name: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Vec<T> {
        self.known.push(name);
        let mut found = Vec::new();
        let faults = &mut self.faults;
        self.left.retain(|(given, text)| {
            if given != name {
                return true;
            }
            match parse(text) {
                Ok(value) => found.push(value),
                Err(message) => faults.push(Fault::new(name, message)),
            }
            false
        });
        found
    }

    /// Complains of what is wrong, and of parameters that nobody asked for.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in self.left {
            let message = unknown("parameter", &name, self.known.iter().copied());
            self.faults.push(Fault::new(name, message));
        }
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Problem::invalid(self.faults)),
        }
    }
}

/// Reads anything that can be parsed.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: T::Err| format!("cannot be read: {error}"))
}

/// Reads yes or no.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "must be \"true\" or \"false\"".to_owned())
}

/// Reads a number that counts from one.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number >= 1);
    number.ok_or_else(|| "must be a whole number from 1 on".to_owned())
}

/// Reads a span of time that is not longer than a limit.
pub(super) fn span(text: &str, max: Duration, setting: &str) -> Result<Duration, String> {
    match parse_span(text) {
        None => Err(format!(
            "{text:?} is not a span of time such as \"10s\" or \"500ms\""
        )),
        Some(span) if span > max => Err(format!("is longer than {max:?}, the limit ({setting})")),
        Some(span) => Ok(span),
    }
}
