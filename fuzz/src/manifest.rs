//! Made-up manifests. Most are judged as the loader does, without a component; some are said by a real guest and loaded whole, and then
//! configurations are judged by their schemas.

mod read;

use anyhow::ensure;
use fastrand::Rng;
use millwork_core::connector::Connector;
use millwork_plugin::{Limits, Origin, PluginRuntime as _, Plugins, made_up};
use serde_json::{Value, json};

use self::read::Told;
use crate::words::{NAMES, SCHEMAS, URLS, VERSIONS, Words};
use crate::{corpus, loader};

/// One of so many is said by a guest: it has to be compiled for it.
const SAID_BY_A_GUEST: u32 = 400;

pub(crate) async fn try_one(plugins: &Plugins, rng: &mut Rng) -> anyhow::Result<String> {
    let said = make(rng);
    if rng.u32(..SAID_BY_A_GUEST) == 0 {
        return load(plugins, &said).await;
    }
    let judged = made_up::judge_manifest(read::manifest(&mut Told(&said)), &Limits::default());
    match judged {
        Ok(actions) => {
            ensure!((1..=256).contains(&actions), "it has {actions} actions");
            Ok("judged: holds".to_owned())
        }
        Err(problems) => {
            ensure!(
                (1..=50).contains(&problems.len()),
                "{} problems",
                problems.len()
            );
            let longest = problems.iter().map(String::len).max().unwrap_or_default();
            ensure!(longest <= 32 << 10, "a problem of {longest} bytes");
            Ok("judged: does not hold".to_owned())
        }
    }
}

/// Has a guest say it.
async fn load(plugins: &Plugins, said: &[u8]) -> anyhow::Result<String> {
    let wasm = bytes::Bytes::from(corpus::describing(said));
    let loaded = plugins.load_bytes(wasm, Origin::Installed).await;
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(refusal) => return Ok(format!("loaded, and {}", loader::word(&refusal))),
    };
    for action in plugin.manifest.actions.iter().take(3) {
        let connector = Connector {
            digest: plugin.digest,
            action: action.name.clone(),
            timeout: action.timeout,
            attempts_max: action.attempts_max,
        };
        for config in configs() {
            plugins.validate(&connector, &config).await;
        }
    }
    Ok("loaded, and accepted".to_owned())
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let mut words = Words::new(rng);
    words.text(NAMES);
    words.text(VERSIONS);
    words.text(&["Says what it is told", ""]);
    words.list(|words| {
        words.text(NAMES);
        words.text(&["Say"]);
        words.text(&["Says it"]);
        words.text(SCHEMAS);
        words.text(SCHEMAS);
        words.list(|words| {
            words.text(&["Nothing"]);
            words.text(&["{}", "{\"text\":\"a\"}", "{\"text\":\"${payload.x}\"}", "["]);
        });
        words.byte(255);
        words.maybe(Words::number);
        words.maybe(|words| words.byte(255));
        words.list(pair);
    });
    words.list(|words| {
        let kind = words.rng.u8(..4);
        words.said.push(kind);
        match kind {
            0 => {}
            1 => words.text(NAMES),
            _ => words.text(URLS),
        }
    });
    words.list(pair);
    words.said
}

fn pair(words: &mut Words<'_>) {
    words.text(&["directories", "variables", "colour"]);
    words.text(&["[\"data\"]", "[\"REGION\"]", "[\"../x\"]", "{}", "[1]", "["]);
}

/// Some that hold for most schemas, and some that make them work.
fn configs() -> [Value; 5] {
    let mut deep = json!({"text": "x"});
    for _ in 0..60 {
        deep = json!([deep]);
    }
    [
        json!({}),
        json!({"text": format!("{}!", "a".repeat(40)), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": 1}),
        json!({"text": "${payload.x}", "a": 1e300, "b": [0.1, -0.0]}),
        json!([1, 2, 3]),
        deep,
    ]
}
