//! Answers that were recorded, in place of the network: for authors who try a plugin out.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::door::{Answer, HttpError};
use crate::grant::HttpRule;

/// An answer, as it is written down. Of the request only the place is kept: the rest may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The method and the URL without its query, for people.
    #[serde(default)]
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    #[serde(default)]
    pub body: String,
}

/// Where answers come from or go to.
#[derive(Debug)]
pub enum Tape {
    /// From here, in this order, and nothing is sent.
    Play(Mutex<VecDeque<Recorded>>),
    /// From the network, and they are written down here.
    Record(Mutex<Vec<Recorded>>),
}

impl Tape {
    /// A tape that answers.
    #[must_use]
    pub fn play(answers: Vec<Recorded>) -> Self {
        Self::Play(Mutex::new(answers.into()))
    }

    /// A tape that listens.
    #[must_use]
    pub fn record() -> Self {
        Self::Record(Mutex::default())
    }

    /// What has been written down.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        match self {
            Self::Play(_) => Vec::new(),
            Self::Record(answers) => answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// The next answer; nothing where the network is to be asked.
    pub(crate) fn next(&self, url: &Url) -> Option<Result<Answer, HttpError>> {
        let Self::Play(answers) = self else {
            return None;
        };
        let next = answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        // No more of the URL than that: a secret may stand in it by now.
        let place = HttpRule::exactly(url);
        let missing = || HttpError::Connect(format!("no further answer is recorded (for {place})"));
        Some(next.map_or_else(|| Err(missing()), |recorded| read(recorded, url)))
    }

    /// Writes an answer down.
    pub(crate) fn note(&self, request: String, answer: &Answer) {
        let Self::Record(answers) = self else { return };
        let headers = answer.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        let recorded = Recorded {
            request,
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        };
        answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(recorded);
    }
}

fn read(recorded: Recorded, url: &Url) -> Result<Answer, HttpError> {
    let bad = |what: String| HttpError::Protocol(format!("what is recorded is no answer: {what}"));
    let status = StatusCode::from_u16(recorded.status).map_err(|error| bad(error.to_string()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in recorded.headers {
        let name: HeaderName = name.parse().map_err(|_| bad(format!("header {name:?}")))?;
        let value: HeaderValue = value.parse().map_err(|_| bad(format!("header {name}")))?;
        let kept = headers.try_append(name, value);
        kept.map_err(|_| bad("it has more headers than fit".to_owned()))?;
    }
    Ok(Answer {
        status,
        headers,
        body: recorded.body.into_bytes(),
        url: url.clone(),
    })
}
