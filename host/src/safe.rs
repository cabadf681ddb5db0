//! The safe: secrets that plugins use. Those of the configuration are where it says; those that were given over the API are in the
//! store, sealed with a key that is not.

mod seal;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use millwork_core::time::Timestamp;
use millwork_plugin::Secrets;
use millwork_store::{SealedSecret, Vault};

pub use seal::{Key, KeyError, Keys};

use crate::clock::Clock;
use crate::config::Secret;

/// Bytes of a secret.
pub const VALUE_MAX_BYTES: usize = 64 << 10;

/// Bytes that a secret has at least: a shorter one could not be told from other text, where it has to be taken out.
pub const VALUE_MIN_BYTES: usize = 6;

/// Secrets in the store.
const SECRETS_MAX: usize = 10_000;

/// Characters of a name.
const NAME_MAX: usize = 128;

/// Secrets of the configuration and of the store.
pub struct Safe {
    configured: BTreeMap<String, Secret>,
    vault: Arc<dyn Vault>,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// A secret, as lists show it: never what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the configuration says.
    Configuration,
    /// In the store.
    Store {
        /// When it was given.
        updated_at: Timestamp,
        /// Whether this process has the key that it is sealed with.
        is_readable: bool,
    },
}

/// Why something was not done to a secret.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is nothing to seal it with.
    #[error(
        "this host has no key to seal secrets with: set secrets_key.key (MILLWORK_SECRETS_KEY) to what `openssl rand -hex 32` prints, the same for every process"
    )]
    NoKey,
    /// The name is none.
    #[error(
        "{0:?} is no name for a secret: 1 to {NAME_MAX} letters, digits, dots, dashes and underscores"
    )]
    Name(String),
    /// The value is too short or too long.
    #[error("a secret has {VALUE_MIN_BYTES} to {VALUE_MAX_BYTES} bytes, and this one has {0}")]
    Length(usize),
    /// There are too many.
    #[error("there are {SECRETS_MAX} secrets, and that is the limit: remove one that nobody needs")]
    TooMany,
    /// The configuration has a secret of this name.
    #[error("the configuration has a secret {0:?} already, under [secrets]: change it there")]
    Configured(String),
    /// There is none.
    #[error("there is no secret {0:?} in the store")]
    Unknown(String),
    /// It is sealed with a key that this process does not have.
    #[error(
        "the secret {0:?} is sealed with a key that this host does not have: add that to secrets_key.previous, or give the secret again"
    )]
    OtherKey(String),
    /// It does not open.
    #[error("the secret {0:?} does not open: it is damaged, or was moved from another name")]
    Damaged(String),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] millwork_store::Error),
}

