//! `millwork plugin check`: what can be said of a component without a server and without a network.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use millwork_core::connector::Connector;
use millwork_plugin::{Ask, LoadedPlugin, Options, Origin, PluginRuntime as _, Plugins, acts};

/// Loads a component as a server would, prints what it is, and fails where something is wrong with it.
pub(super) async fn check(file: &Path) -> Result<()> {
    let wasm = read(file)?;
    let plugins = Plugins::new(Options::default()).context("could not start the sandbox")?;
    let origin = Origin::File(file.to_owned());
    let plugin = plugins
        .load_bytes(wasm, origin)
        .await
        .with_context(|| format!("{} would be refused", file.display()))?;
    print!("{}", describe(&plugin, file));
    let problems = problems(&plugins, &plugin).await;
    if problems.is_empty() {
        println!("no problems");
        return Ok(());
    }
    for problem in &problems {
        println!("  problem   {problem}");
    }
    bail!("{} problems", problems.len())
}

pub(super) fn read(file: &Path) -> Result<Bytes> {
    let bytes =
        std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(Bytes::from(bytes))
}

fn describe(plugin: &LoadedPlugin, file: &Path) -> String {
    use std::fmt::Write as _;
    let manifest = &plugin.manifest;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {name:9} {value}");
    };
    line("file", file.display().to_string());
    line("digest", plugin.digest.to_string());
    line("size", format!("{} KB", plugin.size_bytes().div_ceil(1024)));
    for import in &plugin.imports {
        let note = match acts(import) {
            Some(true) => "  acts on the world: works only where it is granted",
            Some(false) | None => "",
        };
        line("imports", format!("{import}{note}"));
    }
    for ask in &manifest.asks {
        line("asks", ask.to_string());
    }
    let pure = match plugin.pure {
        true => "yes: it imports nothing that acts on the world, so running it again harms nothing",
        false => "no: it imports what acts on the world",
    };
    line("pure", pure.to_owned());
    for action in &manifest.actions {
        line(
            "action",
            format!("{}.{}  {}", manifest.name, action.name, action.description),
        );
    }
    format!(
        "{} {}  {}\n{text}",
        manifest.name, manifest.version, manifest.description
    )
}

/// What a server would take and an author should not leave so.
async fn problems(plugins: &Plugins, plugin: &LoadedPlugin) -> Vec<String> {
    let manifest = &plugin.manifest;
    let mut problems = Vec::new();
    let imports = |name: &str| plugin.imports.iter().any(|import| import.starts_with(name));
    let asks = |is: fn(&Ask) -> bool| manifest.asks.iter().any(is);
    let sends = imports("millwork:http/") || imports("wasi:http/outgoing-handler");
    let mut expect = |is_used: bool, is_asked: bool, what: &str| {
        match (is_used, is_asked) {
        (true, false) => problems.push(format!(
            "it imports {what}, and its manifest does not ask for it: every use of it will be denied"
        )),
        (false, true) => problems.push(format!(
            "its manifest asks for {what}, and it imports nothing of the kind: operators would grant it for nothing"
        )),
        _ => {}
    }
    };
    expect(sends, asks(|ask| matches!(ask, Ask::Http(_))), "HTTP");
    expect(
        imports("millwork:kv/"),
        asks(|ask| matches!(ask, Ask::Kv)),
        "kv",
    );
    expect(
        imports("millwork:secrets/"),
        asks(|ask| matches!(ask, Ask::Secret(_))),
        "secrets",
    );
    let asks_for_files = asks(|ask| matches!(ask, Ask::Directory(_)));
    // The other way round is no problem: the standard libraries of some languages import files that nobody uses.
    if asks_for_files && !imports("wasi:filesystem/") {
        problems.push(
            "its manifest asks for directories, and it imports no wasi:filesystem: operators would grant them for nothing"
                .to_owned(),
        );
    }
    if asks(|ask| matches!(ask, Ask::Variable(_))) && !imports("wasi:cli/environment") {
        problems.push(
            "its manifest asks for variables, and it imports no wasi:cli/environment: operators would grant them for nothing"
                .to_owned(),
        );
    }
    if manifest.description.trim().is_empty() {
        problems.push("it has no description: nobody will know what it is for".to_owned());
    }
    for action in &manifest.actions {
        let name = &action.name;
        if action.description.trim().is_empty() {
            problems.push(format!("the action {name:?} has no description"));
        }
        let connector = Connector {
            digest: plugin.digest,
            action: name.clone(),
            timeout: None,
            attempts_max: None,
        };
        for example in &action.examples {
            let found = plugins.validate(&connector, example.config.value()).await;
            let found = found.into_iter().map(|error| {
                format!(
                    "the example {:?} of {name:?} does not hold: {}: {}",
                    example.title, error.path, error.message
                )
            });
            problems.extend(found);
        }
    }
    problems
}
