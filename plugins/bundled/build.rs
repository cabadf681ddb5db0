//! Builds the plugins by a cargo of its own, and writes the source that includes them.

mod sdks;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A component to build: the name it is known by, its package, its folder from the root of the workspace, and its target.
struct Component {
    name: &'static str,
    package: &'static str,
    folder: &'static str,
    target: &'static str,
}

/// With Rust's standard library over a dozen harmless imports of WASI.
const WASI: &str = "wasm32-wasip2";
/// Without any WASI: for libraries that would look for files, which no component has.
const BARE: &str = "wasm32-unknown-unknown";

/// What comes with the host.
const PLUGINS: &[Component] = &[
    Component {
        name: "delay",
        package: "millwork-plugin-delay",
        folder: "plugins/delay",
        target: WASI,
    },
    Component {
        name: "signal",
        package: "millwork-plugin-signal",
        folder: "plugins/signal",
        target: WASI,
    },
    Component {
        name: "template",
        package: "millwork-plugin-template",
        folder: "plugins/template",
        target: WASI,
    },
    Component {
        name: "transform",
        package: "millwork-plugin-transform",
        folder: "plugins/transform",
        target: BARE,
    },
    Component {
        name: "webhook",
        package: "millwork-plugin-webhook",
        folder: "plugins/webhook",
        target: WASI,
    },
];

/// What only the tests of the plugin host need (feature `test-guests`).
const TEST_GUESTS: &[Component] = &[
    Component {
        name: "misbehave",
        package: "millwork-guest-misbehave",
        folder: "host/plugin/guests/misbehave",
        target: WASI,
    },
    // Examples, which an operator installs from their files.
    Component {
        name: "email",
        package: "millwork-plugin-email",
        folder: "plugins/email",
        target: WASI,
    },
    Component {
        name: "slack",
        package: "millwork-plugin-slack",
        folder: "plugins/slack",
        target: WASI,
    },
];

/// What all of them are built from, besides their own folders.
const SHARED: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "sdk/Cargo.toml",
    "sdk/README.md",
    "sdk/src",
    "wit",
];

const PROFILE: &str = "plugin";

fn main() {
    // A sentence for each: what a person can do about it stands in the message.
    if let Err(message) = build() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root
        .canonicalize()
        .map_err(|error| format!("no workspace at {}: {error}", root.display()))?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let guests = if env::var_os("CARGO_FEATURE_TEST_GUESTS").is_some() {
        TEST_GUESTS
    } else {
        &[]
    };
    let all = || PLUGINS.iter().chain(guests);

    for path in SHARED {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for component in all() {
        for path in ["Cargo.toml", "README.md", "src"] {
            let path = root.join(component.folder).join(path);
            // Cargo takes a path that is not there for one that has changed.
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }

    for target in [WASI, BARE] {
        require_target(target)?;
        let of_it = || all().filter(|component| component.target == target);
        let built = run_cargo(&root, &target_dir(&out)?, target, of_it())?;
        for component in of_it() {
            let file = built
                .join(component.package.replace('-', "_"))
                .with_extension("wasm");
            copy(&file, &out.join(component.name).with_extension("wasm"))?;
        }
    }

    let mut source = list("PLUGINS", "The plugins that come with the host.", PLUGINS);
    if env::var_os("CARGO_FEATURE_TEST_GUESTS").is_some() {
        source += &list(
            "TEST_GUESTS",
            "The guests that the plugin host is tested with; the one that misbehaves comes first.",
            guests,
        );
    }
    for path in ["sdk/javascript", "sdk/python"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    source += &sdks::source(&root, &out)?;
    let file = out.join("components.rs");
    fs::write(&file, source).map_err(|error| format!("could not write {}: {error}", file.display()))
}

/// Refuses with the remedy where the compiler has no standard library for the target.
fn require_target(target: &str) -> Result<(), String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .map_err(|error| format!("could not ask rustc for its targets: {error}"))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the plugins need the target {target}, which is not installed: run `make setup`, or `rustup target add {target}`"
    ))
}

/// A target folder beside those of the profiles: of its own, so that the cargo which waits for this script and the one
/// which this script waits for never want the same lock; and one for all profiles, so that the plugins are built once.
fn target_dir(out: &Path) -> Result<PathBuf, String> {
    // target/<profile>/build/<package>/out
    let target = out
        .ancestors()
        .nth(4)
        .ok_or_else(|| format!("unexpected OUT_DIR {}", out.display()))?;
    Ok(target.join("plugins"))
}

/// Builds the packages, and returns the folder that holds the components.
fn run_cargo<'a>(
    root: &Path,
    target_dir: &Path,
    target: &str,
    components: impl Iterator<Item = &'a Component>,
) -> Result<PathBuf, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(root).args([
        "build",
        "--locked",
        "--lib",
        "--target",
        target,
        "--profile",
        PROFILE,
    ]);
    cargo.arg("--target-dir").arg(target_dir);
    for component in components {
        cargo.args(["--package", component.package]);
    }
    // What is set for the host's build (flags, clippy, coverage, another target) is not meant for components.
    for (name, _) in env::vars_os().filter(|(name, _)| is_for_the_host(name)) {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root));
    // It comes with the toolchain, and makes a component of what is linked.
    cargo.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
        "wasm-component-ld",
    );
    let output = cargo
        .output()
        .map_err(|error| format!("could not start cargo for the plugins: {error}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the plugins do not build:\n{told}"));
    }
    Ok(target_dir.join(target).join(PROFILE))
}

/// The flags that components are compiled with, separated as cargo reads them.
fn flags(root: &Path) -> String {
    // Half a MiB of stack, and the rest of one MiB for a heap that most calls never outgrow: growing it costs the host
    // more than the call, and past one MiB it no longer keeps the pages of an instance for the next.
    let mut flags = vec![
        "-Clink-arg=-zstack-size=524288".to_owned(),
        "-Clink-arg=--initial-memory=1048576".to_owned(),
    ];
    // The folders of this machine stay out of the panic messages: the same source gives the same bytes, and so the same
    // digest, wherever it is built.
    flags.push(format!("--remap-path-prefix={}=.", root.display()));
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"))) {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags.join("\x1f")
}

fn is_for_the_host(variable: &OsStr) -> bool {
    let Some(name) = variable.to_str() else {
        return false;
    };
    let flags = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
    ];
    flags.contains(&name)
        || ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_"]
            .iter()
            .any(|kind| name.starts_with(kind))
}

/// Copies a component, unless the same is there already.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let wasm =
        fs::read(from).map_err(|error| format!("could not read {}: {error}", from.display()))?;
    if fs::read(to).is_ok_and(|known| known == wasm) {
        return Ok(());
    }
    fs::write(to, wasm).map_err(|error| format!("could not write {}: {error}", to.display()))
}

/// The source of a list of components.
fn list(constant: &str, doc: &str, components: &[Component]) -> String {
    let mut source = format!("/// {doc}\npub const {constant}: &[Bundled] = &[\n");
    for Component { name, .. } in components {
        source += &format!(
            "    Bundled {{ name: {name:?}, wasm: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")) }},\n"
        );
    }
    source + "];\n"
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("cargo did not set {name}: {error}"))
}
