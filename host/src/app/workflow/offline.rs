//! Checks definitions without a server: what they say, and the configurations of the plugins that come with Millwork.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use millwork_core::outcome::Failure;
use millwork_plugin::{FieldError, Invocation, Options, PluginRuntime, Plugins, Reply};
use serde_json::{Value, json};

use super::Placed;
use crate::document::Document;
use crate::engine::check_definition;

/// Checks definitions. Returns what is wrong, and the plugins that are not known here.
pub(super) async fn check(documents: &[Document]) -> Result<(Vec<Placed<'_>>, BTreeSet<String>)> {
    let plugins = Plugins::new(Options::default()).context("could not start the sandbox")?;
    let bundled = millwork_bundled::PLUGINS
        .iter()
        .map(|plugin| Bytes::from_static(plugin.wasm));
    plugins
        .load_bundled(bundled)
        .await
        .context("a plugin that is part of this program was refused")?;
    let lenient = Lenient {
        plugins,
        unknown: Mutex::default(),
    };
    let env = Arc::new(json!({}));
    let mut problems = Vec::new();
    for document in documents {
        let checked = check_definition(&document.value, &lenient, &env).await;
        let found = checked.err().unwrap_or_default().into_iter();
        problems.extend(found.map(|problem| Placed {
            document,
            path: problem.path,
            message: problem.message,
        }));
    }
    let unknown = lenient.unknown.into_inner();
    Ok((problems, unknown.unwrap_or_else(PoisonError::into_inner)))
}

/// The plugins that come with Millwork, and a blind eye for all others.
struct Lenient {
    plugins: Plugins,
    unknown: Mutex<BTreeSet<String>>,
}

/// What stands for a plugin that is not known here.
const NOBODY: Digest = Digest::from_bytes([0; 32]);

#[async_trait]
impl PluginRuntime for Lenient {
    async fn invoke(&self, _: Invocation) -> Reply {
        let failure = Failure::permanent("not-run", "definitions are only looked at here");
        Reply {
            result: Err(failure),
            log: Vec::new(),
            sent: Vec::new(),
        }
    }

    async fn validate(&self, connector: &Connector, config: &Value) -> Vec<FieldError> {
        match connector.digest == NOBODY {
            true => Vec::new(),
            false => self.plugins.validate(connector, config).await,
        }
    }

    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        let mut bundled = millwork_bundled::PLUGINS.iter();
        if bundled.any(|plugin| plugin.name == reference.plugin) {
            return self.plugins.resolve(reference);
        }
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.insert(reference.plugin.clone());
        Ok(Connector {
            digest: NOBODY,
            action: reference.action.clone().unwrap_or_default(),
            timeout: None,
            attempts_max: None,
        })
    }

    fn is_pure(&self, _: &Digest) -> bool {
        false
    }
}
