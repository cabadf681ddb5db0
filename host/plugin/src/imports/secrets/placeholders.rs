//! What stands in a plugin's requests in the place of secrets, and what the host puts there when a request leaves.

use std::sync::Arc;

use http::Method;
use url::Url;

use super::Secret;
use crate::grant::{Denied, Power, Powers};
use crate::limits;

/// The secrets that a call has mentioned, each with what stands for it. Cheap to hand on.
#[derive(Clone, Default)]
pub(crate) struct Placeholders(Arc<Vec<Mentioned>>);

#[derive(Clone)]
struct Mentioned {
    name: String,
    placeholder: String,
    value: Secret,
}

/// The request that secrets are put into.
pub(crate) struct Sending<'a> {
    pub(crate) powers: &'a Powers,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// How large each part of it may become: a placeholder is short, and a secret may be long.
    pub(crate) max_bytes: usize,
}

/// Why the secrets were not put in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfilled {
    /// One of them is not granted for where the request goes.
    Denied(Denied),
    /// With them it would be too large.
    TooLarge(String),
}

impl Placeholders {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What stands for a secret, where it was mentioned before.
    pub(super) fn of(&self, name: &str) -> Option<&str> {
        let mut known = self.0.iter();
        let found = known.find(|mentioned| mentioned.name == name);
        found.map(|mentioned| mentioned.placeholder.as_str())
    }

    pub(crate) fn add(&mut self, name: String, placeholder: String, value: Secret) {
        Arc::make_mut(&mut self.0).push(Mentioned {
            name,
            placeholder,
            value,
        });
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|mentioned| &mentioned.value)
    }

    /// Puts the values in the place of their placeholders.
    ///
    /// # Errors
    /// Where a placeholder stands in a request to a host that its secret is not granted for, or the text becomes too large.
    pub(crate) fn fill(&self, text: &str, sending: &Sending<'_>) -> Result<String, Unfilled> {
        let mut filled = text.to_owned();
        for mentioned in self.0.iter() {
            let count = filled.matches(mentioned.placeholder.as_str()).count();
            if count > 0 {
                mentioned.check(count, filled.len(), sending)?;
                filled = filled.replace(&mentioned.placeholder, &mentioned.value.0);
            }
        }
        Ok(filled)
    }

    /// Like [`Self::fill`], for bytes.
    pub(crate) fn fill_bytes(
        &self,
        bytes: Vec<u8>,
        sending: &Sending<'_>,
    ) -> Result<Vec<u8>, Unfilled> {
        let mut filled = bytes;
        for mentioned in self.0.iter() {
            let placeholder = mentioned.placeholder.as_bytes();
            let count = count(&filled, placeholder);
            if count > 0 {
                mentioned.check(count, filled.len(), sending)?;
                filled = replace(filled, placeholder, mentioned.value.0.as_bytes());
            }
        }
        Ok(filled)
    }

    /// Puts the placeholders back, in what the plugin gets to see of its own request.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for mentioned in self.seen() {
            hidden = hidden.replace(&mentioned.value.0, &mentioned.placeholder);
        }
        hidden
    }

    /// The same in the body of an answer: a server may send back what it was sent.
    pub(crate) fn hide_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let mut hidden = bytes;
        for mentioned in self.seen() {
            hidden = replace(
                hidden,
                mentioned.value.0.as_bytes(),
                mentioned.placeholder.as_bytes(),
            );
        }
        hidden
    }

    /// How many bytes at the end could be the beginning of a secret whose rest is still to come.
    pub(crate) fn begun(&self, bytes: &[u8]) -> usize {
        let begun = |mentioned: &Mentioned| {
            let value = mentioned.value.0.as_bytes();
            let longest = bytes.len().min(value.len().saturating_sub(1));
            (1..=longest)
                .rev()
                .find(|length| bytes.ends_with(&value[..*length]))
        };
        self.seen().filter_map(begun).max().unwrap_or(0)
    }

    fn seen(&self) -> impl Iterator<Item = &Mentioned> {
        self.0
            .iter()
            .filter(|mentioned| !mentioned.value.0.is_empty())
    }
}

