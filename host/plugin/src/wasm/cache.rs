//! Compiled code on disk, so that a start does not compile everything again.
//!
//! A file is named after the digest of the component and the hash of the engine that compiled it, and begins with the
//! digest of what follows: what is damaged, or belongs to another engine, is not used. It is machine code that will be
//! run: the folder belongs to this process's user alone.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use millwork_core::digest::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const MAGIC: &[u8; 16] = b"millwork code 1\n";
const HEADER_BYTES: usize = MAGIC.len() + 32;

/// A folder with compiled code.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder; makes it, and closes it to everybody else.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        close_to_others(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The compiled code of a component, where there is some that can be trusted.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(engine, digest);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be read, and is compiled again");
                return None;
            }
        };
        let Some(code) = verified(&file) else {
            tracing::warn!(path = %path.display(), "compiled code is damaged, and is compiled again");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "compiled code does not fit, and is compiled again");
                None
            }
        }
    }

    /// Keeps the compiled code of a component: written beside its place and moved into it, so that nobody ever reads
    /// half of it.
    pub(crate) fn store(
        &self,
        engine: &Engine,
        digest: &Digest,
        component: &Component,
    ) -> io::Result<()> {
        let code = component
            .serialize()
            .map_err(|error| io::Error::other(format!("{error:#}")))?;
        let path = self.path(engine, digest);
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}.draft", std::process::id()));
        let written = write(&draft, &code).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Whatever is left of it; the first error is the one to tell.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder
            .join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }
}

fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(code))?;
    file.write_all(code)?;
    // No sync: what a power cut leaves half-written does not match its digest.
    file.flush()
}

/// The code of a file, if it is what was written.
fn verified(file: &[u8]) -> Option<&[u8]> {
    let (header, code) = file.split_at_checked(HEADER_BYTES)?;
    let (magic, digest) = header.split_at(MAGIC.len());
    (magic == MAGIC && digest == Sha256::digest(code).as_slice()).then_some(code)
}

#[expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code; it can only be told that it may trust it"
)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: these bytes came out of `Component::serialize`: they match the digest that was written with them, and
    // they come from a folder that only this process's user can write. wasmtime itself refuses code of another
    // version, target or configuration.
    unsafe { Component::deserialize(engine, code) }
}

/// Only an owner may change the mode, so a folder that somebody else prepared is refused. What lies in a folder that
/// others could write to is thrown away.
#[cfg(unix)]
fn close_to_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let was_open = fs::metadata(folder)?.permissions().mode() & 0o022 != 0;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    if was_open {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "cwasm")
            {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled() -> (Engine, Digest, Component) {
        let engine = Engine::default();
        let component = Component::new(&engine, "(component)").expect("it is a component");
        (engine, Digest::from_bytes([7; 32]), component)
    }

    #[test]
    fn what_was_stored_is_loaded_and_what_is_damaged_is_not() {
        let (engine, digest, component) = compiled();
        let folder = tempfile::tempdir().expect("there is room");
        let cache = Cache::open(&folder.path().join("code")).expect("it can be made");
        assert!(cache.load(&engine, &digest).is_none());
        cache
            .store(&engine, &digest, &component)
            .expect("it can be written");
        assert!(cache.load(&engine, &digest).is_some());
        assert_eq!(
            fs::read_dir(folder.path().join("code"))
                .expect("it is there")
                .count(),
            1
        );

        let path = cache.path(&engine, &digest);
        let whole = fs::read(&path).expect("it is there");
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("cut off", whole[..whole.len() - 1].to_vec()),
            ("one bit flipped", {
                let mut b = whole.clone();
                b[HEADER_BYTES + 100] ^= 1;
                b
            }),
            ("without its header", whole[HEADER_BYTES..].to_vec()),
        ] {
            fs::write(&path, bytes).expect("it can be written");
            assert!(cache.load(&engine, &digest).is_none(), "{what}");
        }
    }

    #[test]
    fn code_of_another_engine_is_not_used() {
        let (engine, digest, component) = compiled();
        let folder = tempfile::tempdir().expect("there is room");
        let cache = Cache::open(folder.path()).expect("it can be made");
        cache
            .store(&engine, &digest, &component)
            .expect("it can be written");
        let other =
            Engine::new(wasmtime::Config::new().epoch_interruption(true)).expect("it can be built");
        assert_ne!(cache.path(&engine, &digest), cache.path(&other, &digest));
        fs::copy(cache.path(&engine, &digest), cache.path(&other, &digest))
            .expect("it can be copied");
        assert!(cache.load(&other, &digest).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_write_into_the_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("there is room");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        fs::write(folder.path().join("planted.cwasm"), "code").expect("it can be written");
        Cache::open(folder.path()).expect("it can be opened");
        let mode = fs::metadata(folder.path())
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(!folder.path().join("planted.cwasm").exists());
    }
}
