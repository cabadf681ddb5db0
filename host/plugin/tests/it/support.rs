//! One helper that knows the API; the tests are data.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome};
use millwork_core::time::Timestamp;
use millwork_plugin::{Invocation, Limits, Options, Origin, PluginRuntime as _, Plugins, Reply};
use serde_json::{Value, json};

/// Some time in 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_384_000_000_000);

pub(crate) fn component(name: &str) -> Bytes {
    let all = millwork_bundled::PLUGINS
        .iter()
        .chain(millwork_bundled::TEST_GUESTS);
    let found = all.copied().find(|bundled| bundled.name == name);
    Bytes::from_static(found.expect("it is built").wasm)
}

/// The guest, with its way to misbehave in `describe` written into its bytes.
pub(crate) fn describing(mode: &str) -> Bytes {
    let marker = b"describe:";
    let mut wasm = component("misbehave").to_vec();
    let at = wasm
        .windows(marker.len())
        .position(|window| window == marker)
        .expect("the marker is in its data")
        + marker.len();
    let mut text = mode.as_bytes().to_vec();
    text.resize(20, b'.');
    wasm[at..at + text.len()].copy_from_slice(&text);
    wasm.into()
}

/// Where compiled code is. Each component is compiled once for all tests of a process, which meet there as hosts do that
/// start at the same time.
pub(crate) fn compiled() -> PathBuf {
    static CODE: LazyLock<tempfile::TempDir> =
        LazyLock::new(|| tempfile::tempdir().expect("there is room"));
    CODE.path().to_owned()
}

pub(crate) struct Guest {
    pub(crate) plugins: Plugins,
    pub(crate) digest: Digest,
}

impl Guest {
    pub(crate) async fn load(options: Options) -> Self {
        Self::load_component("misbehave", options).await
    }

    pub(crate) async fn load_component(name: &str, mut options: Options) -> Self {
        options.cache_folder.get_or_insert_with(compiled);
        let plugins = Plugins::new(options).expect("the sandbox starts");
        let origin = if name == "misbehave" {
            Origin::Stored
        } else {
            Origin::Bundled
        };
        let loaded = plugins
            .load_bytes(component(name), origin)
            .await
            .expect("it loads");
        Self {
            plugins,
            digest: loaded.digest,
        }
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::load(Options {
            limits: Limits {
                calls_in_flight_max: 20,
                ..limits
            },
            ..Options::default()
        })
        .await
    }

    pub(crate) fn call(&self, action: &str, config: &Value) -> Invocation {
        Invocation {
            plugin: self.digest,
            action: action.to_owned(),
            config: Json::from(config),
            timeout: Duration::from_secs(30),
            now: NOW,
            run: RunId::from_bytes([7; 16]),
            trace: None,
            workflow: "order-paid".to_owned(),
            step: "fetch".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "key".to_owned(),
            resumed: None,
        }
    }

    pub(crate) async fn invoke(&self, action: &str) -> Reply {
        self.plugins.invoke(self.call(action, &json!({}))).await
    }

    pub(crate) async fn output(&self, action: &str, config: &Value) -> Value {
        match self.plugins.invoke(self.call(action, config)).await.result {
            Ok(Outcome::Completed(json)) => json.value().clone(),
            other => panic!("{action} was to complete: {other:?}"),
        }
    }

    pub(crate) async fn text(&self, action: &str, config: &Value) -> String {
        self.output(action, config)
            .await
            .as_str()
            .expect("it is a text")
            .to_owned()
    }

    pub(crate) async fn failure(&self, action: &str) -> Failure {
        self.invoke(action).await.result.expect_err("it fails")
    }

    /// The guest still works as it should.
    pub(crate) async fn is_well(&self) {
        assert_eq!(
            self.output("echo", &json!({"text": "hello"})).await,
            json!({"text": "hello"})
        );
    }
}

/// Grants as an operator writes them.
pub(crate) fn granted(text: &str) -> Options {
    let grants = toml::from_str(text).expect("the grants are right");
    let limits = Limits {
        calls_in_flight_max: 20,
        ..Limits::default()
    };
    Options {
        grants,
        limits,
        ..Options::default()
    }
}
