//! `millwork plugin list|install|grant|agree|disable|enable|remove`: asks a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::check::read;
use crate::cli::plugin::{GrantPlugin, InstallPlugin, Named, PluginCommand, Server};
use crate::client::Client;

pub(super) async fn run(command: PluginCommand) -> Result<()> {
    match command {
        PluginCommand::List(server) => {
            let list = client(&server)?
                .ask(Method::GET, "/api/v1/plugins", None)
                .await?;
            print!("{}", table(&list));
            Ok(())
        }
        PluginCommand::Install(wanted) => install(wanted).await,
        PluginCommand::Grant(wanted) => {
            let grant = grant(&wanted)?;
            let path = format!("/api/v1/plugins/{}/grants", wanted.name);
            let client = client(&wanted.server)?;
            let granted = client.ask(Method::PUT, &path, Some(&grant)).await?;
            told("granted", &granted);
            Ok(())
        }
        PluginCommand::Agree(named) => change(&named, "agree", "agreed to").await,
        PluginCommand::Disable(named) => change(&named, "disable", "disabled").await,
        PluginCommand::Enable(named) => change(&named, "enable", "enabled").await,
        PluginCommand::Remove {
            name,
            version,
            server,
        } => {
            let path = format!("/api/v1/plugins/{name}/{version}");
            let removed = client(&server)?.ask(Method::DELETE, &path, None).await?;
            told("removed", &removed);
            Ok(())
        }
        PluginCommand::New(_) | PluginCommand::Check { .. } | PluginCommand::Run(_) => {
            bail!("this command needs no server")
        }
    }
}

async fn install(wanted: InstallPlugin) -> Result<()> {
    let InstallPlugin {
        file,
        digest,
        signature,
        server,
    } = wanted;
    let wasm = read(&file)?;
    let signature = signature_header(&file, signature)?;
    let query = digest.map(|digest| format!("?digest={digest}"));
    let path = format!("/api/v1/plugins{}", query.unwrap_or_default());
    let installed = client(&server)?
        .send(&path, "application/wasm", wasm, signature)
        .await?;
    told("installed", &installed);
    Ok(())
}

/// The signature that was named, or the one beside the file.
fn signature_header(
    file: &Path,
    named: Option<PathBuf>,
) -> Result<Option<(HeaderName, HeaderValue)>> {
    let beside = PathBuf::from(format!("{}.minisig", file.display()));
    let Some(path) = named.or_else(|| beside.exists().then_some(beside)) else {
        return Ok(None);
    };
    let text = read(&path)?;
    let value = HeaderValue::try_from(STANDARD.encode(text))
        .with_context(|| format!("{} cannot be sent", path.display()))?;
    let name = HeaderName::from_static(crate::api::SIGNATURE_HEADER);
    Ok(Some((name, value)))
}

async fn change(named: &Named, verb: &str, done: &str) -> Result<()> {
    let path = format!("/api/v1/plugins/{}/{verb}", named.name);
    let changed = client(&named.server)?
        .ask(Method::POST, &path, None)
        .await?;
    told(done, &changed);
    Ok(())
}

fn client(server: &Server) -> Result<Client> {
    Client::new(&server.url, server.token.as_deref())
}

fn grant(wanted: &GrantPlugin) -> Result<Value> {
    let mut secrets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for text in &wanted.secrets {
        let (name, rule) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not as in --secret NAME=https://host"))?;
        secrets.entry(name).or_default().push(rule);
    }
    let directories = by_name(&wanted.directories, "--directory NAME=DIRECTORY")?;
    let variables = by_name(&wanted.variables, "--variable NAME=VARIABLE")?;
    Ok(json!({
        "directories": directories,
        "variables": variables,
        "http": wanted.http,
        "private_networks": wanted.private_network,
        "kv": wanted.kv,
        "secrets": secrets,
        "reveal": wanted.reveal,
    }))
}

/// Takes `NAME=VALUE` apart.
fn by_name<'t>(given: &'t [String], form: &str) -> Result<BTreeMap<&'t str, &'t str>> {
    let read = |text: &'t String| {
        let pair = text.split_once('=');
        pair.with_context(|| format!("{text:?} is not as in {form}"))
    };
    given.iter().map(read).collect()
}

/// Says what became of a plugin, and what it still lacks.
fn told(done: &str, plugin: &Value) {
    let text = |part: &str| plugin[part].as_str().unwrap_or_default();
    println!(
        "{done}: {} {} ({})",
        text("name"),
        text("version"),
        text("status")
    );
    for (part, what) in [
        ("asks_more", "asks for more"),
        ("missing_grants", "not granted"),
    ] {
        for ask in plugin[part].as_array().into_iter().flatten() {
            println!("  {what}: {}", ask.as_str().unwrap_or_default());
        }
    }
}

fn table(list: &Value) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "{:24}  {:10}  {:18}  {}\n",
        "name", "version", "status", "from"
    );
    let items = |part: &str| list[part].as_array().cloned().unwrap_or_default();
    for plugin in items("items") {
        let part = |name: &str| plugin[name].as_str().unwrap_or_default().to_owned();
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{:24}  {:10}  {:18}  {}",
            part("name"),
            part("version"),
            part("status"),
            part("origin")
        );
        for ask in plugin["missing_grants"].as_array().into_iter().flatten() {
            let _ = writeln!(
                text,
                "    not granted: {}",
                ask.as_str().unwrap_or_default()
            );
        }
    }
    for refused in items("refused") {
        let part = |name: &str| refused[name].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(text, "refused: {}: {}", part("path"), part("reason"));
    }
    text
}
