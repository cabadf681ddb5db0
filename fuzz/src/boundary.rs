//! Made-up answers, log lines, kept values and requests, said by a real guest.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fastrand::Rng;
use millwork_core::connector::Connector;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Then};
use millwork_core::time::Timestamp;
use millwork_plugin::{Invocation, Limits, Origin, PluginRuntime as _, Plugins, Reply};
use serde_json::json;

use crate::corpus;
use crate::target::{SECRET, options};
use crate::words::{HEADERS, JSON, METHODS, NAMES, URLS, Words};

/// A host with the guest.
pub struct Boundary {
    plugins: Plugins,
    connector: Connector,
    limits: Limits,
}

/// Everything that the guest asks for.
const GRANTS: &str = r#"{"misbehave": {
    "http": ["*"], "private_networks": ["loopback"], "kv": true, "secrets": {"token": ["*"]}, "reveal": ["token"]
}}"#;

impl Boundary {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let options = options(GRANTS);
        ensure!(!options.grants.is_empty(), "the grants are none");
        let limits = options.limits.clone();
        let plugins = Plugins::new(options)?;
        let wasm = bytes::Bytes::from_static(corpus::guest());
        let plugin = plugins.load_bytes(wasm, Origin::Installed).await;
        let digest = plugin.context("the guest does not load")?.digest;
        let connector = Connector {
            digest,
            action: "say".to_owned(),
            timeout: None,
            attempts_max: None,
        };
        Ok(Self {
            plugins,
            connector,
            limits,
        })
    }

    pub(crate) async fn try_one(&self, rng: &mut Rng) -> anyhow::Result<String> {
        let is_question = rng.u8(..8) == 0;
        let said = match (rng.u8(..10), is_question) {
            (0, _) => (0..rng.usize(..2_000)).map(|_| rng.u8(..)).collect(),
            (_, true) => questions(rng),
            (_, false) => make(rng),
        };
        let config = json!({"text": hex(&said)});
        if is_question {
            let found = self.plugins.validate(&self.connector, &config).await;
            ensure!(found.len() <= 64, "{} things are wrong", found.len());
            let bytes: usize = found
                .iter()
                .map(|error| error.path.len() + error.message.len())
                .sum();
            ensure!(bytes <= 1 << 20, "{bytes} bytes about what is wrong");
            return Ok("validated".to_owned());
        }
        let reply = self.plugins.invoke(self.call(Json::from(config))).await;
        self.check(&reply)?;
        Ok(match reply.result {
            Ok(Outcome::Completed(_)) => "completed".to_owned(),
            Ok(Outcome::Suspended(_)) => "suspended".to_owned(),
            // The guest's own codes are arbitrary.
            Err(failure) if HOST_CODES.contains(&failure.code.as_str()) => failure.code,
            Err(_) => "failed".to_owned(),
        })
    }

    /// What has to hold of every reply, whatever the guest did.
    fn check(&self, reply: &Reply) -> anyhow::Result<()> {
        let limits = &self.limits;
        let json = |json: &Json| {
            ensure!(
                json.text().len() <= limits.output_max_bytes * 2,
                "an output is too large"
            );
            Ok(())
        };
        match &reply.result {
            Ok(Outcome::Completed(output)) => json(output)?,
            Ok(Outcome::Suspended(suspension)) => {
                ensure!(
                    suspension.state.len() <= limits.state_max_bytes,
                    "a state is too large"
                );
                if let Then::Complete(output) = &suspension.then {
                    json(output)?;
                }
            }
            Err(Failure {
                code,
                message,
                details,
                ..
            }) => {
                ensure!(code.len() <= 128, "a code is too long: {code}");
                ensure!(message.len() <= 16 << 10, "a message is too long");
                details.iter().try_for_each(json)?;
            }
        }
        let log: usize = reply.log.iter().map(|line| line.message.len()).sum();
        ensure!(
            log <= limits.log_max_bytes + (8 << 10),
            "{log} bytes of log"
        );
        Ok(())
    }

    /// The guest still works as it should.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn is_well(&self) -> anyhow::Result<()> {
        let config = json!({"text": "hello"});
        let mut call = self.call(Json::from(&config));
        "echo".clone_into(&mut call.action);
        match self.plugins.invoke(call).await.result {
            Ok(Outcome::Completed(output)) if *output.value() == config => Ok(()),
            other => bail!("the guest is not well: {other:?}"),
        }
    }

    fn call(&self, config: Json) -> Invocation {
        Invocation {
            plugin: self.connector.digest,
            action: self.connector.action.clone(),
            config,
            timeout: Duration::from_secs(5),
            now: Timestamp::from_micros(1_795_384_000_000_000),
            run: RunId::from_bytes([7; 16]),
            trace: None,
            workflow: "order-paid".to_owned(),
            step: "say".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "key".to_owned(),
            resumed: None,
        }
    }
}

