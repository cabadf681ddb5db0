//! `millwork plugin new`: a project that builds with its language's ordinary commands. What it needs of ours comes along.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use millwork_core::connector::is_name;

use crate::cli::plugin::{Language, NewPlugin};

/// A file of a project: its path, and its text with the plugin's name still to be put in.
type File = (&'static str, &'static str);

const RUST: &[File] = &[
    ("Cargo.toml", include_str!("template/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/rust/lib.rs.txt")),
    ("README.md", include_str!("template/rust/README.md.txt")),
    (".gitignore", include_str!("template/rust/gitignore.txt")),
];

const JAVASCRIPT: &[File] = &[
    (
        "package.json",
        include_str!("template/javascript/package.json.txt"),
    ),
    ("build.mjs", include_str!("template/javascript/build.mjs")),
    ("src/index.js", include_str!("template/javascript/index.js")),
    (
        "test/greet.test.js",
        include_str!("template/javascript/test.js"),
    ),
    (
        "README.md",
        include_str!("template/javascript/README.md.txt"),
    ),
    (".gitignore", "node_modules/\ndist/\n"),
    ("wit/world.wit", WORLD),
];

const PYTHON: &[File] = &[
    ("app.py", include_str!("template/python/app.py")),
    ("build.sh", include_str!("template/python/build.sh")),
    ("requirements.txt", "componentize-py==0.25.1\n"),
    ("README.md", include_str!("template/python/README.md.txt")),
    (".gitignore", "venv/\ndist/\n__pycache__/\n"),
    ("wit/world.wit", WORLD),
];

/// What a connector imports, where its language wants that said in WIT.
const WORLD: &str = include_str!("template/world.wit");

pub(super) fn begin(wanted: &NewPlugin) -> Result<()> {
    let name = &wanted.name;
    if !is_name(name) {
        bail!(
            "{name:?} is no name for a plugin: lower-case letters, digits and single dashes, a letter first"
        );
    }
    let folder = wanted.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    let is_empty = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => true,
    };
    if !is_empty {
        bail!("{} is there already, and is not empty", folder.display());
    }
    let (files, sdk, sdk_folder) = match wanted.lang {
        Language::Rust => (RUST, millwork_bundled::SDK, "vendor/millwork-sdk"),
        Language::Javascript => (JAVASCRIPT, millwork_bundled::SDK_JAVASCRIPT, "millwork"),
        Language::Python => (PYTHON, millwork_bundled::SDK_PYTHON, "millwork"),
    };
    for (path, text) in files {
        let text = text
            .replace("{{name}}", name)
            .replace("{{file}}", &name.replace('-', "_"));
        write(&folder.join(path), &text)?;
    }
    for (path, text) in sdk {
        write(&folder.join(sdk_folder).join(path), text)?;
    }
    if wanted.lang != Language::Rust {
        for (path, text) in millwork_bundled::CONTRACT {
            let place = match path.strip_prefix("deps/") {
                Some(place) => folder.join("wit/deps").join(place),
                None if path.ends_with(".wit") => folder.join("wit/deps/connector").join(path),
                None => continue,
            };
            write(&place, text)?;
        }
    }
    println!(
        "{} is there; its README.md says how it is tested and built",
        folder.display()
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let could_not = || format!("could not write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(could_not)?;
    }
    std::fs::write(path, text).with_context(could_not)
}
