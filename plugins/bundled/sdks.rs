//! Writes down the SDKs as text, so that `millwork plugin new` can give each project the one that fits its host.

use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::{Table, Value};

/// The source of the lists: for each file its path in the SDK, and its text.
pub(crate) fn source(root: &Path, out: &Path) -> Result<String, String> {
    let mut rust = files(&root.join("sdk/src"), "src").map_err(in_words)?;
    rust.extend(files(&root.join("wit"), "wit").map_err(in_words)?);
    rust.push(("README.md".to_owned(), root.join("sdk/README.md")));
    let manifest = out.join("sdk-manifest.toml");
    fs::write(&manifest, self_contained_manifest(root)?).map_err(in_words)?;
    rust.push(("Cargo.toml".to_owned(), manifest));
    let javascript = files(&root.join("sdk/javascript"), "").map_err(in_words)?;
    let python = files(&root.join("sdk/python"), "").map_err(in_words)?;
    let wit = files(&root.join("wit"), "").map_err(in_words)?;
    Ok([
        list("SDK", "The SDK for Rust.", &rust),
        list("SDK_JAVASCRIPT", "The SDK for JavaScript.", &javascript),
        list("SDK_PYTHON", "The SDK for Python.", &python),
        list("CONTRACT", "The contract, in WIT.", &wit),
    ]
    .concat())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn in_words(error: io::Error) -> String {
    format!("could not gather the SDKs: {error}")
}

/// The files of a folder and of those in it, in the order of their paths.
fn files(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let place = match prefix {
            "" => name.into_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        if path.is_dir() {
            found.extend(files(&path, &place)?);
        } else {
            found.push((place, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The SDK's manifest with everything in it that it has from the workspace.
fn self_contained_manifest(root: &Path) -> Result<String, String> {
    let read = |path: &Path| -> Result<Table, String> {
        let text = fs::read_to_string(path).map_err(in_words)?;
        text.parse()
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut manifest = read(&root.join("sdk/Cargo.toml"))?;
    let workspace = read(&root.join("Cargo.toml"))?;
    manifest.remove("lints");
    inherit(
        &mut manifest,
        &["package"],
        &workspace["workspace"]["package"],
    );
    let dependencies = &workspace["workspace"]["dependencies"];
    inherit(&mut manifest, &["dependencies"], dependencies);
    let wasm = ["target", "cfg(target_arch = \"wasm32\")", "dependencies"];
    inherit(&mut manifest, &wasm, dependencies);
    Ok(manifest.to_string())
}

/// Puts in place of `workspace = true` what the workspace says.
fn inherit(manifest: &mut Table, path: &[&str], workspace: &Value) {
    let mut table = manifest;
    for name in path {
        match table.get_mut(*name).and_then(Value::as_table_mut) {
            Some(inner) => table = inner,
            None => return,
        }
    }
    for (name, value) in table.iter_mut() {
        let inherits = value.get("workspace").and_then(Value::as_bool) == Some(true);
        if let (true, Some(from)) = (inherits, workspace.get(name)) {
            *value = from.clone();
        }
    }
}

fn list(constant: &str, doc: &str, files: &[(String, PathBuf)]) -> String {
    let mut source = format!(
        "/// {doc} Each file by its path in it, with its text.\npub const {constant}: &[(&str, &str)] = &[\n"
    );
    for (place, path) in files {
        source += &format!(
            "    ({place:?}, include_str!({:?})),\n",
            path.display().to_string()
        );
    }
    source + "];\n"
}
