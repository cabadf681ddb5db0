//! Files of definitions: one, a folder of them, or what is piped in.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cli::workflow::Files;
use crate::document::Document;

/// Bytes of a file that are read.
const FILE_MAX: u64 = 64 << 20;

/// Files that one command takes.
const FILES_MAX: usize = 10_000;

/// Reads every document of every file.
pub(super) fn read(files: &Files) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in &files.paths {
        for file in find(path)? {
            let text = read_text(&file)?;
            documents.extend(Document::read_all(&file, &text)?);
        }
    }
    if documents.is_empty() {
        let paths: Vec<_> = files
            .paths
            .iter()
            .map(|path| path.to_string_lossy())
            .collect();
        bail!("there is no definition in {}", paths.join(", "));
    }
    Ok(documents)
}

fn read_text(path: &Path) -> Result<String> {
    let reading = || format!("could not read {}", path.display());
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .take(FILE_MAX + 1)
            .read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(reading)?;
        file.take(FILE_MAX + 1).read_to_string(&mut text)
    };
    read.with_context(reading)?;
    if text.len() as u64 > FILE_MAX {
        let path = path.display();
        bail!("{path} is larger than {FILE_MAX} bytes, the limit (fixed)");
    }
    Ok(text)
}

/// The file itself; of a folder, all the definitions in it and below, by name.
fn find(path: &Path) -> Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let reading = || format!("could not read {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // A link to a folder is not followed: it may lead in a circle.
            let is_folder = entry.file_type().with_context(reading)?.is_dir();
            let path = entry.path();
            if is_folder {
                folders.push(path);
            } else if is_definition(&path) {
                found.push(path);
            }
        }
        if found.len() > FILES_MAX {
            let path = path.display();
            bail!("{path} has more than {FILES_MAX} files, the limit (fixed)");
        }
    }
    found.sort();
    Ok(found)
}

fn is_definition(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("json" | "yaml" | "yml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_definitions_by_name_and_nothing_else() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            let parent = path.parent().expect("it has one");
            std::fs::create_dir_all(parent).expect("there is room");
            std::fs::write(path, text).expect("there is room");
        };
        put("b.yaml", "name: b\n---\nname: c\n");
        put("a.json", "{\"name\": \"a\"}");
        put("deep/er/d.yml", "name: d\n");
        put("README.md", "# not this\n");
        put(".hidden/e.yaml", "name: e\n");
        let read_from = |path: &Path| {
            let paths = vec![path.to_owned()];
            let documents = read(&Files { paths })?;
            let names = documents.into_iter().map(|d| d.value["name"].clone());
            anyhow::Ok(names.collect::<Vec<_>>())
        };
        let names = read_from(folder.path()).expect("they can be read");
        assert_eq!(names, ["a", "b", "c", "d"]);
        let refused = read_from(&folder.path().join("nothing.yaml")).expect_err("it is not there");
        assert!(refused.to_string().contains("could not read"), "{refused}");
        put("empty/x.txt", "");
        let refused = read_from(&folder.path().join("empty")).expect_err("nothing is in it");
        assert!(
            refused.to_string().contains("there is no definition in"),
            "{refused}"
        );
    }
}
