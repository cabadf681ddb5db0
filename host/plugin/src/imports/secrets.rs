//! `millwork:secrets`: values that a plugin uses without seeing them. It gets a placeholder; the host puts the value in
//! its place in requests to the hosts that the operator granted for this secret.

pub(crate) mod redact;

use std::fmt;

use async_trait::async_trait;
use http::Method;
use url::Url;
use wasmtime::component::{HasData, Linker};

use self::bindings::millwork::secrets::secrets;
use crate::grant::{Denied, Power, Powers};
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

/// The secrets that one call has mentioned.
#[derive(Default)]
pub(crate) struct Vault {
    mentioned: Vec<Mentioned>,
    /// What the plugin was told.
    revealed: Vec<Secret>,
}

struct Mentioned {
    name: String,
    placeholder: String,
    value: Secret,
}

impl Vault {
    /// Whether there is anything to put into requests.
    pub(crate) fn is_empty(&self) -> bool {
        self.mentioned.is_empty()
    }

    /// Puts the values in the place of their placeholders.
    ///
    /// # Errors
    /// Where a placeholder stands in a request to a host that its secret is not granted for.
    pub(crate) fn fill(
        &self,
        text: &str,
        powers: &Powers,
        method: &Method,
        url: &Url,
    ) -> Result<String, Denied> {
        let mut filled = text.to_owned();
        for Mentioned {
            name,
            placeholder,
            value,
        } in &self.mentioned
        {
            if filled.contains(placeholder) {
                powers.allows(Power::Send {
                    secret: name,
                    method,
                    url,
                })?;
                filled = filled.replace(placeholder, &value.0);
            }
        }
        Ok(filled)
    }

    /// Like [`Self::fill`], for bytes.
    pub(crate) fn fill_bytes(
        &self,
        bytes: Vec<u8>,
        powers: &Powers,
        method: &Method,
        url: &Url,
    ) -> Result<Vec<u8>, Denied> {
        let mut filled = bytes;
        for Mentioned {
            name,
            placeholder,
            value,
        } in &self.mentioned
        {
            let placeholder = placeholder.as_bytes();
            if find(&filled, placeholder).is_some() {
                powers.allows(Power::Send {
                    secret: name,
                    method,
                    url,
                })?;
                filled = replace(filled, placeholder, value.0.as_bytes());
            }
        }
        Ok(filled)
    }

    /// Puts the placeholders back, in what the plugin gets to see of its own request.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for Mentioned {
            placeholder, value, ..
        } in self.mentioned.iter().filter(|m| !m.value.0.is_empty())
        {
            hidden = hidden.replace(&value.0, placeholder);
        }
        hidden
    }

    /// The same in the body of an answer: a server may send back what it was sent.
    pub(crate) fn hide_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let mut hidden = bytes;
        for Mentioned {
            placeholder, value, ..
        } in self.mentioned.iter().filter(|m| !m.value.0.is_empty())
        {
            hidden = replace(hidden, value.0.as_bytes(), placeholder.as_bytes());
        }
        hidden
    }
}

/// Where bytes stand in others.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
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
        if let Some(known) = self.vault.mentioned.iter().find(|m| m.name == name) {
            return Ok(known.placeholder.clone());
        }
        if self.vault.mentioned.len() == PLACEHOLDERS_MAX {
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
        self.vault.mentioned.push(Mentioned {
            name,
            placeholder: placeholder.clone(),
            value,
        });
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
    use crate::grant::{Ask, Grant};
    use crate::imports::clock::Clock;
    use crate::imports::http::client::Clients;
    use crate::imports::http::door::Door;
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
            &Clients::new(&limits),
            Arc::clone(&limits),
            None,
        );
        Outfit {
            plugin: "slack".into(),
            powers,
            door,
            kv: Arc::new(MemoryKeyValue::default()),
            secrets: Some(Arc::new(OneSecret)),
            limits,
        }
    }

    #[tokio::test]
    async fn a_secret_goes_only_where_it_is_granted_and_is_never_shown() {
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

        let (slack, evil): (Url, Url) = (
            "https://slack.com/".parse().expect("a URL"),
            "https://evil.example/".parse().expect("a URL"),
        );
        let (powers, post, text) = (
            &outfit.powers,
            &Method::POST,
            format!("Bearer {placeholder}"),
        );
        let bytes = || text.clone().into_bytes();
        assert_eq!(
            vault.fill(&text, powers, post, &slack),
            Ok("Bearer xyzzy".to_owned())
        );
        assert!(vault.fill(&text, powers, post, &evil).is_err());
        assert_eq!(
            vault.fill_bytes(bytes(), powers, post, &slack),
            Ok(b"Bearer xyzzy".to_vec())
        );
        assert!(vault.fill_bytes(bytes(), powers, post, &evil).is_err());
        assert_eq!(
            vault.fill_bytes(b"nothing in it".to_vec(), powers, post, &evil),
            Ok(b"nothing in it".to_vec())
        );
        assert_eq!(vault.hide("Bearer xyzzy"), text);
        assert_eq!(format!("{:?}", Secret::new("xyzzy")), "Secret(…)");
    }
}
