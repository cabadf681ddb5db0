//! Secrets, sealed before they come here.

use async_trait::async_trait;
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps secrets that it cannot read, for all processes alike.
///
/// What [`Store`](crate::Store) says of errors and of dropped futures holds here too.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Keeps a secret, in place of the one of that name before.
    async fn put_secret(&self, secret: SealedSecret) -> Result<(), Error>;

    /// Finds a secret.
    async fn find_secret(&self, name: &str) -> Result<Option<SealedSecret>, Error>;

    /// Lists all of them, by name.
    async fn list_secrets(&self) -> Result<Vec<SealedSecret>, Error>;

    /// Removes a secret. Says whether there was one.
    async fn remove_secret(&self, name: &str) -> Result<bool, Error>;
}

/// A secret that only who has the key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Its name.
    pub name: String,
    /// Which key it is sealed with: says nothing about the key.
    pub key: Vec<u8>,
    /// What it is, sealed.
    pub sealed: Vec<u8>,
    /// When it was given.
    pub updated_at: Timestamp,
}
