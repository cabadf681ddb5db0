//! What plugins may do, whose may be loaded, and how much each may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millwork_core::digest::Digest;
use millwork_plugin::{DirectoryRule, Premises};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// The plugins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// What each plugin may do, by its name. Nothing, where nothing is said.
    pub grants: BTreeMap<String, Grant>,
    /// Directories of this machine that can be granted, by the names that grants use: `reports = "/srv/reports"`. Each process says
    /// itself where its directories are.
    pub directories: BTreeMap<String, PathBuf>,
    /// Variables that can be granted, by the names that grants use: a text, `{ env = "NAME" }` or `{ file = "PATH" }`, read at the start.
    /// A plugin sees what they say: what it must not see is a secret.
    pub variables: BTreeMap<String, Secret>,
    /// The SHA-256 digests that a plugin's name may mean, in hexadecimal digits; any, where nothing is said. `millwork plugin
    /// check` prints the digest of a file. What comes with the host is not asked.
    pub digests: BTreeMap<String, Vec<String>>,
    /// Whose plugins may be loaded: everybody's, where nothing is said.
    pub trust: Trust,
    /// How much each call of a plugin may use.
    pub limits: millwork_plugin::Limits,
}

/// Whose plugins may be loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// The public keys of those whose signatures count, as minisign writes them (the second line of a `.pub` file). A plugin
    /// whose signature is of none of them is refused.
    pub public_keys: Vec<String>,
    /// Whether a plugin without a signature is refused too.
    pub require_signature: bool,
}

/// What the operator grants one plugin. It also has to ask for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// HTTP: `https://slack.com`, `https://*.example.com:8443`, `GET,HEAD https://example.com`, `*`.
    pub http: Vec<String>,
    /// Which addresses those hosts may have besides public ones: `loopback`, `private` or a network such as `10.1.0.0/16`.
    pub private_networks: Vec<String>,
    /// Small values kept between calls.
    pub kv: bool,
    /// Secrets that may be put into its requests, unseen, each with the hosts that it may be sent to.
    pub secrets: BTreeMap<String, Vec<String>>,
    /// Secrets that it may see.
    pub reveal: Vec<String>,
    /// Directories of `[plugins.directories]`, by the names that it asks for: `data = "reports"` to be read, `data = "write reports"` to be
    /// written to as well. It finds them at `/data`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub directories: BTreeMap<String, String>,
    /// Variables of `[plugins.variables]`, by the names that it asks for: `REGION = "region-of-shop"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Plugins {
    /// The grants, each rule of them read.
    ///
    /// # Errors
    /// The first rule that is none, or names what this host does not have, with its place.
    pub fn read_grants(&self, premises: &Premises) -> Result<millwork_plugin::Grants, String> {
        let read = |(name, grant): (&String, &Grant)| {
            let read = toml::Value::try_from(grant).map_err(|error| error.to_string());
            let grant = read.and_then(|value| value.try_into().map_err(|error| error.to_string()));
            let grant = grant.and_then(|grant| {
                let here = premises.check(&grant);
                here.map_err(|problems| problems.join("; "))?;
                Ok(grant)
            });
            Ok((
                name.clone(),
                grant.map_err(|error| format!("plugins.grants.{name}: {}", error.trim_end()))?,
            ))
        };
        self.grants.iter().map(read).collect()
    }

    /// What of this machine can be granted, each variable read.
    ///
    /// # Errors
    /// The first name that is none, or variable that cannot be read, with its place.
    pub fn read_premises(&self) -> Result<Premises, String> {
        for (name, path) in &self.directories {
            let is_name = !name.contains(' ') && name.parse::<DirectoryRule>().is_ok();
            if !is_name {
                return Err(format!(
                    "plugins.directories: {name:?} is no name for a directory: letters, digits, dashes and underscores"
                ));
            }
            if !path.is_absolute() {
                return Err(format!(
                    "plugins.directories.{name}: {} is no absolute path",
                    path.display()
                ));
            }
        }
        let variables = self.variables.iter().map(|(name, value)| {
            let value = value.read();
            let value = value.map_err(|error| format!("plugins.variables.{name}: {error}"))?;
            Ok((name.clone(), value))
        });
        Ok(Premises {
            directories: self.directories.clone(),
            variables: variables.collect::<Result<_, String>>()?,
        })
    }

    /// Whose plugins may be loaded, each key and digest read.
    ///
    /// # Errors
    /// The first that is none, with its place.
    pub fn read_trust(&self) -> Result<millwork_plugin::Trust, String> {
        let read = |name: &str, digest: &String| {
            let read = digest.trim().parse::<Digest>();
            read.map_err(|error| format!("plugins.digests.{name}: {digest:?}: {error}"))
        };
        let pins = self.digests.iter().map(|(name, digests)| {
            let digests = digests.iter().map(|digest| read(name, digest));
            Ok((name.clone(), digests.collect::<Result<_, String>>()?))
        });
        let pins = pins.collect::<Result<_, String>>()?;
        let Trust {
            public_keys,
            require_signature,
        } = &self.trust;
        millwork_plugin::Trust::new(public_keys, *require_signature, pins)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(text: &str) -> Plugins {
        toml::from_str(text).expect("it is TOML of that form")
    }

    fn refusal(text: &str) -> String {
        let plugins = plugins(text);
        let premises = match plugins.read_premises() {
            Ok(premises) => premises,
            Err(error) => return error,
        };
        plugins.read_grants(&premises).expect_err("it is refused")
    }

    #[test]
    fn a_grant_names_what_the_host_has() {
        let plugins = plugins(
            "directories.reports = \"/srv/reports\"\nvariables.region = \"eu-1\"\n\
             [grants.p]\ndirectories = { data = \"write reports\" }\nvariables = { REGION = \"region\" }\n",
        );
        let premises = plugins.read_premises().expect("all of it is there");
        assert_eq!(premises.variables["region"], "eu-1");
        let grants = plugins.read_grants(&premises).expect("it is right");
        assert!(grants["p"].directories["data"].write);
    }

    #[test]
    fn what_cannot_be_granted_is_refused_by_its_place() {
        let cases = [
            (
                "directories.reports = \"srv\"",
                "plugins.directories.reports: srv is no absolute path",
            ),
            (
                "directories.\"a b\" = \"/srv\"",
                "\"a b\" is no name for a directory",
            ),
            (
                "variables.x = { env = \"MILLWORK_NOT_SET\" }",
                "plugins.variables.x: variable MILLWORK_NOT_SET",
            ),
            (
                "grants.p.directories.data = \"reports\"",
                "plugins.grants.p: this host has no directory \"reports\" to grant; under [plugins.directories] there is nothing",
            ),
            (
                "grants.p.variables.A = \"b\"",
                "this host has no variable \"b\"",
            ),
            (
                "grants.p.directories.data = \"/etc\"",
                "\"/etc\" is no directory",
            ),
        ];
        for (text, expected) in cases {
            let refusal = refusal(text);
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
    }
}
