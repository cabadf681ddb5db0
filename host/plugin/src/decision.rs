//! What operators decide about plugins while the host runs, and what that makes of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::{LoadedPlugin, Origin};
use crate::grant::{Ask, Grant, HttpRule};

/// What was decided about a plugin, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What it may do, where the configuration does not say.
    pub grant: Option<Grant>,
    /// What it may ask for, as its manifest says it; nothing where nobody was asked yet, and then the first version that comes
    /// may ask for what it likes: nothing of it is granted.
    pub agreed: Option<BTreeSet<String>>,
    /// Whether its names mean nothing for new runs.
    pub disabled: bool,
}

/// What was decided, by the plugins' names.
pub type Decisions = BTreeMap<String, Decision>;

/// Whether new runs may use a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Active,
    /// It asks for more than was agreed to, and waits until somebody agrees.
    AwaitsConsent {
        /// What it asks for beyond that.
        more: Vec<String>,
    },
    /// Somebody has disabled it.
    Disabled,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::AwaitsConsent { .. } => "awaiting-consent",
            Self::Disabled => "disabled",
        })
    }
}

impl Standing {
    /// How a plugin stands.
    pub(crate) fn of(plugin: &LoadedPlugin, decisions: &Decisions) -> Self {
        let Some(decision) = decisions.get(plugin.name()) else {
            return Self::Active;
        };
        if decision.disabled {
            return Self::Disabled;
        }
        // What comes with the host is the host's own.
        let agreed = decision
            .agreed
            .as_ref()
            .filter(|_| plugin.origin != Origin::Bundled);
        match agreed.map(|agreed| beyond(&plugin.manifest.asks, agreed)) {
            Some(more) if !more.is_empty() => Self::AwaitsConsent { more },
            _ => Self::Active,
        }
    }
}

/// What is asked for beyond what was agreed to.
fn beyond(asks: &[Ask], agreed: &BTreeSet<String>) -> Vec<String> {
    let anywhere = Ask::Http(HttpRule::any()).to_string();
    let is_agreed = |ask: &&Ask| {
        agreed.contains(&ask.to_string())
            || matches!(ask, Ask::Http(_)) && agreed.contains(&anywhere)
    };
    let more = asks.iter().filter(|ask| !is_agreed(ask));
    more.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(texts: &[&str]) -> Vec<Ask> {
        let ask = |text: &&str| match text.split_once(' ') {
            Some(("http", rule)) => Ask::Http(rule.parse().expect("it is a rule")),
            Some((_, name)) => Ask::Secret(name.to_owned()),
            None => Ask::Kv,
        };
        texts.iter().map(ask).collect()
    }

    fn agreed(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_asked_for_beyond_what_was_agreed_to_is_named() {
        let one = agreed(&["http https://slack.com", "kv"]);
        assert_eq!(beyond(&asks(&["kv"]), &one), Vec::<String>::new());
        let more = asks(&[
            "http https://slack.com",
            "http https://evil.example",
            "secret token",
        ]);
        assert_eq!(
            beyond(&more, &one),
            ["http https://evil.example", "secret token"]
        );
        let any = agreed(&["http *"]);
        assert_eq!(
            beyond(&asks(&["http https://a.example"]), &any),
            Vec::<String>::new()
        );
        assert_eq!(beyond(&asks(&["http *"]), &one), ["http *"]);
    }
}
