//! What an author does: begins a plugin, tests it, builds it, looks at it, tries it out. Every command of the guide for Rust.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::json;

/// The guide, whose every command is run.
fn follow_the_guide(section: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let binary = Path::new(env!("CARGO_BIN_EXE_millwork"));
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = binary.parent().expect("it lies in a folder").to_owned();
    let path = env::join_paths([beside].into_iter().chain(env::split_paths(&path)));
    // Free now; who takes it in between makes the test fail, and not hold wrongly.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.expect("there is a port").port();
    let mut guide = Command::new(root.join("scripts/guide.sh"));
    guide
        .arg(section)
        .env("PATH", path.expect("it is a path"))
        .env(
            "GUIDE_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide"),
        )
        .env("GUIDE_PORT", port.to_string())
        // The crates are here, since this workspace is built of them: nothing is fetched.
        .env("CARGO_NET_OFFLINE", "true");
    // A project of the guide's knows nothing of how these tests are built.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MILLWORK_")
            || name.starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_NET_OFFLINE"
        {
            guide.env_remove(&*name);
        }
    }
    guide
        .env_remove("RUSTFLAGS")
        .env("CARGO_NET_OFFLINE", "true");
    said(&guide.output().expect("there is a shell"));
}

#[test]
fn the_guide_holds_for_rust() {
    follow_the_guide("Rust");
}

#[test]
fn the_guide_holds_for_powers() {
    follow_the_guide("Powers");
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
fn what_cannot_be_begun_checked_or_tried_is_told_with_the_remedy() {
    let place = tempfile::tempdir().expect("there is a temporary folder");
    let place = place.path();
    said(&millwork(place, &["plugin", "new", "tickets"]));
    let again = refused(&millwork(place, &["plugin", "new", "tickets"]));
    assert!(again.contains("is there already"), "{again}");
    let bad = refused(&millwork(place, &["plugin", "new", "Tickets"]));
    assert!(bad.contains("is no name for a plugin"), "{bad}");
    let mut bundled = millwork_bundled::PLUGINS.iter();
    let delay = bundled.find(|plugin| plugin.name == "delay");
    fs::write(place.join("delay.wasm"), delay.expect("it is there").wasm).expect("there is room");
    let wrong = [
        "plugin",
        "run",
        "delay.wasm",
        "--config",
        "{\"duratoin\":1}",
    ];
    let failed = refused(&millwork(place, &wrong));
    assert!(failed.contains("invalid-config"), "{failed}");
    let unknown = ["plugin", "run", "delay.wasm", "--action", "dealy"];
    let failed = refused(&millwork(place, &unknown));
    assert!(failed.contains("there is "), "{failed}");
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

#[test]
fn a_plugin_that_asks_for_a_directory_is_seen_to_and_tried_with_one() {
    let place = tempfile::tempdir().expect("there is a temporary folder");
    let place = place.path();
    fs::write(place.join("guest.wasm"), crate::plugins::guest("files")).expect("there is room");
    fs::create_dir(place.join("data")).expect("there is room");
    fs::write(place.join("data/here"), "hello").expect("there is room");
    // It says nothing of its actions, and so is refused in the end; what it asks for stands before that.
    let told = refused(&millwork(place, &["plugin", "check", "guest.wasm"]));
    for expected in [
        "asks      directory data",
        "asks      variable REGION",
        "wasi:filesystem/preopens@0.2",
        "acts on the world: works only where it is granted",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let directory = format!("data={}", place.join("data").display());
    let config = json!({"op": "read", "path": "/data/here"}).to_string();
    let run = [
        "plugin",
        "run",
        "guest.wasm",
        "--action",
        "files",
        "--config",
        &config,
    ];
    let without = said(&millwork(place, &run));
    assert!(
        without.contains("may not read in the directory \"data\"") && !without.contains("hello"),
        "{without}"
    );
    let tried = said(&millwork(
        place,
        &[&run[..], &["--directory", &directory]].concat(),
    ));
    assert!(tried.contains("completed \"hello\""), "{tried}");
    let config = ["plugin", "run", "guest.wasm", "--action", "environment"];
    let tried = said(&millwork(
        place,
        &[&config[..], &["--variable", "REGION=eu-1"]].concat(),
    ));
    assert!(
        tried.contains("REGION") && tried.contains("eu-1"),
        "{tried}"
    );
}
