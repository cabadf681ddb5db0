//! The port, served by the sandbox: every call is checked before it runs.

use std::sync::PoisonError;
use std::time::Instant;

use async_trait::async_trait;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use millwork_core::json::Json;
use millwork_core::outcome::Failure;

use super::Plugins;
use crate::catalog::LoadedPlugin;
use crate::schema::{Pruned, Values};
use crate::wasm::call::Used;
use crate::{FieldError, Invocation, PluginRuntime, Reply};

impl Plugins {
    /// [`PluginRuntime::invoke`], with what the call took.
    pub async fn invoke_measured(&self, call: Invocation) -> (Reply, Used) {
        let plugin = match self.find(&call.plugin).await {
            Ok(plugin) => plugin,
            Err(failure) => return (Reply::failed(failure), Used::default()),
        };
        if let Err(failure) = check_call(&plugin, &call) {
            return (Reply::failed(failure), Used::default());
        }
        let began = Instant::now();
        let (reply, used) = self
            .sandbox
            .invoke(&plugin.pre, &plugin.outfit(), &plugin.permits, call)
            .await;
        plugin
            .metrics
            .record(plugin.name(), &reply.result, began.elapsed());
        (reply, used)
    }
}

#[async_trait]
impl PluginRuntime for Plugins {
    async fn invoke(&self, call: Invocation) -> Reply {
        self.invoke_measured(call).await.0
    }

    async fn validate(&self, connector: &Connector, config: &serde_json::Value) -> Vec<FieldError> {
        let whole = |message: String| {
            vec![FieldError {
                path: String::new(),
                message,
            }]
        };
        let plugin = match self.find(&connector.digest).await {
            Ok(plugin) => plugin,
            Err(failure) => return whole(failure.message),
        };
        let Some(action) = plugin.manifest.action(&connector.action) else {
            return whole(no_action(&plugin, &connector.action));
        };
        let errors = action.checker.check(config, Values::WithExpressions);
        // Where the schema finds something, the plugin would say the same in other words.
        if !errors.is_empty() {
            return errors;
        }
        let pruned = Pruned::new(config);
        match self
            .sandbox
            .validate(&plugin.pre, &action.name, pruned.config.to_string())
            .await
        {
            Ok(errors) => errors
                .into_iter()
                .filter(|error| pruned.judged(error))
                .collect(),
            Err(failure) => whole(format!(
                "the plugin could not check it: {}",
                failure.message
            )),
        }
    }

    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        self.catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .resolve(reference)
    }

    fn is_pure(&self, plugin: &Digest) -> bool {
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        catalog.get(plugin).is_some_and(|plugin| plugin.pure)
    }
}

fn no_action(plugin: &LoadedPlugin, action: &str) -> String {
    format!(
        "plugin {:?} has no action {action:?} in version {}",
        plugin.name(),
        plugin.version()
    )
}

/// Checks an evaluated configuration before anything runs.
fn check_call(plugin: &LoadedPlugin, call: &Invocation) -> Result<(), Failure> {
    let Some(action) = plugin.manifest.action(&call.action) else {
        return Err(Failure::permanent(
            "unknown-action",
            no_action(plugin, &call.action),
        ));
    };
    let errors = action.checker.check(call.config.value(), Values::Final);
    if errors.is_empty() {
        return Ok(());
    }
    let sentences: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.path, error.message))
        .collect();
    let mut failure = Failure::permanent(
        "invalid-config",
        format!("the configuration does not hold: {}", sentences.join("; ")),
    );
    let details = errors
        .iter()
        .map(|error| serde_json::json!({"path": error.path, "message": error.message}))
        .collect();
    failure.details = Some(Json::from(serde_json::Value::Array(details)));
    Err(failure)
}
