//! A component that is measured, in the sandbox with its limits as they are, but for the number of calls at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::time::Timestamp;
use millwork_plugin::{
    Invocation, Limits, LoadedPlugin, Options, Origin, PluginRuntime as _, Plugins,
};
use serde_json::Value;

/// A component that was built once and for all.
pub(crate) fn frozen(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/1.0.0");
    folder.join(name).with_extension("wasm")
}

pub(crate) fn read(file: &Path) -> Bytes {
    let wasm = std::fs::read(file);
    wasm.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        .into()
}

pub(crate) struct Subject {
    plugins: Plugins,
    pub(crate) plugin: Arc<LoadedPlugin>,
    action: String,
    config: Json,
    /// How long it took to load, from its bytes until it could be called.
    pub(crate) loaded_in: Duration,
}

impl Subject {
    /// Loads a component, with the code that the cache has of it; its first action is called, as its first example says.
    pub(crate) async fn load(wasm: Bytes, cache: &Path) -> Self {
        let options = Options {
            cache_folder: Some(cache.to_owned()),
            ..Options::default()
        };
        let mut subject = Self::with(wasm, options).await;
        let action = &subject.plugin.manifest.actions[0];
        let example = action.examples.first().expect("its action has an example");
        let (action, config) = (action.name.clone(), example.config.clone());
        subject.aim(&action, config.value());
        subject
    }

    pub(crate) async fn with(wasm: Bytes, options: Options) -> Self {
        let limits = Limits {
            calls_in_flight_per_plugin_max: 1_000,
            ..options.limits
        };
        let plugins = Plugins::new(Options { limits, ..options }).expect("the sandbox starts");
        let began = Instant::now();
        let loaded = plugins.load_bytes(wasm, Origin::Bundled).await;
        let plugin = loaded.unwrap_or_else(|refusal| panic!("it is refused: {refusal}"));
        Self {
            plugins,
            plugin,
            action: String::new(),
            config: Json::from(Value::Null),
            loaded_in: began.elapsed(),
        }
    }

    /// Says what is called from now on.
    pub(crate) fn aim(&mut self, action: &str, config: &Value) {
        self.action = action.to_owned();
        self.config = Json::from(config);
    }

    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    pub(crate) fn config(&self) -> String {
        self.config.value().to_string()
    }

    /// Calls it once, which has to work.
    pub(crate) async fn call(&self) {
        let call = Invocation {
            plugin: self.plugin.digest,
            action: self.action.clone(),
            config: self.config.clone(),
            timeout: Duration::from_secs(60),
            now: Timestamp::from_micros(1_795_384_000_000_000),
            run: RunId::from_bytes([7; 16]),
            trace: None,
            workflow: "order-paid".to_owned(),
            step: "fetch".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "018bcfe5-6800-7707-8707-070707070707/fetch".to_owned(),
            resumed: None,
        };
        let result = self.plugins.invoke(call).await.result;
        assert!(
            matches!(result, Ok(Outcome::Completed(_) | Outcome::Suspended(_))),
            "{result:?}"
        );
    }
}
