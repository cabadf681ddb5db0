//! What plugins may do, whose may be loaded, and how much each may use.

use std::collections::BTreeMap;

use millwork_core::digest::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plugins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// What each plugin may do, by its name. Nothing, where nothing is said.
    pub grants: BTreeMap<String, Grant>,
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
}

impl Plugins {
    /// The grants, each rule of them read.
    ///
    /// # Errors
    /// The first rule that is none, with its place.
    pub fn read_grants(&self) -> Result<millwork_plugin::Grants, String> {
        let read = |(name, grant): (&String, &Grant)| {
            let read = toml::Value::try_from(grant).map_err(|error| error.to_string());
            let grant = read.and_then(|value| value.try_into().map_err(|error| error.to_string()));
            Ok((
                name.clone(),
                grant.map_err(|error| format!("plugins.grants.{name}: {}", error.trim_end()))?,
            ))
        };
        self.grants.iter().map(read).collect()
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
