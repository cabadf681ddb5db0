//! The place of something in a trace, as W3C Trace Context writes it: what is told from one system to the next, so that what they
//! do for each other is seen together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A place in a trace: which trace, and below which span of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace; never zero.
    trace: u128,
    /// The span; never zero.
    span: u64,
    flags: u8,
}

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent, such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
pub struct ParseTraceError;

impl TraceContext {
    /// The header that says it, between systems.
    pub const HEADER: &str = "traceparent";

    /// A place in a trace. Zero is none: it becomes one.
    #[must_use]
    pub const fn new(trace: u128, span: u64, is_sampled: bool) -> Self {
        Self {
            trace: if trace == 0 { 1 } else { trace },
            span: if span == 0 { 1 } else { span },
            flags: if is_sampled { SAMPLED } else { 0 },
        }
    }

    /// The trace.
    #[must_use]
    pub const fn trace(&self) -> u128 {
        self.trace
    }

    /// The span.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.span
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The place of a part of what is here, by a name that no other part has: the same whenever and wherever it is asked for. So
    /// nobody has to remember the spans of what goes on for days and in many processes.
    #[must_use]
    pub fn child(self, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.trace.to_be_bytes());
        hash.update(self.span.to_be_bytes());
        hash.update(name);
        let mut span = [0; 8];
        span.copy_from_slice(&hash.finalize()[..8]);
        self.below(u64::from_be_bytes(span))
    }

    /// The same trace, below another span.
    #[must_use]
    pub const fn below(self, span: u64) -> Self {
        Self {
            span: if span == 0 { 1 } else { span },
            ..self
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace, self.span, self.flags
        )
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceContext {
    type Err = ParseTraceError;

    /// Reads what this version writes, and of a later one what it has in common with it.
    fn from_str(text: &str) -> Result<Self, ParseTraceError> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length);
            let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            part.filter(|part| part.bytes().all(is_hex))
                .ok_or(ParseTraceError)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let has_more = parts.next().is_some();
        if version == "ff" || (version == "00" && has_more) {
            return Err(ParseTraceError);
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| ParseTraceError)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| ParseTraceError)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| ParseTraceError)?;
        if trace == 0 || span == 0 {
            return Err(ParseTraceError);
        }
        Ok(Self {
            trace,
            span,
            flags: flags & SAMPLED,
        })
    }
}

impl Serialize for TraceContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read_back() {
        let read: TraceContext = TEXT.parse().expect("it is one");
        assert_eq!(read.trace(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(read.span(), 0xb7ad_6b71_6920_3331);
        assert!(read.is_sampled());
        assert_eq!(read.to_string(), TEXT);
        let json = serde_json::to_string(&read).expect("it is JSON");
        assert_eq!(
            serde_json::from_str::<TraceContext>(&json).expect("it is one"),
            read
        );
        let below = read.below(7);
        assert_eq!((below.trace(), below.span()), (read.trace(), 7));
    }

    #[test]
    fn a_part_has_the_same_place_whenever_it_is_asked_for() {
        let read: TraceContext = TEXT.parse().expect("it is one");
        let (one, other) = (read.child("a"), read.child("b"));
        assert_eq!(one, read.child("a"));
        assert_ne!(one.span(), other.span());
        assert_ne!(one.child("a").span(), one.span());
        assert_eq!((one.trace(), one.is_sampled()), (read.trace(), true));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_the_same() {
        let later = TEXT.replacen("00", "01", 1);
        assert_eq!(
            format!("{later}-more").parse::<TraceContext>(),
            TEXT.parse()
        );
        assert_eq!(later.parse::<TraceContext>(), TEXT.parse());
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = format!("{TEXT}-more");
        for text in [
            "",
            "00",
            &TEXT[1..],
            &TEXT.to_uppercase(),
            &TEXT.replacen("00", "ff", 1),
            &long,
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(ParseTraceError),
                "{text:?}"
            );
        }
    }
}
