//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are not ours, or are made by tools.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "millwork-data", "dist"];

/// A file of the repository that holds text.
pub(crate) struct File {
    /// From the root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
        .to_owned()
}

/// Every file with one of these endings, by path.
pub(crate) fn files(endings: &[&str]) -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, endings, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Every file of Rust code.
pub(crate) fn rust_files() -> Vec<File> {
    let files = files(&[".rs"]);
    assert!(
        files.len() > 50,
        "only {} files of code were found: is this the repository?",
        files.len()
    );
    files
}

/// One file, if it is there.
pub(crate) fn find(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn collect(root: &Path, folder: &Path, endings: &[&str], files: &mut Vec<File>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("it was just listed");
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A link leads to a folder that is visited where it really is.
        let kind = entry.file_type().expect("it was just listed");
        if kind.is_dir() && !SKIPPED.contains(&&*name) {
            collect(root, &path, endings, files);
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            let inside = path.strip_prefix(root).expect("it lies below the root");
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            files.push(File {
                path: parts.join("/"),
                text,
            });
        }
    }
}
