//! Sealed secrets.

use async_trait::async_trait;

use super::Memory;
use crate::{Error, SealedSecret, Vault};

#[async_trait]
impl Vault for Memory {
    async fn put_secret(&self, secret: SealedSecret) -> Result<(), Error> {
        self.state().secrets.insert(secret.name.clone(), secret);
        Ok(())
    }

    async fn find_secret(&self, name: &str) -> Result<Option<SealedSecret>, Error> {
        Ok(self.state().secrets.get(name).cloned())
    }

    async fn list_secrets(&self) -> Result<Vec<SealedSecret>, Error> {
        Ok(self.state().secrets.values().cloned().collect())
    }

    async fn remove_secret(&self, name: &str) -> Result<bool, Error> {
        Ok(self.state().secrets.remove(name).is_some())
    }
}
