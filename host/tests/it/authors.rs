//! What an author does: begins a plugin, tests it, builds it, looks at it, tries it out. Every command of the guide for Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::json;

/// A place to build in that lives on between tests: what is built there is built once.
fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors")
}

/// A command that knows nothing of how these tests are built.
fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
    cargo.env("CARGO_TARGET_DIR", place().join("target"));
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    cargo
}

fn millwork(folder: &Path, arguments: &[&str]) -> Output {
    let mut millwork = Command::new(env!("CARGO_BIN_EXE_millwork"));
    millwork.current_dir(folder).args(arguments);
    millwork.output().expect("it runs")
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_plugin_in_rust_is_begun_tested_built_checked_and_tried() {
    let place = place();
    fs::create_dir_all(&place).expect("there is room");
    let project = place.join("tickets");
    if project.exists() {
        fs::remove_dir_all(&project).expect("what an earlier test left goes away");
    }
    said(&millwork(
        &place,
        &["plugin", "new", "tickets", "--lang", "rust"],
    ));
    let again = refused(&millwork(&place, &["plugin", "new", "tickets"]));
    assert!(again.contains("is there already"), "{again}");
    let bad = refused(&millwork(&place, &["plugin", "new", "Tickets"]));
    assert!(bad.contains("is no name for a plugin"), "{bad}");

    // The versions are those of the workspace, whose crates are here: nothing is fetched.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).expect("it can be copied");
    let test = cargo(&project)
        .args(["test", "--offline", "--quiet"])
        .output();
    said(&test.expect("cargo runs"));
    let build = [
        "build",
        "--offline",
        "--release",
        "--quiet",
        "--target",
        "wasm32-wasip2",
    ];
    said(&cargo(&project).args(build).output().expect("cargo runs"));
    let component = place.join("target/wasm32-wasip2/release/tickets.wasm");
    let component = component.to_str().expect("it is text");

    let checked = said(&millwork(&place, &["plugin", "check", component]));
    assert!(
        checked.contains("tickets 0.1.0") && checked.contains("no problems"),
        "{checked}"
    );
    assert!(checked.contains("pure      yes"), "{checked}");
    let config = json!({"name": "Ada"}).to_string();
    let run = [
        "plugin", "run", component, "--action", "greet", "--config", &config,
    ];
    let tried = said(&millwork(&place, &run));
    assert!(tried.contains("log info: greeting Ada"), "{tried}");
    assert!(
        tried.contains(r#"completed {"text":"Hello, Ada!"}"#),
        "{tried}"
    );
    let wrong = ["plugin", "run", component, "--config", "{\"nmae\":1}"];
    let failed = refused(&millwork(&place, &wrong));
    assert!(failed.contains("invalid-config"), "{failed}");
    let unknown = ["plugin", "run", component, "--action", "gret"];
    let failed = refused(&millwork(&place, &unknown));
    assert!(failed.contains("there is greet"), "{failed}");
}

#[test]
fn what_is_no_plugin_is_refused_with_the_reason() {
    let place = tempfile::tempdir().expect("there is a temporary folder");
    let file = place.path().join("x.wasm");
    fs::write(&file, b"nonsense").expect("there is room");
    let name = file.to_str().expect("it is text");
    let failed = refused(&millwork(place.path(), &["plugin", "check", name]));
    assert!(failed.contains("this is not WebAssembly"), "{failed}");
    let gone = refused(&millwork(place.path(), &["plugin", "check", "gone.wasm"]));
    assert!(gone.contains("could not read gone.wasm"), "{gone}");
}

#[test]
fn requests_are_answered_from_a_recording() {
    let place = tempfile::tempdir().expect("there is a temporary folder");
    let plugins = millwork_bundled::PLUGINS.iter();
    let mut webhook = plugins.filter(|plugin| plugin.name == "webhook");
    let wasm = webhook.next().expect("it is there").wasm;
    fs::write(place.path().join("webhook.wasm"), wasm).expect("there is room");
    let answers = json!([{"status": 201, "headers": [["content-type", "application/json"]], "body": "{\"id\":7}"}]);
    fs::write(place.path().join("answers.json"), answers.to_string()).expect("there is room");
    let config = json!({"url": "https://shop.example/orders", "method": "POST"}).to_string();
    let run = [
        "plugin",
        "run",
        "webhook.wasm",
        "--config",
        &config,
        "--replay",
        "answers.json",
    ];
    let tried = said(&millwork(place.path(), &run));
    assert!(
        tried.contains("completed") && tried.contains("201") && tried.contains("\"id\":7"),
        "{tried}"
    );
}
