//! Says what it is told to: bytes that a fuzzer has made up, read as the words of the contract.

use crate::bindings::millwork::connector::types::{
    Action, ActionTraits, Ask, Example, Failure, FailureKind, FieldError, Manifest, Outcome,
    SignalWait, Suspension, Then, Until,
};
use crate::bindings::millwork::http::client::{self, Request};
use crate::bindings::millwork::kv::kv::{self, Expectation};
use crate::bindings::millwork::log::log::{self, Level};
use crate::bindings::millwork::secrets::secrets;

/// Bytes that are read from the front; nought where there are none left.
pub(crate) struct Told<'a>(pub(crate) &'a [u8]);

impl Told<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn short(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Some bytes, which may be said many times over.
    fn bytes(&mut self) -> Vec<u8> {
        let times = [1, 1, 1, 1, 2, 16, 256, 4_096][usize::from(self.byte() & 7)];
        let length = self.short().min(self.0.len());
        let (said, rest) = self.0.split_at(length);
        self.0 = rest;
        said.repeat(times)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() & 1 == 1).then(|| read(self))
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        let times = [0, 1, 1, 2, 3, 5, 300, 3_000][usize::from(self.byte() & 7)];
        (0..times).map(|_| read(self)).collect()
    }

    fn pairs(&mut self) -> Vec<(String, String)> {
        self.list(|told| (told.text(), told.text()))
    }
}

/// Does a few things on the side, and then answers.
pub(crate) fn invoke(told: &mut Told<'_>) -> Result<Outcome, Failure> {
    for _ in 0..told.byte() & 7 {
        aside(told);
    }
    match told.byte() & 3 {
        0 | 1 => Ok(Outcome::Completed(told.text())),
        2 => Ok(Outcome::Suspended(suspension(told))),
        _ => Err(failure(told)),
    }
}

fn aside(told: &mut Told<'_>) {
    match told.byte() & 7 {
        0 => log::write(level(told), &told.text(), &told.pairs()),
        1 => println!("{}", told.text()),
        2 => drop(kv::get(&told.text())),
        3 => drop(kv::set(&told.text(), &told.bytes(), expectation(told))),
        4 => drop(kv::delete(&told.text(), expectation(told))),
        5 => drop(secrets::placeholder(&told.text())),
        6 => drop(secrets::reveal(&told.text())),
        _ => drop(client::send(&Request {
            method: told.text(),
            url: told.text(),
            headers: told.pairs(),
            body: told.maybe(Told::bytes),
            timeout: told.maybe(Told::number),
            redirects: told.byte().into(),
        })),
    }
}

fn level(told: &mut Told<'_>) -> Level {
    match told.byte() & 3 {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        _ => Level::Error,
    }
}

fn expectation(told: &mut Told<'_>) -> Expectation {
    match told.byte() & 3 {
        0 => Expectation::Absent,
        1 => Expectation::Version(told.number()),
        _ => Expectation::Any,
    }
}

fn suspension(told: &mut Told<'_>) -> Suspension {
    let until = match told.byte() & 3 {
        0 => Until::At(told.number()),
        1 => Until::After(told.number()),
        _ => Until::Signal(SignalWait {
            name: told.text(),
            timeout: told.maybe(Told::number),
        }),
    };
    let then = match told.byte() & 1 {
        0 => Then::CallAgain,
        _ => Then::Complete(told.text()),
    };
    Suspension {
        until,
        state: told.bytes(),
        then,
    }
}

fn failure(told: &mut Told<'_>) -> Failure {
    let kind = match told.byte() & 7 {
        0 => FailureKind::Retryable,
        1 => FailureKind::RateLimited(told.maybe(Told::number)),
        2 => FailureKind::Permanent,
        3 => FailureKind::Timeout,
        _ => FailureKind::Other,
    };
    Failure {
        kind,
        code: told.text(),
        message: told.text(),
        details: told.maybe(Told::text),
    }
}

pub(crate) fn field_errors(told: &mut Told<'_>) -> Vec<FieldError> {
    told.list(|told| FieldError {
        path: told.text(),
        message: told.text(),
    })
}

pub(crate) fn manifest(told: &mut Told<'_>) -> Manifest {
    Manifest {
        name: told.text(),
        version: told.text(),
        description: told.text(),
        actions: told.list(action),
        asks: told.list(|told| match told.byte() & 3 {
            0 => Ask::Kv,
            1 => Ask::Secret(told.text()),
            _ => Ask::Http(told.text()),
        }),
        annotations: told.pairs(),
    }
}

fn action(told: &mut Told<'_>) -> Action {
    Action {
        name: told.text(),
        title: told.text(),
        description: told.text(),
        config_schema: told.text(),
        output_schema: told.text(),
        examples: told.list(|told| Example {
            title: told.text(),
            config: told.text(),
        }),
        traits: ActionTraits::from_bits_truncate(told.byte()),
        timeout: told.maybe(Told::number),
        max_attempts: told.maybe(|told| told.byte().into()),
        annotations: told.pairs(),
    }
}

/// Bytes that stand in a text as hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
