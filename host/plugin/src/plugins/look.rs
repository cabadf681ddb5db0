//! Looks into the plugins folder, once or again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Plugins, in_words};
use crate::catalog::{LoadedPlugin, Origin};
use crate::folder::{self, FileState, Folder, FolderReport, RefusedFile, Seen};
use crate::wasm::load::Refusal;

/// How files are looked at that have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// As they are now.
    Now,
    /// Only once they have looked the same twice.
    Again,
}

impl Plugins {
    /// Looks into the plugins folder: loads what is new or changed, forgets the names of what is gone. What is broken
    /// is refused with a reason, stops nothing else, and leaves what its file held before in use.
    pub async fn load_folder(&self) -> FolderReport {
        self.look(Look::Now).await
    }

    /// The same for who looks again and again: what is being written is left until it has looked the same twice.
    pub async fn watch_folder(&self) -> FolderReport {
        self.look(Look::Again).await
    }

    async fn look(&self, look: Look) -> FolderReport {
        let Some(path) = self.folder_path.clone() else {
            return FolderReport::default();
        };
        let mut loading = self.loading.lock().await;
        let listed = tokio::task::spawn_blocking(move || folder::list(&path)).await;
        let files = match listed
            .map_err(std::io::Error::other)
            .and_then(|listed| listed)
        {
            Ok(files) => files,
            Err(error) => {
                let path = self.folder_path.clone().unwrap_or_default();
                tracing::warn!(path = %path.display(), %error, "the plugins folder cannot be read");
                let reason = format!("the plugins folder cannot be read: {error}");
                return FolderReport {
                    refused: vec![RefusedFile {
                        path,
                        reason,
                        still_loaded: None,
                    }],
                    ..FolderReport::default()
                };
            }
        };
        let mut report = FolderReport::default();
        let folder = &mut loading.folder;
        let is_gone = |path: &PathBuf| !files.iter().any(|(listed, _)| listed == path);
        report.removed = folder
            .files
            .keys()
            .filter(|path| is_gone(path))
            .cloned()
            .collect();
        folder.files.retain(|path, _| !is_gone(path));
        for (path, seen) in files {
            if folder
                .files
                .get(&path)
                .is_some_and(|file| file.seen == Some(seen))
            {
                continue;
            }
            let state = folder.files.entry(path.clone()).or_default();
            if look == Look::Again && state.changing.replace(seen) != Some(seen) {
                report.changing = true;
                continue;
            }
            match self.load_file(&path, folder).await {
                Ok(plugin) => {
                    report.loaded.push(Arc::clone(&plugin));
                    folder.files.insert(
                        path,
                        FileState {
                            seen: Some(seen),
                            plugin: Some(plugin),
                            refusal: None,
                            changing: None,
                        },
                    );
                }
                Err(refusal) => refuse(
                    folder.files.entry(path.clone()).or_default(),
                    &path,
                    seen,
                    &refusal,
                ),
            }
        }
        report.refused = folder.refused();
        self.publish(&loading);
        report
    }

    async fn load_file(&self, path: &Path, folder: &Folder) -> Result<Arc<LoadedPlugin>, String> {
        let (file, max) = (path.to_owned(), self.sandbox.limits.wasm_max_bytes);
        let read = tokio::task::spawn_blocking(move || folder::read(&file, max)).await;
        let parcel = read
            .unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
            .map_err(|refusal| in_words(&refusal))?;
        let plugin = self
            .load(parcel, Origin::File(path.to_owned()))
            .await
            .map_err(|refusal| in_words(&refusal))?;
        let is_twin = |other: &LoadedPlugin| {
            other.name() == plugin.name()
                && other.version() == plugin.version()
                && other.digest != plugin.digest
        };
        let twin = folder
            .files
            .iter()
            .find(|(other, file)| *other != path && file.plugin.as_deref().is_some_and(is_twin));
        match twin {
            Some((other, _)) => Err(format!(
                "{}@{} is already loaded from {} with other bytes: give it another version, or remove one of the files",
                plugin.name(),
                plugin.version(),
                other.display()
            )),
            None => {
                self.keep(&plugin)
                    .await
                    .map_err(|error| in_words(&Refusal::Keep(error)))?;
                Ok(plugin)
            }
        }
    }
}

fn refuse(file: &mut FileState, path: &Path, seen: Seen, reason: &str) {
    tracing::warn!(path = %path.display(), reason, "a plugin is refused");
    file.seen = Some(seen);
    file.changing = None;
    file.refusal = Some(reason.to_owned());
}