impl Mentioned {
    /// Whether the value may stand there so many times.
    fn check(&self, count: usize, length: usize, sending: &Sending<'_>) -> Result<(), Unfilled> {
        let Sending {
            powers,
            method,
            url,
            max_bytes,
        } = *sending;
        let send = Power::Send {
            secret: &self.name,
            method,
            url,
        };
        powers.allows(send).map_err(Unfilled::Denied)?;
        let more = self.value.0.len().saturating_mul(count);
        let becomes = (length - self.placeholder.len() * count).saturating_add(more);
        if becomes > max_bytes {
            let limit = limits::reached("http_request_max_bytes", max_bytes);
            return Err(Unfilled::TooLarge(format!(
                "with its secrets the request is larger than {limit} bytes"
            )));
        }
        Ok(())
    }
}

/// Where bytes stand in others.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    let (mut rest, mut count) = (bytes, 0);
    while let Some(at) = find(rest, needle) {
        rest = &rest[at + needle.len()..];
        count += 1;
    }
    count
}

fn replace(bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let Some(mut at) = find(&bytes, old) else {
        return bytes;
    };
    let mut rest = bytes.as_slice();
    let mut out = Vec::with_capacity(bytes.len());
    loop {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
        match find(rest, old) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grant::{Ask, Grant};

    fn placeholders(value: &str) -> Placeholders {
        let mut placeholders = Placeholders::default();
        placeholders.add("token".to_owned(), "PLACE".to_owned(), Secret::new(value));
        placeholders
    }

    fn powers() -> Powers {
        let rules = vec!["https://slack.com".parse().expect("it is a rule")];
        let grant = Grant {
            secrets: BTreeMap::from([("token".to_owned(), rules)]),
            ..Grant::default()
        };
        Powers::new("slack", &[Ask::Secret("token".to_owned())], grant)
    }

    fn filled(
        value: &str,
        text: &str,
        url: &str,
        max_bytes: usize,
    ) -> [Result<String, Unfilled>; 2] {
        let (placeholders, powers) = (placeholders(value), powers());
        let url: Url = url.parse().expect("it is a URL");
        let sending = Sending {
            powers: &powers,
            method: &Method::POST,
            url: &url,
            max_bytes,
        };
        let bytes = placeholders.fill_bytes(text.as_bytes().to_vec(), &sending);
        [
            placeholders.fill(text, &sending),
            bytes.map(|bytes| String::from_utf8(bytes).expect("it is text")),
        ]
    }

    const SLACK: &str = "https://slack.com/";

    #[test]
    fn a_value_stands_where_its_placeholder_stood_and_only_where_it_is_granted() {
        for told in filled("xyzzy", "Bearer PLACE, PLACE", SLACK, 100) {
            assert_eq!(told, Ok("Bearer xyzzy, xyzzy".to_owned()));
        }
        for told in filled("xyzzy", "Bearer PLACE", "https://evil.example/", 100) {
            assert!(matches!(told, Err(Unfilled::Denied(_))), "{told:?}");
        }
        for told in filled("xyzzy", "nothing in it", "https://evil.example/", 100) {
            assert_eq!(told, Ok("nothing in it".to_owned()));
        }
        assert_eq!(placeholders("xyzzy").hide("Bearer xyzzy"), "Bearer PLACE");
    }

    #[test]
    fn a_short_placeholder_cannot_be_made_to_hold_a_mountain() {
        // What a plugin writes in 5 bytes takes 60,000 each: a body of four megabytes would take the memory of the host.
        let long = "x".repeat(60_000);
        let many = "PLACE".repeat(1_000);
        for told in filled(&long, &many, SLACK, 1 << 20) {
            let Err(Unfilled::TooLarge(why)) = told else {
                panic!("it was let through");
            };
            assert!(
                why.contains("plugins.limits.http_request_max_bytes"),
                "{why}"
            );
        }
        for told in filled(&long, "PLACE", SLACK, 1 << 20) {
            assert_eq!(told.map(|text| text.len()), Ok(60_000));
        }
    }

    #[test]
    fn what_may_be_the_beginning_of_a_secret_is_known() {
        let placeholders = placeholders("abcabd");
        for (bytes, begun) in [
            ("", 0),
            ("x", 0),
            ("xa", 1),
            ("abc", 3),
            ("xabcab", 5),
            ("ababc", 3),
        ] {
            assert_eq!(placeholders.begun(bytes.as_bytes()), begun, "{bytes}");
        }
    }
}
