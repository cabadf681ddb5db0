//! The store, as plugins see it: their values, and the bytes of plugins whose files are gone.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_plugin::kv::{Entry, Expectation, KeyValue, KvError, Scope};
use millwork_plugin::{LoadedPlugin, PluginSource, StoredPlugin};
use millwork_store::{Expected, Store, ValueKey, Written};

use crate::shelf::kept;

/// A store that serves plugins.
pub(crate) struct Kept(pub Arc<dyn Store>);

#[async_trait]
impl KeyValue for Kept {
    async fn get(&self, scope: &Scope, key: &str) -> Result<Option<Entry>, KvError> {
        let found = self
            .0
            .find_value(&value_key(scope, key))
            .await
            .map_err(unavailable)?;
        Ok(found.map(|value| Entry {
            value: value.bytes,
            version: value.version,
        }))
    }

    async fn set(
        &self,
        scope: &Scope,
        key: &str,
        value: Vec<u8>,
        expected: Expectation,
    ) -> Result<u64, KvError> {
        match self.write(scope, key, Some(value), expected).await? {
            Written::Version(version) => Ok(version),
            Written::Conflict(found) => Err(KvError::Conflict(found)),
            Written::Deleted => Err(KvError::Unavailable(
                "the store deleted what it was to write".to_owned(),
            )),
        }
    }

    async fn delete(&self, scope: &Scope, key: &str, expected: Expectation) -> Result<(), KvError> {
        match self.write(scope, key, None, expected).await? {
            Written::Conflict(found) => Err(KvError::Conflict(found)),
            Written::Version(_) | Written::Deleted => Ok(()),
        }
    }
}

impl Kept {
    async fn write(
        &self,
        scope: &Scope,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Expectation,
    ) -> Result<Written, KvError> {
        let expected = match expected {
            Expectation::Any => Expected::Any,
            Expectation::Absent => Expected::Absent,
            Expectation::Version(version) => Expected::Version(version),
        };
        self.0
            .write_value(&value_key(scope, key), value, expected)
            .await
            .map_err(unavailable)
    }
}

fn value_key(scope: &Scope, key: &str) -> ValueKey {
    ValueKey {
        plugin: scope.plugin.clone(),
        workflow: scope.workflow.clone(),
        key: key.to_owned(),
    }
}

/// What a plugin is told of a store that failed: nothing of the database.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn unavailable(error: millwork_store::Error) -> KvError {
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "a plugin's value could not be read or written"
    );
    KvError::Unavailable("the store did not answer".to_owned())
}

#[async_trait]
impl PluginSource for Kept {
    async fn find(&self, digest: &Digest) -> Result<Option<StoredPlugin>, String> {
        match self.0.find_plugin(*digest).await {
            Ok(found) => Ok(found.map(|plugin| StoredPlugin {
                bundled: plugin.bundled,
                wasm: Bytes::from(plugin.wasm),
            })),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a plugin's bytes could not be read"
                );
                Err("the store did not answer".to_owned())
            }
        }
    }

    async fn keep(&self, plugin: &LoadedPlugin) -> Result<(), String> {
        self.0.insert_plugin(kept(plugin)).await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a plugin's bytes could not be kept"
            );
            "the store did not answer".to_owned()
        })
    }
}
