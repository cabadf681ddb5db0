//! A directory of the host, as it is granted: to be read, or to be written to as well.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which directory, by the name that the configuration has for it: `reports`; `write reports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRule {
    /// Its name under `[plugins.directories]`.
    pub directory: String,
    /// Whether the plugin may change what is in it.
    pub write: bool,
}

/// The text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no directory: write the name that it has under [plugins.directories], or write and the name, as in \"write reports\""
)]
pub struct ParseDirectoryRuleError(String);

/// Whether this can be the name of a directory: for a plugin a part of a path, for the host a key.
pub(crate) fn is_directory_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Whether this can be the name of a variable.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

impl FromStr for DirectoryRule {
    type Err = ParseDirectoryRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (write, directory) = match text.trim().split_once(' ') {
            None => (false, text.trim()),
            Some(("write", directory)) => (true, directory.trim()),
            Some(_) => return Err(ParseDirectoryRuleError(text.to_owned())),
        };
        // A directory of that name would be taken for a rule that somebody left unfinished.
        if !is_directory_name(directory) || directory == "write" {
            return Err(ParseDirectoryRuleError(text.to_owned()));
        }
        Ok(Self {
            directory: directory.to_owned(),
            write,
        })
    }
}

impl fmt::Display for DirectoryRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = if self.write { "write " } else { "" };
        write!(f, "{write}{}", self.directory)
    }
}

impl Serialize for DirectoryRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DirectoryRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_and_its_path_is_not() {
        for (text, write) in [("reports", false), ("write reports", true)] {
            let rule: DirectoryRule = text.parse().expect("it is a rule");
            assert_eq!((rule.directory.as_str(), rule.write), ("reports", write));
            assert_eq!(rule.to_string(), text);
        }
        for text in [
            "",
            "/etc",
            "../x",
            "read reports",
            "write",
            "write ",
            "a b c",
            ".",
        ] {
            assert!(text.parse::<DirectoryRule>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_name_of_a_variable_is_one_of_an_environment() {
        for (text, holds) in [
            ("REGION", true),
            ("_a1", true),
            ("1A", false),
            ("A=B", false),
            ("", false),
        ] {
            assert_eq!(is_variable_name(text), holds, "{text:?}");
        }
    }
}
