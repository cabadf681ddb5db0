//! A [`PluginRuntime`] without WebAssembly, for tests of whatever calls plugins: each action is a closure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use millwork_core::outcome::{Failure, Outcome};
use serde_json::Value;

use crate::wasm::load;
use crate::{FieldError, Invocation, PluginRuntime, Reply};

type Script = Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync>;
type Judge = Arc<dyn Fn(&Value) -> Vec<FieldError> + Send + Sync>;

/// Scripted plugins.
#[derive(Default)]
pub struct Fake {
    /// By plugin, in the order in which the actions were added.
    plugins: BTreeMap<String, Vec<Scripted>>,
    calls: Mutex<Vec<Invocation>>,
}

struct Scripted {
    action: String,
    script: Script,
    judge: Option<Judge>,
    timeout: Option<Duration>,
    attempts_max: Option<u32>,
}

impl Fake {
    /// No plugins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action that answers at once. The first action of a plugin is what its name alone means.
    #[must_use]
    pub fn action<F>(self, plugin: &str, action: &str, script: F) -> Self
    where
        F: Fn(&Invocation) -> Result<Outcome, Failure> + Send + Sync + 'static,
    {
        let script = Arc::new(script);
        self.action_async(plugin, action, move |call| {
            let script = Arc::clone(&script);
            Box::pin(async move { script(&call) })
        })
    }

    /// Adds an action that takes its time. Dropping the call drops the future, as in the sandbox.
    #[must_use]
    pub fn action_async<F>(mut self, plugin: &str, action: &str, script: F) -> Self
    where
        F: Fn(Invocation) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync + 'static,
    {
        let scripted = Scripted {
            action: action.to_owned(),
            script: Arc::new(script),
            judge: None,
            timeout: None,
            attempts_max: None,
        };
        self.plugins
            .entry(plugin.to_owned())
            .or_default()
            .push(scripted);
        self
    }

    /// Lets the action that was added last judge configurations.
    #[must_use]
    pub fn judged_by<F>(mut self, plugin: &str, judge: F) -> Self
    where
        F: Fn(&Value) -> Vec<FieldError> + Send + Sync + 'static,
    {
        if let Some(scripted) = self
            .plugins
            .get_mut(plugin)
            .and_then(|actions| actions.last_mut())
        {
            scripted.judge = Some(Arc::new(judge));
        }
        self
    }

    /// Gives the action that was added last defaults for its timeout and attempts.
    #[must_use]
    pub fn with_defaults(
        mut self,
        plugin: &str,
        timeout: Option<Duration>,
        attempts_max: Option<u32>,
    ) -> Self {
        if let Some(scripted) = self
            .plugins
            .get_mut(plugin)
            .and_then(|actions| actions.last_mut())
        {
            (scripted.timeout, scripted.attempts_max) = (timeout, attempts_max);
        }
        self
    }

    /// The digest that a scripted plugin has: the digest of its name.
    #[must_use]
    pub fn digest(plugin: &str) -> Digest {
        load::digest(plugin.as_bytes())
    }

    /// Every call so far, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<Invocation> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn find(&self, digest: &Digest, action: &str) -> Option<&Scripted> {
        let (_, actions) = self
            .plugins
            .iter()
            .find(|(name, _)| Self::digest(name) == *digest)?;
        actions.iter().find(|scripted| scripted.action == action)
    }
}

#[async_trait]
impl PluginRuntime for Fake {
    async fn invoke(&self, call: Invocation) -> Reply {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call.clone());
        let Some(scripted) = self.find(&call.plugin, &call.action) else {
            return Reply::failed(Failure::permanent(
                "unknown-action",
                format!("there is no script for the action {:?}", call.action),
            ));
        };
        let allowed = call.timeout;
        let result = match tokio::time::timeout(allowed, (scripted.script)(call)).await {
            Ok(result) => result,
            Err(_) => Err(crate::wasm::trap::timed_out(
                allowed,
                &crate::limits::Limits::default(),
            )),
        };
        Reply {
            result,
            log: Vec::new(),
            sent: Vec::new(),
        }
    }

    async fn validate(&self, connector: &Connector, config: &Value) -> Vec<FieldError> {
        let judge = self
            .find(&connector.digest, &connector.action)
            .and_then(|scripted| scripted.judge.as_ref());
        judge.map(|judge| judge(config)).unwrap_or_default()
    }

    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        let actions = self
            .plugins
            .get(&reference.plugin)
            .ok_or_else(|| format!("unknown plugin {:?}", reference.plugin))?;
        let mut named = actions.iter().filter(|scripted| {
            reference
                .action
                .as_ref()
                .is_none_or(|action| *action == scripted.action)
        });
        let Some(scripted) = named.next() else {
            return Err(format!("plugin {:?} has no such action", reference.plugin));
        };
        let Scripted {
            action,
            timeout,
            attempts_max,
            ..
        } = scripted;
        Ok(Connector {
            digest: Self::digest(&reference.plugin),
            action: action.clone(),
            timeout: *timeout,
            attempts_max: *attempts_max,
        })
    }

    fn is_pure(&self, _: &Digest) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use millwork_core::id::RunId;
    use millwork_core::json::Json;
    use millwork_core::time::Timestamp;

    use super::*;

    fn call(plugin: &str, action: &str) -> Invocation {
        Invocation {
            plugin: Fake::digest(plugin),
            action: action.to_owned(),
            config: Json::from_text("{}").expect("it is JSON"),
            timeout: Duration::from_millis(20),
            now: Timestamp::default(),
            run: RunId::from_bytes([1; 16]),
            trace: None,
            workflow: "w".to_owned(),
            step: "s".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "k".to_owned(),
            resumed: None,
        }
    }

    #[tokio::test]
    async fn scripted_actions_answer_fail_and_time_out() {
        let fake = Fake::new()
            .action("greet", "hello", |call| {
                Ok(Outcome::Completed(Json::from(serde_json::json!(call.step))))
            })
            .action("greet", "fail", |_| Err(Failure::permanent("no", "no")))
            .action_async("greet", "hang", |_| Box::pin(std::future::pending()));
        let connector = fake
            .resolve(&"greet".parse().expect("it is a type"))
            .expect("it is scripted");
        assert_eq!(connector.action, "hello");
        assert!(
            fake.resolve(&"greet.nothing".parse().expect("it is a type"))
                .is_err()
        );
        assert_eq!(
            fake.invoke(call("greet", "hello")).await.result,
            Ok(Outcome::Completed(Json::from(serde_json::json!("s"))))
        );
        let code = async |action| {
            fake.invoke(call("greet", action))
                .await
                .result
                .expect_err("it fails")
                .code
        };
        assert_eq!(
            [code("fail").await, code("hang").await, code("other").await],
            ["no", "plugin-timeout", "unknown-action"]
        );
        assert_eq!(fake.calls().len(), 4);
    }
}
