//! What a caller may do: scopes, and sets of them.

use std::fmt;
use std::str::FromStr;

/// Something that callers may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See workflows, runs, plugins and metrics.
    Read,
    /// Trigger workflows. It does not include seeing what else there is.
    Trigger,
    /// Change workflows and runs.
    Write,
    /// Everything: also tokens, the audit log, and what plugins may do.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Trigger, Self::Write, Self::Admin];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trigger => "trigger",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope: it is one of read, trigger, write and admin")]
pub struct ParseScopeError(String);

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| ParseScopeError(text.to_owned()))
    }
}

/// A set of scopes, written with commas: `read,trigger`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether it allows something: because it is in the set, or because `admin` is.
    #[must_use]
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (bit(scope) | bit(Scope::Admin)) != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, each once.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let is_in = move |scope: &Scope| self.0 & bit(*scope) != 0;
        Scope::ALL.into_iter().filter(is_in)
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | bit(scope)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Scopes {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_allows_what_is_in_it_and_admin_allows_everything() {
        let set: Scopes = " write, read,read".parse().expect("they are scopes");
        assert_eq!(set.to_string(), "read,write");
        assert_eq!(set.to_string().parse(), Ok(set));
        let allowed = |set: Scopes| Scope::ALL.map(|scope| set.allow(scope));
        assert_eq!(allowed(set), [true, false, true, false]);
        assert_eq!(allowed(Scopes::from_iter([Scope::Admin])), [true; 4]);
        assert_eq!(allowed(Scopes::default()), [false; 4]);
        assert!(Scopes::default().is_empty() && !set.is_empty());
    }

    #[test]
    fn what_is_no_scope_is_named() {
        let error = "read,root".parse::<Scopes>().expect_err("root is none");
        assert!(
            error.to_string().starts_with("\"root\" is no scope"),
            "{error}"
        );
    }
}
