//! The plugins folder: which files are in it, which of them are loaded, and why the others are not.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::catalog::LoadedPlugin;
use crate::trust::{Parcel, SIGNATURE_MAX_BYTES};
use crate::wasm::load::{Refusal, check_size};

/// More would be somebody's downloads.
const FILES_MAX: usize = 1_000;

/// A file that is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
    /// The version that stays in use, where the file was good before.
    pub still_loaded: Option<String>,
}

/// What became of a look into the folder.
#[derive(Debug, Default)]
pub struct FolderReport {
    /// New or changed, and loaded.
    pub loaded: Vec<Arc<LoadedPlugin>>,
    /// Not loaded: those that were refused before and have not changed as well.
    pub refused: Vec<RefusedFile>,
    /// No longer there. Their names mean nothing now; runs that are pinned to them go on.
    pub removed: Vec<PathBuf>,
    /// Whether a file was changing, and is left until it has looked the same twice.
    pub changing: bool,
}

/// What is known of the folder.
#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) files: BTreeMap<PathBuf, FileState>,
}

#[derive(Default)]
pub(crate) struct FileState {
    pub(crate) seen: Option<Seen>,
    /// What the file means now, or meant when it was last good.
    pub(crate) plugin: Option<Arc<LoadedPlugin>>,
    pub(crate) refusal: Option<String>,
    /// How it looked last time, where it was changing then: somebody may still be writing it.
    pub(crate) changing: Option<Seen>,
}

/// How a file looks from outside: where this has not changed, it is not read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    wasm: Outside,
    /// The same of its signature, where there is one.
    signature: Option<Outside>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    size: u64,
    modified: Option<SystemTime>,
}

impl Outside {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl Folder {
    /// What the files mean, in the order of their names.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = Arc<LoadedPlugin>> {
        self.files
            .values()
            .filter_map(|file| file.plugin.as_ref().map(Arc::clone))
    }

    pub(crate) fn refused(&self) -> Vec<RefusedFile> {
        let refused = self.files.iter().filter_map(|(path, file)| {
            let reason = file.refusal.clone()?;
            let still_loaded = file
                .plugin
                .as_ref()
                .map(|plugin| format!("{}@{}", plugin.name(), plugin.version()));
            Some(RefusedFile {
                path: path.clone(),
                reason,
                still_loaded,
            })
        });
        refused.collect()
    }
}

/// The `.wasm` files of a folder, in the order of their names, and how they look from outside.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(PathBuf, Seen)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // A host without a plugins folder has the bundled ones.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        // Through a link, which is how some deploy; what vanished meanwhile is not there.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == "wasm")
        {
            let signature = fs::metadata(signature_of(&path)).ok();
            let seen = Seen {
                wasm: Outside::of(&metadata),
                signature: signature.as_ref().map(Outside::of),
            };
            files.push((path, seen));
        }
        if files.len() > FILES_MAX {
            return Err(io::Error::other(format!(
                "more than {FILES_MAX} plugins in one folder"
            )));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

/// Where the signature of a file is.
fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

/// Reads a plugin and its signature, where there is one.
pub(crate) fn read(path: &Path, max: usize) -> Result<Parcel, Refusal> {
    check_size(fs::metadata(path)?.len(), max)?;
    let wasm = read_bounded(path, max.saturating_add(1))?;
    check_size(u64::try_from(wasm.len()).unwrap_or(u64::MAX), max)?;
    let signature = match read_bounded(&signature_of(path), SIGNATURE_MAX_BYTES) {
        // What is too long or no text is no signature, and is refused as such.
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Parcel { wasm, signature })
}

/// Reads the beginning of a file, even if it grows meanwhile.
fn read_bounded(path: &Path, max: usize) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(u64::try_from(max).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
