//! `millwork:secrets`: values that a plugin uses without seeing them. It gets a placeholder; the host puts the value in
//! its place in requests to the hosts that the operator granted for this secret.

pub(crate) mod placeholders;
pub(crate) mod redact;

use std::fmt;

use async_trait::async_trait;
use wasmtime::component::{HasData, Linker};

use self::bindings::millwork::secrets::secrets;
use self::placeholders::Placeholders;
use crate::grant::Power;
use crate::imports::Outfit;
use crate::imports::log::Log;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/secrets",
        interfaces: "import millwork:secrets/secrets@1.0.0;",
        imports: { default: async },
    });
}

/// PORT: where secrets are kept. The sandbox has asked for the grant before it calls.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// Reads a secret; nothing where there is none of this name.
    ///
    /// # Errors
    /// A sentence, where the store does not answer.
    async fn get(&self, name: &str) -> Result<Option<Secret>, String>;
}

/// The value of a secret, which does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How many placeholders one call may hold.
const PLACEHOLDERS_MAX: usize = 32;

/// The secrets of one call.
#[derive(Default)]
pub(crate) struct Vault {
    /// Those that it has mentioned.
    pub(crate) placeholders: Placeholders,
    /// Those that it was told.
    revealed: Vec<Secret>,
}

/// The secrets, as one call sees them.
pub(crate) struct SecretsView<'a> {
    pub(crate) outfit: &'a Outfit,
    pub(crate) vault: &'a mut Vault,
    pub(crate) log: &'a mut Log,
}

struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = SecretsView<'a>;
}

impl SecretsView<'_> {
    async fn read(&self, name: &str) -> Result<Secret, secrets::Error> {
        let Some(store) = &self.outfit.secrets else {
            return Err(secrets::Error::Denied(
                "this host keeps no secrets".to_owned(),
            ));
        };
        match store.get(name).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(secrets::Error::Denied(format!(
                "there is no secret {name:?}"
            ))),
            Err(why) => Err(secrets::Error::Unavailable(why)),
        }
    }
}

impl secrets::Host for SecretsView<'_> {
    async fn placeholder(&mut self, name: String) -> Result<String, secrets::Error> {
        self.outfit
            .powers
            .allows(Power::Secret(&name))
            .map_err(|denied| secrets::Error::Denied(denied.0))?;
        let placeholders = &mut self.vault.placeholders;
        if let Some(known) = placeholders.of(&name) {
            return Ok(known.to_owned());
        }
        if placeholders.len() == PLACEHOLDERS_MAX {
            return Err(secrets::Error::Denied(format!(
                "a call may use {PLACEHOLDERS_MAX} secrets at most"
            )));
        }
        let value = self.read(&name).await?;
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|error| secrets::Error::Unavailable(error.to_string()))?;
        // Letters and digits alone, so that it survives in a URL, a header and JSON as it is.
        let placeholder = format!("millworksecret{:032x}", u128::from_ne_bytes(random));
        let known = &mut self.vault.placeholders;
        known.add(name, placeholder.clone(), value);
        Ok(placeholder)
    }

    async fn reveal(&mut self, name: String) -> Result<String, secrets::Error> {
        self.outfit
            .powers
            .allows(Power::Reveal(&name))
            .map_err(|denied| secrets::Error::Denied(denied.0))?;
        let secret = self.read(&name).await?;
        if !self.vault.revealed.contains(&secret) {
            self.vault.revealed.push(secret.clone());
            self.log.hide(self.vault.forms());
        }
        Ok(secret.0)
    }
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> SecretsView<'_>,
) -> wasmtime::Result<()> {
    secrets::add_to_linker::<T, HasSecrets>(linker, get)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use millwork_core::time::Timestamp;

    use super::secrets::Host as _;
    use super::*;
    use crate::grant::{Ask, Grant, Powers};
    use crate::imports::clock::Clock;
    use crate::imports::http::client::Clients;
    use crate::imports::http::door::Door;
    use crate::imports::http::names::SystemNames;
    use crate::imports::kv::MemoryKeyValue;
    use crate::imports::log::Speaker;
    use crate::limits::Limits;

    struct OneSecret;

    #[async_trait]
    impl Secrets for OneSecret {
        async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
            Ok((name == "token").then(|| Secret::new("xyzzy")))
        }
    }

    fn outfit() -> Outfit {
        let rules = vec!["https://slack.com".parse().expect("it is a rule")];
        let secrets = BTreeMap::from([
            ("token".to_owned(), rules.clone()),
            ("gone".to_owned(), rules),
        ]);
        let asks = [
            Ask::Secret("token".to_owned()),
            Ask::Secret("gone".to_owned()),
        ];
        let powers = Arc::new(Powers::new(
            "slack",
            &asks,
            Grant {
                secrets,
                ..Grant::default()
            },
        ));
        let limits = Arc::new(Limits::default());
        let door = Door::new(
            "slack",
            Arc::clone(&powers),
            &Clients::new(&limits, Arc::new(SystemNames)),
            Arc::clone(&limits),
            None,
        );
        Outfit {
            plugin: "slack".into(),
            powers,
            door,
            kv: Arc::new(MemoryKeyValue::default()),
            secrets: Some(Arc::new(OneSecret)),
            handed: Arc::default(),
            limits,
        }
    }

    #[tokio::test]
    async fn a_secret_is_mentioned_only_where_it_is_granted_and_is_never_shown() {
        let (outfit, mut vault) = (outfit(), Vault::default());
        let mut log = Log::new(
            Speaker::default(),
            Clock::starting_at(Timestamp::default()),
            0,
        );
        let mut view = SecretsView {
            outfit: &outfit,
            vault: &mut vault,
            log: &mut log,
        };
        let placeholder = view
            .placeholder("token".to_owned())
            .await
            .expect("it is granted");
        assert!(!placeholder.contains("xyzzy"));
        assert!(matches!(
            view.reveal("token".to_owned()).await,
            Err(secrets::Error::Denied(_))
        ));
        assert!(matches!(
            view.placeholder("gone".to_owned()).await,
            Err(secrets::Error::Denied(_))
        ));
        assert!(matches!(
            view.placeholder("other".to_owned()).await,
            Err(secrets::Error::Denied(_))
        ));

        assert_eq!(format!("{:?}", Secret::new("xyzzy")), "Secret(…)");
    }
}