impl Safe {
    /// A safe over the secrets of the configuration and those of a store.
    #[must_use]
    pub fn new(
        configured: BTreeMap<String, Secret>,
        vault: Arc<dyn Vault>,
        keys: Keys,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            configured,
            vault,
            keys,
            clock,
        }
    }

    /// Keeps a secret, in place of the one of that name before.
    ///
    /// # Errors
    /// Where the name or the value does not hold, there is no key, or the configuration has such a secret; or the store.
    pub async fn put(&self, name: &str, value: &str) -> Result<Listed, Refusal> {
        let key = self.keys.current().ok_or(Refusal::NoKey)?;
        if !is_name(name) {
            return Err(Refusal::Name(name.chars().take(NAME_MAX).collect()));
        }
        if self.configured.contains_key(name) {
            return Err(Refusal::Configured(name.to_owned()));
        }
        if !(VALUE_MIN_BYTES..=VALUE_MAX_BYTES).contains(&value.len()) {
            return Err(Refusal::Length(value.len()));
        }
        let known = self.vault.list_secrets().await?;
        if known.len() >= SECRETS_MAX && !known.iter().any(|secret| secret.name == name) {
            return Err(Refusal::TooMany);
        }
        let secret = SealedSecret {
            name: name.to_owned(),
            key: key.id().to_vec(),
            sealed: key.seal(name, value),
            updated_at: self.clock.now(),
        };
        self.vault.put_secret(secret.clone()).await?;
        Ok(self.listed(&secret))
    }

    /// Lists the secrets of the configuration and of the store, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<Listed>, Refusal> {
        let configured = self.configured.keys().map(|name| Listed {
            name: name.clone(),
            place: Place::Configuration,
        });
        let stored = self.vault.list_secrets().await?;
        // The configuration's word counts.
        let stored = stored
            .iter()
            .filter(|secret| !self.configured.contains_key(&secret.name));
        let stored = stored.map(|secret| self.listed(secret));
        let mut listed: Vec<Listed> = configured.chain(stored).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes a secret from the store.
    ///
    /// # Errors
    /// Where there is none, or only the configuration has it; or the store.
    pub async fn remove(&self, name: &str) -> Result<Listed, Refusal> {
        let found = self.vault.find_secret(name).await?;
        let Some(secret) = found else {
            return Err(match self.configured.contains_key(name) {
                true => Refusal::Configured(name.to_owned()),
                false => Refusal::Unknown(name.to_owned()),
            });
        };
        self.vault.remove_secret(name).await?;
        Ok(self.listed(&secret))
    }

    /// Seals everything with the current key that is sealed with another one. Returns how many secrets that were.
    ///
    /// # Errors
    /// Where there is no key, or one of them cannot be opened; or the store. What was sealed anew until then stays so.
    pub async fn reseal(&self) -> Result<usize, Refusal> {
        let key = self.keys.current().ok_or(Refusal::NoKey)?;
        let mut resealed = 0;
        for secret in self.vault.list_secrets().await? {
            if secret.key == key.id() {
                continue;
            }
            let value = self.open(&secret)?;
            let secret = SealedSecret {
                key: key.id().to_vec(),
                sealed: key.seal(&secret.name, &value),
                ..secret
            };
            self.vault.put_secret(secret).await?;
            resealed += 1;
        }
        Ok(resealed)
    }

    /// Reads a secret. Nothing where there is none.
    ///
    /// # Errors
    /// A sentence for whoever wanted it; the log has more.
    pub async fn read(&self, name: &str) -> Result<Option<String>, String> {
        let read = match self.configured.get(name) {
            Some(secret) => secret.read().map(Some),
            None => self
                .read_stored(name)
                .await
                .map_err(|refusal| refusal.to_string()),
        };
        read.map_err(|error| {
            tracing::warn!(secret.name = name, error, "a secret cannot be read");
            format!("the secret \"{name}\" cannot be read; the host's log says why")
        })
    }

    async fn read_stored(&self, name: &str) -> Result<Option<String>, Refusal> {
        let found = self.vault.find_secret(name).await?;
        found.map(|secret| self.open(&secret)).transpose()
    }

    fn open(&self, secret: &SealedSecret) -> Result<String, Refusal> {
        let name = || secret.name.clone();
        let key = self.keys.find(&secret.key);
        let key = key.ok_or_else(|| Refusal::OtherKey(name()))?;
        key.open(&secret.name, &secret.sealed)
            .ok_or_else(|| Refusal::Damaged(name()))
    }

    fn listed(&self, secret: &SealedSecret) -> Listed {
        Listed {
            name: secret.name.clone(),
            place: Place::Store {
                updated_at: secret.updated_at,
                is_readable: self.keys.find(&secret.key).is_some(),
            },
        }
    }
}

#[async_trait]
impl Secrets for Safe {
    async fn get(&self, name: &str) -> Result<Option<millwork_plugin::Secret>, String> {
        let value = self.read(name).await?;
        Ok(value.map(millwork_plugin::Secret::new))
    }
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use millwork_store::Memory;

    use super::*;
    use crate::clock::ManualClock;

    fn key(text: &str) -> Key {
        Key::read(&text.repeat(32)).expect("it is a key")
    }

    fn safe(vault: &Arc<Memory>, keys: Keys) -> Safe {
        let configured =
            BTreeMap::from([("fixed".to_owned(), Secret::Text("in-a-file".to_owned()))]);
        let clock = ManualClock::at(Timestamp::from_micros(7));
        Safe::new(configured, Arc::clone(vault) as _, keys, Arc::new(clock))
    }

