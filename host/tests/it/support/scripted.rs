//! A plugin runtime whose connectors are closures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Suspension, Then, Until};
use millwork_plugin::{FieldError, Invocation, PluginRuntime, Reply};
use serde_json::{Value, json};

type Act = Box<dyn Fn(Invocation) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync>;

/// How the digest of a connector ends that acts on nothing.
const PURE: u8 = 0xff;

/// Connectors by name; remembers every call.
#[derive(Default)]
pub(crate) struct Scripted {
    digest: u8,
    connectors: BTreeMap<String, Act>,
    pure: BTreeSet<String>,
    calls: Mutex<Vec<Invocation>>,
}

impl Scripted {
    /// With `delay` (like the real one), `echo` (completes with its configuration) and `broken` (fails for good).
    pub(crate) fn new() -> Self {
        Self::default()
            .with(
                "echo",
                |call| async move { Ok(Outcome::Completed(call.config)) },
            )
            .with("broken", |_| async {
                Err(Failure::permanent("broken", "it is broken"))
            })
            .with("delay", |call| async move {
                let seconds = call.config.value()["duration"].as_f64().unwrap_or_default();
                Ok(Outcome::Suspended(Suspension {
                    until: Until::After(Duration::from_secs_f64(seconds)),
                    state: Vec::new(),
                    then: Then::Complete(Json::from(json!({"type": "delay", "duration": seconds}))),
                }))
            })
    }

    /// The same connectors from other bytes.
    pub(crate) fn of_digest(mut self, digest: u8) -> Self {
        self.digest = digest;
        self
    }

    /// Adds a connector.
    pub(crate) fn with<F>(
        mut self,
        name: &str,
        act: impl Fn(Invocation) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        self.connectors
            .insert(name.to_owned(), Box::new(move |call| Box::pin(act(call))));
        self
    }

    /// Adds a connector that acts on nothing.
    pub(crate) fn with_pure<F>(
        mut self,
        name: &str,
        act: impl Fn(Invocation) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        self.pure.insert(name.to_owned());
        self.with(name, act)
    }

    /// Every call so far, in order.
    pub(crate) fn calls(&self) -> Vec<Invocation> {
        self.calls
            .lock()
            .expect("no test panics while it holds this")
            .clone()
    }
}

#[async_trait]
impl PluginRuntime for Scripted {
    async fn invoke(&self, call: Invocation) -> Reply {
        self.calls
            .lock()
            .expect("no test panics while it holds this")
            .push(call.clone());
        let result = match self.connectors.get(&call.action) {
            Some(act) => act(call).await,
            None => Err(Failure::permanent(
                "plugin-missing",
                "no such connector in the script",
            )),
        };
        Reply {
            result,
            log: Vec::new(),
            sent: Vec::new(),
        }
    }

    async fn validate(&self, _: &Connector, config: &Value) -> Vec<FieldError> {
        match config.get("refuse") {
            Some(_) => vec![FieldError {
                path: "/refuse".to_owned(),
                message: "is refused by the script".to_owned(),
            }],
            None => Vec::new(),
        }
    }

    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        if !self.connectors.contains_key(&reference.plugin) {
            return Err(format!("unknown plugin \"{}\"", reference.plugin));
        }
        let mut digest = [self.digest; 32];
        if self.pure.contains(&reference.plugin) {
            digest[31] = PURE;
        }
        Ok(Connector {
            digest: Digest::from_bytes(digest),
            action: reference.plugin.clone(),
            timeout: None,
            attempts_max: None,
        })
    }

    fn is_pure(&self, plugin: &Digest) -> bool {
        plugin.as_bytes()[31] == PURE
    }
}
