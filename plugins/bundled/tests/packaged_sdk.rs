//! The SDK packages by itself: a connector outside this workspace builds with it, and with the contract that travels
//! inside it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const MANIFEST: &str = r#"
[package]
name = "outsider"
version = "0.1.0"
edition = "2024"
description = "Lives outside the workspace."

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
millwork-sdk = { path = "../millwork-sdk" }
schemars = "1"
serde = { version = "1", features = ["derive"] }

[workspace]
"#;

const SOURCE: &str = r#"
use millwork_sdk::{Action, Context, Failure, Outcome};

/// Says hello.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {
    name: String,
}

struct Greet;

impl Action for Greet {
    type Config = Config;
    type Output = String;
    const NAME: &'static str = "greet";
    fn invoke(_: &Context, config: Config) -> Result<Outcome<String>, Failure> {
        Ok(Outcome::completed(format!("hello {}", config.name)))
    }
}

millwork_sdk::export!(connector { name: "outsider", actions: [Greet] });
"#;

#[test]
fn a_connector_outside_the_workspace_builds_with_the_packaged_sdk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaged-sdk");

    // Offline: the workspace needs the same crates, so they are here.
    let mut package = cargo(&root, &place);
    run(package.args([
        "package",
        "--offline",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
        "--package",
        "millwork-sdk",
    ]));

    let version = env!("CARGO_PKG_VERSION");
    let archive = place.join(format!("target/package/millwork-sdk-{version}.crate"));
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(&place));
    let sdk = place.join("millwork-sdk");
    if sdk.exists() {
        fs::remove_dir_all(&sdk).expect("what an earlier test left goes away");
    }
    fs::rename(place.join(format!("millwork-sdk-{version}")), &sdk).expect("the crate is unpacked");

    let outsider = place.join("outsider");
    fs::create_dir_all(outsider.join("src")).expect("there is room for a crate");
    fs::write(outsider.join("Cargo.toml"), MANIFEST).expect("the manifest is written");
    fs::write(outsider.join("src/lib.rs"), SOURCE).expect("the source is written");
    fs::copy(root.join("Cargo.lock"), outsider.join("Cargo.lock"))
        .expect("the versions are those of the workspace");
    run(cargo(&outsider, &place).args([
        "build",
        "--offline",
        "--quiet",
        "--target",
        "wasm32-wasip2",
    ]));

    let component = place.join("target/wasm32-wasip2/debug/outsider.wasm");
    let wasm = fs::read(component).expect("the component is there");
    assert_eq!(
        wasm.get(..8),
        Some(&b"\0asm\x0d\0\x01\0"[..]),
        "it is a component and no mere module"
    );
}

/// A cargo that knows nothing of how these tests are built.
fn cargo(folder: &Path, place: &Path) -> Command {
    fs::create_dir_all(place).expect("there is room to build in");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", place.join("target"));
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    cargo
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