/// The codes that the host gives.
const HOST_CODES: [&str; 13] = [
    "plugin-failed",
    "plugin-output-invalid",
    "plugin-output-too-large",
    "plugin-state-too-large",
    "plugin-timeout",
    "plugin-trapped",
    "plugin-panicked",
    "plugin-out-of-memory",
    "plugin-out-of-handles",
    "plugin-busy",
    "plugin-exited",
    "plugin-stack-overflow",
    "secret-in-state",
];

fn questions(rng: &mut Rng) -> Vec<u8> {
    let mut words = Words::new(rng);
    words.list(|words| {
        words.text(&["/text", "", "nonsense"]);
        words.text(&["this is bad"]);
    });
    words.said
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let asides = rng.u8(..5);
    let mut words = Words::new(rng);
    words.said.push(asides);
    for _ in 0..asides {
        aside(&mut words);
    }
    let kind = words.rng.u8(..4);
    words.said.push(kind);
    match kind {
        0 | 1 => words.text(JSON),
        2 => suspension(&mut words),
        _ => {
            let kind = words.rng.u8(..8);
            words.said.push(kind);
            if kind == 1 {
                words.maybe(Words::number);
            }
            words.text(&["http-404", "no", ""]);
            words.text(&["it did not work"]);
            words.maybe(|words| words.text(JSON));
        }
    }
    words.said
}

fn suspension(words: &mut Words<'_>) {
    let until = words.rng.u8(..4);
    words.said.push(until);
    match until {
        0 | 1 => words.number(),
        _ => {
            words.text(NAMES);
            words.maybe(Words::number);
        }
    }
    let then = words.rng.u8(..2);
    words.said.push(then);
    if then == 1 {
        words.text(JSON);
    }
    words.text(&["state", SECRET]);
}

fn aside(words: &mut Words<'_>) {
    let kind = words.rng.u8(..8);
    words.said.push(kind);
    match kind {
        0 => {
            words.byte(4);
            words.text(&["said", SECRET]);
            words.list(|words| {
                words.text(NAMES);
                words.text(JSON);
            });
        }
        1 => words.text(&["printed", "a\nb\n", SECRET]),
        2 | 5 | 6 => words.text(NAMES),
        3 => {
            words.text(NAMES);
            words.text(JSON);
            expectation(words);
        }
        4 => {
            words.text(NAMES);
            expectation(words);
        }
        _ => {
            words.text(METHODS);
            words.text(URLS);
            words.list(|words| {
                words.text(HEADERS);
                words.text(&["a", "b, c", "a\r\nb: c"]);
            });
            words.maybe(|words| words.text(JSON));
            words.maybe(Words::number);
            words.byte(255);
        }
    }
}

fn expectation(words: &mut Words<'_>) {
    let kind = words.rng.u8(..4);
    words.said.push(kind);
    if kind == 1 {
        words.number();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
