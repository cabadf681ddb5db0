//! Loads the plugins at start: those that the binary carries, then those of the folder. A run in flight goes on with the bytes
//! that it began with when the file is gone: they are kept in the store before anything can be triggered.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use millwork_plugin::{FolderReport, Options, Plugins, Secrets};
use millwork_store::Store;

use crate::config::{Config, Secret};
use crate::kept::Kept;

/// The plugins, and what became of the folder's files.
pub(super) struct Loaded {
    pub(super) plugins: Arc<Plugins>,
    pub(super) folder: FolderReport,
}

/// Starts the sandbox and loads every plugin. A file that is refused stops nothing; a sandbox that does not start does.
pub(super) async fn load(
    config: &Config,
    store: &Arc<dyn Store>,
    is_loopback: bool,
) -> anyhow::Result<Loaded> {
    let folder = config.plugins_dir();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make the plugins folder {}", folder.display()))?;
    let kept = Arc::new(Kept(Arc::clone(store)));
    let plugins = Plugins::new(Options {
        limits: config.plugins.limits.clone(),
        grants: config.plugins.read_grants().map_err(anyhow::Error::msg)?,
        folder: Some(folder),
        cache_folder: Some(config.data_dir.join("compiled")),
        bound_to_loopback: is_loopback,
        key_value: Arc::clone(&kept) as _,
        secrets: Some(Arc::new(Configured(config.secrets.clone()))),
        source: Some(kept),
        tape: None,
    })
    .context("could not start the plugin sandbox")?;
    let bundled = millwork_bundled::PLUGINS
        .iter()
        .map(|plugin| Bytes::from_static(plugin.wasm));
    plugins
        .load_bundled(bundled)
        .await
        .context("a plugin that is part of this program was refused")?;
    let folder = plugins.load_folder().await;
    Ok(Loaded {
        plugins: Arc::new(plugins),
        folder,
    })
}

/// The secrets of the configuration.
struct Configured(BTreeMap<String, Secret>);

#[async_trait]
impl Secrets for Configured {
    async fn get(&self, name: &str) -> Result<Option<millwork_plugin::Secret>, String> {
        let Some(secret) = self.0.get(name) else {
            return Ok(None);
        };
        match secret.read() {
            Ok(value) => Ok(Some(millwork_plugin::Secret::new(value))),
            Err(error) => {
                tracing::warn!(
                    secret.name = name,
                    error,
                    "a secret is not where the configuration says"
                );
                Err(format!(
                    "the secret \"{name}\" cannot be read; the host's log says why"
                ))
            }
        }
    }
}