    #[tokio::test]
    async fn a_secret_is_sealed_in_the_store_and_opened_with_its_key_alone() {
        let vault = Arc::new(Memory::new());
        let ours = safe(&vault, Keys::new(Some(key("0a")), Vec::new()));
        ours.put("slack", "xyzzy-1").await.expect("it is kept");
        let kept = vault.find_secret("slack").await.expect("memory answers");
        let kept = kept.expect("it is there");
        assert!(!String::from_utf8_lossy(&kept.sealed).contains("xyzzy"));
        assert_eq!(ours.read("slack").await, Ok(Some("xyzzy-1".to_owned())));
        assert_eq!(ours.read("fixed").await, Ok(Some("in-a-file".to_owned())));
        assert_eq!(ours.read("none").await, Ok(None));
        let theirs = safe(&vault, Keys::new(Some(key("0b")), Vec::new()));
        assert!(theirs.read("slack").await.is_err());
        // A sealed value is of its name: nobody gets at it by giving it another one.
        let moved = SealedSecret {
            name: "public".to_owned(),
            ..kept
        };
        vault.put_secret(moved).await.expect("memory takes it");
        assert!(ours.read("public").await.is_err());
    }

    #[tokio::test]
    async fn secrets_move_to_a_new_key() {
        let vault = Arc::new(Memory::new());
        let old = safe(&vault, Keys::new(Some(key("0a")), Vec::new()));
        old.put("slack", "xyzzy-1").await.expect("it is kept");
        let both = safe(&vault, Keys::new(Some(key("0b")), vec![key("0a")]));
        assert_eq!(both.read("slack").await, Ok(Some("xyzzy-1".to_owned())));
        assert_eq!(both.reseal().await.expect("it opens"), 1);
        assert_eq!(both.reseal().await.expect("it opens"), 0);
        let new = safe(&vault, Keys::new(Some(key("0b")), Vec::new()));
        assert_eq!(new.read("slack").await, Ok(Some("xyzzy-1".to_owned())));
        assert!(old.read("slack").await.is_err());
        assert!(matches!(old.reseal().await, Err(Refusal::OtherKey(_))));
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_refused_in_words() {
        let vault = Arc::new(Memory::new());
        let safe_with = |keys| safe(&vault, keys);
        let none = safe_with(Keys::default());
        assert!(matches!(
            none.put("slack", "xyzzy-1").await,
            Err(Refusal::NoKey)
        ));
        let safe = safe_with(Keys::new(Some(key("0a")), Vec::new()));
        for (name, value) in [("", "xyzzy-1"), ("a/b", "xyzzy-1")] {
            let refused = safe.put(name, value).await;
            assert!(matches!(refused, Err(Refusal::Name(_))), "{name}");
        }
        let long = "x".repeat(VALUE_MAX_BYTES + 1);
        for value in ["", "short", &long] {
            let refused = safe.put("slack", value).await;
            assert!(
                matches!(refused, Err(Refusal::Length(_))),
                "{}",
                value.len()
            );
        }
        let refused = safe.put("fixed", "xyzzy-1").await;
        assert!(matches!(refused, Err(Refusal::Configured(_))));
        assert!(matches!(
            safe.remove("fixed").await,
            Err(Refusal::Configured(_))
        ));
        assert!(matches!(
            safe.remove("none").await,
            Err(Refusal::Unknown(_))
        ));
    }

    #[tokio::test]
    async fn lists_tell_where_each_secret_is() {
        let vault = Arc::new(Memory::new());
        let safe = safe(&vault, Keys::new(Some(key("0a")), Vec::new()));
        safe.put("slack", "xyzzy-1").await.expect("it is kept");
        let listed = safe.list().await.expect("memory answers");
        let stored = Place::Store {
            updated_at: Timestamp::from_micros(7),
            is_readable: true,
        };
        let places = [("fixed", Place::Configuration), ("slack", stored)];
        let expected = places.map(|(name, place)| Listed {
            name: name.to_owned(),
            place,
        });
        assert_eq!(listed, expected);
        safe.remove("slack").await.expect("it is there");
        assert_eq!(safe.read("slack").await, Ok(None));
    }
}
