//! What a definition may refer to: the `type` of a step, and what the catalogue answers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::definition::{Problem, ScheduleTrigger, cut};
use crate::digest::Digest;

/// The `type` of a step: a plugin's name with an optional action and an optional version,
/// as in `webhook`, `slack.post-message`, `webhook@1`, `slack.post-message@1.2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeRef {
    /// The plugin's name.
    pub plugin: String,
    /// The action; the plugin's first where absent.
    pub action: Option<String>,
    /// The beginning of a version (`1`, `1.2`, `1.2.3`); the newest where absent.
    pub version: Option<String>,
}

/// The text is no `type` of a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not a step type: write plugin, plugin.action, plugin@version or plugin.action@version", cut(.0.clone(), 60))]
pub struct ParseTypeRefError(String);

impl FromStr for TypeRef {
    type Err = ParseTypeRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseTypeRefError(text.to_owned());
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let (plugin, action) = match name.split_once('.') {
            Some((plugin, action)) => (plugin, Some(action)),
            None => (name, None),
        };
        let name_holds = is_name(plugin) && action.is_none_or(is_name);
        let version_holds =
            version.is_none_or(|v| v.split('.').all(is_number) && v.split('.').count() <= 3);
        if !name_holds || !version_holds {
            return Err(refuse());
        }
        Ok(Self {
            plugin: plugin.to_owned(),
            action: action.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plugin)?;
        if let Some(action) = &self.action {
            write!(f, ".{action}")?;
        }
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        Ok(())
    }
}

/// Whether a text is a part of a version. Of two spellings of a number (`1`, `+1`, `01`) only the shortest is one.
fn is_number(text: &str) -> bool {
    text.parse::<u32>()
        .is_ok_and(|number| number.to_string() == text)
}

/// Whether a text may name a plugin or an action: lower-case letters, digits and single dashes, a letter first.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// What the catalogue knows of the action that a [`TypeRef`] names: all that the machine needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// The exact bytes that the name means now.
    pub digest: Digest,
    /// The action's name.
    pub action: String,
    /// How long an attempt may take where the step does not say.
    pub timeout: Option<Duration>,
    /// How many attempts a retryable failure gets where the step does not say.
    pub attempts_max: Option<u32>,
}

/// The catalogue, as the checker of definitions sees it.
pub trait Catalog {
    /// Finds what a `type` means now.
    ///
    /// # Errors
    /// A sentence for the author of the workflow: what is unknown, and the nearest thing that is known.
    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String>;

    /// Says what is wrong with a JSON Schema, each with its place in it. Nothing, where no judge is at hand.
    fn check_schema(&self, _schema: &serde_json::Value) -> Vec<Problem> {
        Vec::new()
    }

    /// Says what is wrong with a schedule, each with its place in it (`/cron`, `/timezone`). Nothing, where no judge of
    /// times is at hand.
    fn check_schedule(&self, _schedule: &ScheduleTrigger) -> Vec<Problem> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_plugin_with_an_optional_action_and_version() {
        for text in [
            "webhook",
            "slack.post-message",
            "webhook@1",
            "slack.post-message@1.2.3",
        ] {
            assert_eq!(
                text.parse::<TypeRef>().map(|t| t.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "Webhook",
            "a.b.c",
            "a@",
            "a@x",
            "a@1.2.3.4",
            "a@+1",
            "a@01",
            ".a",
            "a-",
            "1a",
            "a b",
        ] {
            assert!(text.parse::<TypeRef>().is_err(), "{text}");
        }
    }
}
