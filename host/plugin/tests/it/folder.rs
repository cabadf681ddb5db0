//! The plugins folder: versions side by side, broken files that stop nothing, and what names mean.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millwork_core::connector::TypeRef;
use millwork_core::digest::Digest;
use millwork_plugin::{
    Limits, LoadedPlugin, Options, PluginRuntime as _, PluginSource, Plugins, StoredPlugin,
};
use serde_json::json;

use crate::support::{Guest, component, describing};

fn plugins(folder: &Path) -> Plugins {
    let limits = Limits {
        calls_in_flight_max: 20,
        ..Limits::default()
    };
    Plugins::new(Options {
        folder: Some(folder.to_owned()),
        limits,
        ..Options::default()
    })
    .expect("the sandbox starts")
}

fn put(folder: &Path, name: &str, wasm: &[u8]) {
    std::fs::write(folder.join(name), wasm).expect("there is room");
}

fn meaning(plugins: &Plugins, reference: &str) -> Result<String, String> {
    let reference: TypeRef = reference.parse().expect("it is a type");
    let connector = plugins.resolve(&reference)?;
    let plugin = plugins
        .get(&connector.digest)
        .expect("what a name means is loaded");
    Ok(format!(
        "{}@{}.{}",
        plugin.name(),
        plugin.version(),
        connector.action
    ))
}

#[tokio::test]
async fn versions_live_side_by_side_and_the_newest_is_meant() {
    let folder = tempfile::tempdir().expect("there is room");
    put(folder.path(), "one.wasm", &describing("well"));
    put(folder.path(), "two.wasm", &describing("newer"));
    put(folder.path(), "readme.txt", b"not a plugin");
    let plugins = plugins(folder.path());
    let report = plugins.load_folder().await;
    assert_eq!(
        (report.loaded.len(), report.refused.len()),
        (2, 0),
        "{:?}",
        report.refused
    );
    let cases = [
        ("misbehave", Ok("misbehave@2.0.0.echo")),
        ("misbehave.spin", Ok("misbehave@2.0.0.spin")),
        ("misbehave@1", Ok("misbehave@1.0.0.echo")),
        ("misbehave@1.0.0", Ok("misbehave@1.0.0.echo")),
        ("misbehave@2.0", Ok("misbehave@2.0.0.echo")),
        (
            "misbehave@3",
            Err("plugin \"misbehave\" has no version 3: there are 2.0.0, 1.0.0"),
        ),
        (
            "misbehave.spni",
            Err("plugin \"misbehave\" has no action \"spni\": did you mean \"spin\"?"),
        ),
        (
            "misbehaev",
            Err("unknown plugin \"misbehaev\": did you mean \"misbehave\"?"),
        ),
        ("xyz", Err("unknown plugin \"xyz\": there is misbehave")),
    ];
    for (reference, expected) in cases {
        assert_eq!(
            meaning(&plugins, reference)
                .as_deref()
                .map_err(String::as_str),
            expected.as_ref().copied().map_err(|e| *e),
            "{reference}"
        );
    }
}

#[tokio::test]
async fn one_bad_file_never_stops_the_rest_and_what_it_held_before_stays() {
    let folder = tempfile::tempdir().expect("there is room");
    put(folder.path(), "a-broken.wasm", b"nonsense");
    put(folder.path(), "b.wasm", &describing("well"));
    put(folder.path(), "c-twin.wasm", &describing("panic"));
    let plugins = plugins(folder.path());
    let report = plugins.load_folder().await;
    assert_eq!(report.loaded.len(), 1);
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|file| {
            (
                file.path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default(),
                file.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        refused[0],
        (
            "a-broken.wasm",
            "this is not WebAssembly: it starts with 6e 6f 6e 73"
        )
    );
    assert_eq!(refused[1].0, "c-twin.wasm");
    assert_eq!(plugins.refused().await, report.refused);

    // A look at an unchanged folder loads nothing.
    let report = plugins.load_folder().await;
    assert_eq!((report.loaded.len(), report.refused.len()), (0, 2));

    put(folder.path(), "b.wasm", b"nonsense as well");
    let report = plugins.load_folder().await;
    let broken = report
        .refused
        .iter()
        .find(|file| file.path.ends_with("b.wasm"))
        .expect("it is refused");
    assert_eq!(broken.still_loaded.as_deref(), Some("misbehave@1.0.0"));
    assert_eq!(
        meaning(&plugins, "misbehave").as_deref(),
        Ok("misbehave@1.0.0.echo")
    );

    std::fs::remove_file(folder.path().join("b.wasm")).expect("it is there");
    let report = plugins.load_folder().await;
    assert_eq!(report.removed.len(), 1);
    assert!(meaning(&plugins, "misbehave").is_err());
}

#[tokio::test]
async fn two_files_cannot_claim_the_same_version() {
    let folder = tempfile::tempdir().expect("there is room");
    put(folder.path(), "a.wasm", &describing("well"));
    // The same manifest in other bytes.
    put(folder.path(), "b.wasm", &describing("as-well"));
    put(folder.path(), "c.wasm", &describing("well"));
    let plugins = plugins(folder.path());
    let report = plugins.load_folder().await;
    assert_eq!(report.loaded.len(), 2, "the same bytes twice are no matter");
    assert_eq!(report.refused.len(), 1);
    assert!(
        report.refused[0]
            .reason
            .contains("misbehave@1.0.0 is already loaded from")
            && report.refused[0].reason.contains("a.wasm"),
        "{}",
        report.refused[0].reason
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_holds_nothing() {
    let folder = tempfile::tempdir().expect("there is room");
    let plugins = plugins(&folder.path().join("nowhere"));
    let report = plugins.load_folder().await;
    assert!(report.loaded.is_empty() && report.refused.is_empty());
}

struct Store(Bytes);

#[async_trait]
impl PluginSource for Store {
    async fn find(&self, digest: &Digest) -> Result<Option<StoredPlugin>, String> {
        let known = millwork_plugin::digest(&self.0) == *digest;
        Ok(known.then(|| StoredPlugin {
            wasm: self.0.clone(),
            bundled: false,
        }))
    }

    async fn keep(&self, _: &LoadedPlugin) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_run_finds_its_plugin_in_the_store() {
    let wasm = component("misbehave");
    let plugins = Plugins::new(Options {
        source: Some(Arc::new(Store(wasm.clone()))),
        ..Options::default()
    })
    .expect("the sandbox starts");
    let guest = Guest {
        plugins,
        digest: millwork_plugin::digest(&wasm),
    };
    let config = json!({"text": "a"});
    let calls = (0..4).map(|_| guest.output("echo", &config));
    assert_eq!(
        futures::future::join_all(calls).await,
        vec![json!({"text": "a"}); 4]
    );
}
