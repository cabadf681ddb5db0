//! Works with files as a test spells out: `{"op":"read","path":"/data/x","to":"…"}`, every value a string without escapes.

use std::fs;
use std::io;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

use crate::http::text;

/// What came of it, or why nothing did.
pub(crate) fn act(config: &str) -> String {
    let part = |name| text(config, name).unwrap_or_default();
    let (path, to) = (part("path"), part("to"));
    let done = match part("op") {
        "directories" => return directories(),
        "read" => fs::read_to_string(path),
        "write" => fs::write(path, to).map(|()| "written".to_owned()),
        "list" => list(path),
        "make" => fs::create_dir(path).map(|()| "made".to_owned()),
        "remove" => fs::remove_file(path).map(|()| "removed".to_owned()),
        "rename" => fs::rename(path, to).map(|()| "renamed".to_owned()),
        "hard-link" => fs::hard_link(path, to).map(|()| "linked".to_owned()),
        "link" => return raw(|root| root.symlink_at(to, path).map(|()| "linked".to_owned())),
        "open" => return raw(|root| open(root, path, OpenFlags::empty())),
        "open-many" => return open_many(path),
        other => return format!("what is {other:?}?"),
    };
    done.unwrap_or_else(|error| format!("{:?}", error.kind()))
}

/// The directories that there are, as the guest sees them.
fn directories() -> String {
    let found = get_directories().into_iter().map(|(_, path)| path);
    found.collect::<Vec<_>>().join(" ")
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

type Raw<T> = Result<T, wasip2::filesystem::types::ErrorCode>;

/// Past the standard library, which makes paths tidy before the host sees them.
fn raw(act: impl FnOnce(&Descriptor) -> Raw<String>) -> String {
    match get_directories().first() {
        Some((root, _)) => act(root).unwrap_or_else(|error| format!("{error:?}")),
        None => "there is no directory".to_owned(),
    }
}

fn open(root: &Descriptor, path: &str, how: OpenFlags) -> Raw<String> {
    let file = root.open_at(PathFlags::SYMLINK_FOLLOW, path, how, DescriptorFlags::READ)?;
    let (bytes, _) = file.read(1_000, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens a file again and again, and closes nothing.
fn open_many(path: &str) -> String {
    let mut held = Vec::new();
    loop {
        match fs::File::open(path) {
            Ok(file) => held.push(file),
            Err(error) => return format!("{} and then {:?}", held.len(), error.kind()),
        }
    }
}
