//! Installed plugins, and what was decided about them.

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::id::RunId;

use super::Memory;
use crate::{Error, Installed, InstalledPlugin, PluginDecision, Registry};

#[async_trait]
impl Registry for Memory {
    async fn load_registry(&self) -> Result<Installed, Error> {
        let state = self.state();
        Ok(Installed {
            plugins: state.installed.values().cloned().collect(),
            decisions: state.decisions.values().cloned().collect(),
        })
    }

    async fn install(&self, plugin: InstalledPlugin) -> Result<(), Error> {
        let key = (plugin.name.clone(), plugin.version.clone());
        self.state().installed.insert(key, plugin);
        Ok(())
    }

    async fn uninstall(&self, name: &str, version: &str) -> Result<bool, Error> {
        let key = (name.to_owned(), version.to_owned());
        Ok(self.state().installed.remove(&key).is_some())
    }

    async fn decide(&self, decision: PluginDecision) -> Result<(), Error> {
        let name = decision.name.clone();
        self.state().decisions.insert(name, decision);
        Ok(())
    }

    async fn find_run_using(&self, digest: Digest) -> Result<Option<RunId>, Error> {
        Ok(self.state().find_run_using(digest))
    }
}
