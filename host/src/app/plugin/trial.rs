//! `millwork plugin run`: one call in the real sandbox, with what the plugin asks for granted to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::{Outcome, Resume, Suspension, Then, Until, Wake};
use millwork_plugin::{
    Ask, Decision, Decisions, DirectoryRule, Grant, HttpRule, Invocation, LoadedPlugin, Network,
    Options, Origin, Plugins, Premises, Recorded, Reply, Secret, Secrets, Tape,
};
use serde_json::Value;

use super::check::read;
use crate::cli::plugin::RunPlugin;
use crate::clock::{Clock as _, SystemClock};

/// How long the call may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Calls that one trial makes, where the plugin suspends again and again.
const CALLS_MAX: usize = 100;

pub(super) async fn run(wanted: RunPlugin) -> Result<()> {
    let secrets = pairs(&wanted.secrets, "--secret NAME=VALUE")?;
    let signals = read_signals(&wanted.signals)?;
    let config = read_config(&wanted.config)?;
    let tape = open_tape(wanted.replay.as_deref(), wanted.record.as_ref())?;
    let premises = Premises {
        directories: pairs(&wanted.directories, "--directory NAME=PATH")?
            .into_iter()
            .map(|(name, path)| (name, PathBuf::from(path)))
            .collect(),
        variables: pairs(&wanted.variables, "--variable NAME=VALUE")?,
    };
    let (plugins, plugin) = load(&wanted.file, secrets, premises, tape.clone()).await?;
    let mut call = invocation(&plugin, wanted.action, config)?;
    let mut signals = signals.into_iter();
    let outcome = loop {
        let began = std::time::Instant::now();
        let (reply, used) = plugins.invoke_measured(call.clone()).await;
        let took = began.elapsed();
        println!(
            "call {} of {}.{}: {:.3} ms, {} KB of memory",
            call.attempt,
            plugin.name(),
            call.action,
            took.as_secs_f64() * 1_000.0,
            used.memory_bytes / 1024
        );
        print_log(&reply);
        match reply.result {
            Ok(Outcome::Suspended(suspension)) => {
                print_suspension(&suspension);
                match go_on(suspension, &mut signals) {
                    Next::Call(resume) => call.resumed = Some(resume),
                    Next::Done(output) => break Ok(output),
                    Next::Stop => break Ok(None),
                }
            }
            Ok(Outcome::Completed(output)) => break Ok(Some(output)),
            Err(failure) => break Err(failure),
        }
        call.attempt += 1;
        if usize::try_from(call.attempt).unwrap_or(usize::MAX) > CALLS_MAX {
            bail!("it has suspended {CALLS_MAX} times, and that is enough for a trial");
        }
    };
    if let (Some(file), Some(tape)) = (&wanted.record, &tape) {
        write_recording(file, &tape.recorded())?;
    }
    match outcome {
        Ok(Some(output)) => println!("completed {output}"),
        Ok(None) => println!("left there: a server would go on when that comes"),
        Err(failure) => {
            println!(
                "failed ({:?}) {}: {}",
                failure.kind, failure.code, failure.message
            );
            bail!("the call failed")
        }
    }
    Ok(())
}

/// What comes after a suspension.
enum Next {
    Call(Resume),
    Done(Option<Json>),
    Stop,
}

/// Goes on as if the time had come; or as if the signal had, where there is one.
fn go_on(suspension: Suspension, signals: &mut impl Iterator<Item = (String, Json)>) -> Next {
    let wake = match suspension.until {
        Until::At(_) | Until::After(_) => Wake::Timer,
        Until::Signal { name, .. } => match signals.find(|(sent, _)| *sent == name) {
            Some((name, payload)) => Wake::Signal { name, payload },
            None => return Next::Stop,
        },
        // No plugin can ask for that.
        Until::Run(_) => return Next::Stop,
    };
    match suspension.then {
        Then::Complete(output) => Next::Done(Some(output)),
        Then::CallAgain => Next::Call(Resume {
            wake,
            state: suspension.state,
        }),
    }
}

fn print_log(reply: &Reply) {
    for line in &reply.log {
        println!("  log {}: {}", line.level, line.message);
    }
}

fn print_suspension(suspension: &Suspension) {
    let until = match &suspension.until {
        Until::At(at) => format!("until {at}"),
        Until::After(span) => format!("for {span:?}"),
        Until::Signal {
            name,
            timeout: None,
        } => format!("for the signal {name:?}"),
        Until::Signal {
            name,
            timeout: Some(timeout),
        } => format!("for the signal {name:?}, at most {timeout:?}"),
        Until::Run(run) => format!("for the end of run {run}"),
    };
    println!(
        "suspended {until}, with {} bytes of state",
        suspension.state.len()
    );
}

