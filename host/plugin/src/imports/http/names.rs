//! PORT: where the host names of requests are looked up.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Looks host names up. It judges nothing: what may be connected to is decided over what it finds, each time anew.
#[async_trait]
pub trait Names: Send + Sync + 'static {
    /// Finds the addresses that a name has now.
    ///
    /// # Errors
    /// Where the name is not known, or nobody answers.
    async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// What this machine knows: its hosts file, its name servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}
