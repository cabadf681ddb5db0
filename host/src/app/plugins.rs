//! Loads the plugins at start: those that the binary carries, then those of the folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use millwork_plugin::{FolderReport, LoadedPlugin, Options, Origin, Plugins, Secrets};
use millwork_store::{Plugin, Store};

use crate::api::{ActionView, PluginView};
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
    // Kept before anything can be triggered: a run in flight goes on with the bytes it began with, when the file is gone.
    for plugin in plugins.list() {
        store
            .insert_plugin(stored(&plugin))
            .await
            .with_context(|| format!("could not keep the plugin {}", plugin.name()))?;
    }
    Ok(Loaded {
        plugins: Arc::new(plugins),
        folder,
    })
}

fn stored(plugin: &LoadedPlugin) -> Plugin {
    Plugin {
        digest: plugin.digest,
        name: plugin.name().to_owned(),
        version: plugin.version().to_string(),
        bundled: plugin.origin == Origin::Bundled,
        wasm: plugin.wasm.to_vec(),
    }
}

/// A plugin as the API shows it.
pub(super) fn view(plugin: &LoadedPlugin) -> PluginView {
    let origin = match &plugin.origin {
        Origin::Bundled => "bundled".to_owned(),
        Origin::File(path) => path.display().to_string(),
        Origin::Stored => "store".to_owned(),
    };
    let actions = plugin.manifest.actions.iter().map(|action| ActionView {
        name: action.name.clone(),
        title: action.title.clone(),
        description: action.description.clone(),
        config_schema: action.config_schema().clone(),
        output_schema: action.output_schema.clone(),
        examples: action
            .examples
            .iter()
            .map(|example| example.config.value().clone())
            .collect(),
        read_only: action.traits.read_only,
        idempotent: action.traits.idempotent,
        destructive: action.traits.destructive,
        timeout_ms: action
            .timeout
            .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        attempts_max: action.attempts_max,
    });
    PluginView {
        name: plugin.name().to_owned(),
        version: plugin.version().to_string(),
        digest: plugin.digest.to_string(),
        description: plugin.manifest.description.clone(),
        actions: actions.collect(),
        origin,
        pure: plugin.pure,
        asks: plugin
            .manifest
            .asks
            .iter()
            .map(ToString::to_string)
            .collect(),
        missing_grants: plugin.ungranted().map(ToString::to_string).collect(),
    }
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
