//! What plugins may do. A power needs two keys: the plugin's manifest asks for it, and the operator grants it.
//!
//! [`Powers::allows`] is the one question, and everything that acts on the world asks it. Which addresses a granted
//! name may turn out to have is [`Networks::allows`], asked of every address right before it is connected to.

mod directory_rule;
mod http_rule;
mod network;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::directory_rule::{DirectoryRule, ParseDirectoryRuleError};
pub(crate) use self::directory_rule::{is_directory_name, is_variable_name};
pub use self::http_rule::{HttpRule, ParseHttpRuleError};
pub use self::network::{AddressClass, Network, Networks, ParseNetworkError};

/// Where the grants stand in the configuration: refusals name the line that would grant.
pub const SECTION: &str = "plugins.grants";

/// What the operator grants, by the plugins' names: `[plugins.grants.<name>]` in the configuration.
pub type Grants = BTreeMap<String, Grant>;

/// What the operator grants one plugin. Nothing, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// HTTP: `https://slack.com`, `https://*.example.com:8443`, `GET,HEAD https://example.com`, `*`.
    pub http: Vec<HttpRule>,
    /// Which addresses those hosts may have besides public ones: `loopback`, `private` or a network such as `10.1.0.0/16`.
    pub private_networks: Vec<Network>,
    /// Small values kept between calls.
    pub kv: bool,
    /// Secrets that may be put into its requests, unseen, each with the hosts that it may be sent to.
    pub secrets: BTreeMap<String, Vec<HttpRule>>,
    /// Secrets that it may see.
    pub reveal: Vec<String>,
    /// Directories that it may read, or write to as well, by the names that it asks for: `reports`, `write reports`.
    // Left out where nothing is granted, so that processes of an earlier version can read what is in the store.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub directories: BTreeMap<String, DirectoryRule>,
    /// Variables of its environment, by the names that it asks for, each with the name that it has for the host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// A power that a plugin's manifest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// HTTP to the hosts that match.
    Http(HttpRule),
    /// The secret of this name.
    Secret(String),
    /// Small values kept between calls.
    Kv,
    /// A directory, which it has at `/` and this name.
    Directory(String),
    /// A variable of its environment.
    Variable(String),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(rule) => write!(f, "http {rule}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Kv => f.write_str("kv"),
            Self::Directory(name) => write!(f, "directory {name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

/// What a plugin wants to do right now.
#[derive(Clone, Copy, Debug)]
pub enum Power<'a> {
    /// One HTTP exchange.
    Http {
        /// Its method.
        method: &'a Method,
        /// Where to.
        url: &'a Url,
    },
    /// Reading and writing kept values.
    Kv,
    /// Mentioning a secret in a request, unseen.
    Secret(&'a str),
    /// Sending a secret, unseen.
    Send {
        /// The secret's name.
        secret: &'a str,
        /// The method of the request.
        method: &'a Method,
        /// Where to.
        url: &'a Url,
    },
    /// Seeing a secret.
    Reveal(&'a str),
    /// Reading in a directory.
    Read {
        /// The name that the plugin has for it.
        directory: &'a str,
    },
    /// Changing what is in a directory.
    Write {
        /// The name that the plugin has for it.
        directory: &'a str,
    },
    /// Having a variable in its environment.
    Variable(&'a str),
}

/// No; and what would have to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(pub String);

/// What one plugin may do: its asks and its grant, joined.
#[derive(Clone, Debug)]
pub struct Powers {
    plugin: String,
    asks: Vec<Ask>,
    grant: Grant,
    networks: Arc<Networks>,
}

impl Powers {
    /// Joins the two keys.
    #[must_use]
    pub fn new(plugin: &str, asks: &[Ask], grant: Grant) -> Self {
        let networks = Arc::new(Networks::new(grant.private_networks.clone()));
        Self {
            plugin: plugin.to_owned(),
            asks: asks.to_vec(),
            grant,
            networks,
        }
    }

    /// Nothing at all: how `describe` and `validate` are called.
    #[must_use]
    pub fn none(plugin: &str) -> Self {
        Self::new(plugin, &[], Grant::default())
    }

    /// What its manifest asks for.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// What the operator grants.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Which addresses its HTTP may reach.
    #[must_use]
    pub fn networks(&self) -> &Arc<Networks> {
        &self.networks
    }

    /// Whether the plugin may do this, now.
    ///
    /// # Errors
    /// Where the manifest does not ask for it, or the operator does not grant it; the text names the missing line.
    pub fn allows(&self, power: Power<'_>) -> Result<(), Denied> {
        if !self.asks_for(power) {
            return Err(Denied(format!(
                "{} its manifest does not ask for it, so nobody can grant it",
                self.may_not(power)
            )));
        }
        if !self.is_granted(power) {
            return Err(Denied(format!(
                "{} to grant it, write {} under [{SECTION}.{}]",
                self.may_not(power),
                line(power),
                self.plugin
            )));
        }
        Ok(())
    }

    /// What it asks for and is not granted at all, for whoever decides whether to grant it.
    pub fn ungranted(&self) -> impl Iterator<Item = &Ask> {
        self.asks.iter().filter(|ask| match ask {
            Ask::Http(_) => self.grant.http.is_empty(),
            Ask::Secret(name) => {
                !self.grant.secrets.contains_key(name) && !self.grant.reveal.contains(name)
            }
            Ask::Kv => !self.grant.kv,
            Ask::Directory(name) => !self.grant.directories.contains_key(name),
            Ask::Variable(name) => !self.grant.variables.contains_key(name),
        })
    }

    fn asks_for(&self, power: Power<'_>) -> bool {
        self.asks.iter().any(|ask| match (ask, power) {
            (Ask::Http(rule), Power::Http { method, url }) => rule.matches(method, url),
            (Ask::Kv, Power::Kv) => true,
            (
                Ask::Secret(asked),
                Power::Secret(name) | Power::Reveal(name) | Power::Send { secret: name, .. },
            ) => asked == name,
            (Ask::Directory(asked), Power::Read { directory } | Power::Write { directory }) => {
                asked == directory
            }
            (Ask::Variable(asked), Power::Variable(name)) => asked == name,
            (Ask::Http(_) | Ask::Kv | Ask::Secret(_) | Ask::Directory(_) | Ask::Variable(_), _) => {
                false
            }
        })
    }

    fn is_granted(&self, power: Power<'_>) -> bool {
        match power {
            Power::Http { method, url } => {
                self.grant.http.iter().any(|rule| rule.matches(method, url))
            }
            Power::Kv => self.grant.kv,
            Power::Secret(name) => self.grant.secrets.contains_key(name),
            Power::Send {
                secret,
                method,
                url,
            } => self
                .grant
                .secrets
                .get(secret)
                .is_some_and(|rules| rules.iter().any(|rule| rule.matches(method, url))),
            Power::Reveal(name) => self.grant.reveal.iter().any(|granted| granted == name),
            Power::Read { directory } => self.grant.directories.contains_key(directory),
            Power::Write { directory } => {
                let rule = self.grant.directories.get(directory);
                rule.is_some_and(|rule| rule.write)
            }
            Power::Variable(name) => self.grant.variables.contains_key(name),
        }
    }

    fn may_not(&self, power: Power<'_>) -> String {
        let plugin = &self.plugin;
        match power {
            Power::Http { method, url } => format!(
                "plugin {plugin:?} may not {method} {}:",
                HttpRule::exactly(url)
            ),
            Power::Kv => format!("plugin {plugin:?} may not keep values:"),
            Power::Secret(name) => format!("plugin {plugin:?} may not use the secret {name:?}:"),
            Power::Send { secret, url, .. } => format!(
                "plugin {plugin:?} may not send the secret {secret:?} to {}:",
                HttpRule::exactly(url)
            ),
            Power::Reveal(name) => format!("plugin {plugin:?} may not see the secret {name:?}:"),
            Power::Read { directory } => {
                format!("plugin {plugin:?} may not read in the directory {directory:?}:")
            }
            Power::Write { directory } => {
                format!("plugin {plugin:?} may not write to the directory {directory:?}:")
            }
            Power::Variable(name) => {
                format!("plugin {plugin:?} may not have the variable {name:?}:")
            }
        }
    }
}

/// The line of the configuration that grants this and no more.
fn line(power: Power<'_>) -> String {
    match power {
        Power::Http { url, .. } => format!("http = [\"{}\"]", HttpRule::exactly(url)),
        Power::Kv => "kv = true".to_owned(),
        Power::Secret(name) => format!("secrets = {{ {name} = [\"https://the.host\"] }}"),
        Power::Send { secret, url, .. } => format!(
            "secrets = {{ {secret} = [\"{}\"] }}",
            HttpRule::exactly(url)
        ),
        Power::Reveal(name) => format!("reveal = [{name:?}]"),
        Power::Read { directory } => format!("directories = {{ {directory} = \"THE-DIRECTORY\" }}"),
        Power::Write { directory } => {
            format!("directories = {{ {directory} = \"write THE-DIRECTORY\" }}")
        }
        Power::Variable(name) => format!("variables = {{ {name} = \"THE-VARIABLE\" }}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("it is a URL")
    }

    fn http(text: &str) -> HttpRule {
        text.parse().expect("it is a rule")
    }

    #[test]
    fn a_power_needs_both_keys() {
        let target = url("https://slack.com/api");
        let power = Power::Http {
            method: &Method::POST,
            url: &target,
        };
        let ask = [Ask::Http(http("https://slack.com"))];
        let grant = Grant {
            http: vec![http("https://slack.com")],
            ..Grant::default()
        };
        assert!(
            Powers::new("slack", &ask, grant.clone())
                .allows(power)
                .is_ok()
        );
        assert_eq!(
            Powers::new("slack", &ask, Grant::default()).allows(power),
            Err(Denied(
                "plugin \"slack\" may not POST https://slack.com: to grant it, write http = [\"https://slack.com\"] under [plugins.grants.slack]"
                    .to_owned()
            ))
        );
        assert_eq!(
            Powers::new("slack", &[], grant).allows(power),
            Err(Denied(
                "plugin \"slack\" may not POST https://slack.com: its manifest does not ask for it, so nobody can grant it".to_owned()
            ))
        );
    }

    #[test]
    fn without_a_grant_every_power_is_denied() {
        let target = url("http://example.com/");
        let asks = [
            Ask::Http(http("*")),
            Ask::Kv,
            Ask::Secret("token".to_owned()),
            Ask::Directory("data".to_owned()),
            Ask::Variable("REGION".to_owned()),
        ];
        let powers = Powers::new("p", &asks, Grant::default());
        for power in [
            Power::Http {
                method: &Method::GET,
                url: &target,
            },
            Power::Kv,
            Power::Secret("token"),
            Power::Reveal("token"),
            Power::Read { directory: "data" },
            Power::Write { directory: "data" },
            Power::Variable("REGION"),
        ] {
            assert!(powers.allows(power).is_err(), "{power:?}");
        }
    }

    #[test]
    fn using_a_secret_does_not_allow_seeing_it() {
        let secrets = BTreeMap::from([("token".to_owned(), vec![http("https://slack.com")])]);
        let grant = Grant {
            secrets,
            ..Grant::default()
        };
        let powers = Powers::new("p", &[Ask::Secret("token".to_owned())], grant);
        assert!(powers.allows(Power::Secret("token")).is_ok());
        assert!(powers.allows(Power::Reveal("token")).is_err());
        assert!(powers.allows(Power::Secret("other")).is_err());
        let send = |to: &str| {
            powers.allows(Power::Send {
                secret: "token",
                method: &Method::GET,
                url: &url(to),
            })
        };
        assert_eq!(send("https://slack.com/"), Ok(()));
        assert!(
            send("https://evil.example/")
                .expect_err("it is another host")
                .0
                .contains("secrets = { token = [\"https://evil.example\"] }")
        );
    }

    #[test]
    fn reading_in_a_directory_does_not_allow_writing_to_it() {
        let grants: Grants =
            toml::from_str("[p]\ndirectories = { data = \"reports\", out = \"write results\" }\n")
                .expect("it is right");
        let asks = ["data", "out", "more"].map(|name| Ask::Directory(name.to_owned()));
        let powers = Powers::new("p", &asks, grants["p"].clone());
        let allowed = |power| powers.allows(power).is_ok();
        assert!(allowed(Power::Read { directory: "data" }));
        assert!(!allowed(Power::Write { directory: "data" }));
        assert!(allowed(Power::Write { directory: "out" }));
        assert!(!allowed(Power::Read { directory: "more" }));
        assert!(powers.ungranted().eq(&asks[2..]));
        assert!(toml::from_str::<Grants>("[p]\ndirectories = { data = \"/etc\" }\n").is_err());
    }

    #[test]
    fn grants_are_read_from_the_configuration_and_unknown_keys_are_refused() {
        let grants: Grants = toml::from_str(
            "[slack]\nhttp = [\"POST https://slack.com\"]\nprivate_networks = [\"loopback\", \"10.0.0.0/8\"]\nkv = true\n",
        )
        .expect("it is right");
        let grant = &grants["slack"];
        assert_eq!(grant.http, [http("POST https://slack.com")]);
        assert!(grant.kv);
        assert!(toml::from_str::<Grants>("[slack]\nhttps = []\n").is_err());
        assert!(toml::from_str::<Grants>("[slack]\nhttp = [\"slack.com\"]\n").is_err());
        assert!(
            toml::from_str::<Grants>("[slack]\nprivate_networks = [\"everything\"]\n").is_err()
        );
    }
}
