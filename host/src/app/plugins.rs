//! Loads the plugins at start: those that the binary carries, then those of the folder. A run in flight goes on with the bytes
//! that it began with when the file is gone: they are kept in the store before anything can be triggered.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use millwork_plugin::{FolderReport, Options, Plugins, SystemNames};
use millwork_store::Store;

use crate::config::Config;
use crate::kept::Kept;
use crate::safe::Safe;

/// The plugins, and what became of the folder's files.
pub(super) struct Loaded {
    pub(super) plugins: Arc<Plugins>,
    pub(super) folder: FolderReport,
}

/// Starts the sandbox and loads every plugin. A file that is refused stops nothing; a sandbox that does not start does.
pub(super) async fn load(
    config: &Config,
    store: &Arc<dyn Store>,
    safe: &Arc<Safe>,
    is_loopback: bool,
) -> anyhow::Result<Loaded> {
    let folder = config.plugins_dir();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make the plugins folder {}", folder.display()))?;
    let kept = Arc::new(Kept(Arc::clone(store)));
    let premises = config.plugins.read_premises().map_err(anyhow::Error::msg)?;
    let plugins = Plugins::new(Options {
        limits: config.plugins.limits.clone(),
        grants: config
            .plugins
            .read_grants(&premises)
            .map_err(anyhow::Error::msg)?,
        folder: Some(folder),
        cache_folder: Some(config.data_dir.join("compiled")),
        bound_to_loopback: is_loopback,
        key_value: Arc::clone(&kept) as _,
        secrets: Some(Arc::clone(safe) as _),
        source: Some(kept),
        trust: config.plugins.read_trust().map_err(anyhow::Error::msg)?,
        names: Arc::new(SystemNames),
        premises,
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