async fn load(
    file: &Path,
    secrets: BTreeMap<String, String>,
    premises: Premises,
    tape: Option<Arc<Tape>>,
) -> Result<(Plugins, Arc<LoadedPlugin>)> {
    let wasm = read(file)?;
    let given = premises.clone();
    let plugins = Plugins::new(Options {
        secrets: Some(Arc::new(Given(secrets))),
        premises,
        tape,
        ..Options::default()
    });
    let plugins = plugins.context("could not start the sandbox")?;
    let plugin = plugins
        .load_bytes(wasm, Origin::File(file.to_owned()))
        .await
        .with_context(|| format!("{} would be refused", file.display()))?;
    let decision = Decision {
        grant: Some(all_it_asks_for(&plugin, &given)),
        ..Decision::default()
    };
    let decisions = Decisions::from([(plugin.name().to_owned(), decision)]);
    plugins.choose(Vec::new(), decisions).await;
    Ok((plugins, plugin))
}

/// On the author's own machine the plugin is trusted with what it asks for, here too.
fn all_it_asks_for(plugin: &LoadedPlugin, given: &Premises) -> Grant {
    let mut grant = Grant {
        private_networks: vec![Network::Loopback],
        ..Grant::default()
    };
    for ask in &plugin.manifest.asks {
        match ask {
            Ask::Http(rule) => grant.http.push(rule.clone()),
            Ask::Kv => grant.kv = true,
            Ask::Secret(name) => {
                grant.secrets.insert(name.clone(), vec![HttpRule::any()]);
                grant.reveal.push(name.clone());
            }
            Ask::Directory(name) if given.directories.contains_key(name) => {
                let rule = DirectoryRule {
                    directory: name.clone(),
                    write: true,
                };
                grant.directories.insert(name.clone(), rule);
            }
            Ask::Variable(name) if given.variables.contains_key(name) => {
                grant.variables.insert(name.clone(), name.clone());
            }
            // Nobody gave it one.
            Ask::Directory(_) | Ask::Variable(_) => {}
        }
    }
    grant
}

fn invocation(plugin: &LoadedPlugin, action: Option<String>, config: Json) -> Result<Invocation> {
    let actions = &plugin.manifest.actions;
    let action = match action {
        Some(action) if plugin.manifest.action(&action).is_some() => action,
        Some(action) => {
            let known: Vec<_> = actions.iter().map(|action| action.name.as_str()).collect();
            bail!(
                "there is no action {action:?}; there is {}",
                known.join(", ")
            )
        }
        None => actions
            .first()
            .map(|action| action.name.clone())
            .unwrap_or_default(),
    };
    let now = SystemClock.now();
    let run = RunId::from_parts(now, [0; 10]);
    Ok(Invocation {
        plugin: plugin.digest,
        action,
        config,
        timeout: TIMEOUT,
        now,
        run,
        trace: None,
        workflow: "trial".to_owned(),
        step: "trial".to_owned(),
        iteration: None,
        attempt: 1,
        idempotency_key: format!("{run}/trial"),
        resumed: None,
    })
}

fn read_config(text: &str) -> Result<Json> {
    let text = match text.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("could not read {file}"))?
        }
        None => text.to_owned(),
    };
    let value: Value = serde_json::from_str(&text).context("--config is not JSON")?;
    Ok(Json::from(value))
}

fn read_signals(given: &[String]) -> Result<Vec<(String, Json)>> {
    let read = |text: &String| {
        let (name, payload) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not as in --signal NAME=JSON"))?;
        let payload: Value = serde_json::from_str(payload)
            .with_context(|| format!("the payload of --signal {name} is not JSON"))?;
        Ok((name.to_owned(), Json::from(payload)))
    };
    given.iter().map(read).collect()
}

/// Takes `NAME=VALUE` apart.
fn pairs(given: &[String], form: &str) -> Result<BTreeMap<String, String>> {
    let read = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not as in {form}"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(read).collect()
}

fn open_tape(replay: Option<&Path>, record: Option<&PathBuf>) -> Result<Option<Arc<Tape>>> {
    if let Some(file) = replay {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read {}", file.display()))?;
        let answers: Vec<Recorded> = serde_json::from_str(&text)
            .with_context(|| format!("{} is no recording", file.display()))?;
        return Ok(Some(Arc::new(Tape::play(answers))));
    }
    Ok(record.map(|_| Arc::new(Tape::record())))
}

fn write_recording(file: &Path, answers: &[Recorded]) -> Result<()> {
    let mut text = serde_json::to_string_pretty(answers).context("could not write JSON")?;
    text.push('\n');
    std::fs::write(file, text).with_context(|| format!("could not write {}", file.display()))?;
    println!("recorded {} answers in {}", answers.len(), file.display());
    Ok(())
}

/// The secrets of the command line.
struct Given(BTreeMap<String, String>);

#[async_trait]
impl Secrets for Given {
    async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok(self.0.get(name).map(|value| Secret::new(value.clone())))
    }
}
