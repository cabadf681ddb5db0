//! What of the host's machine a plugin is handed: the directories and variables that it asks for, is granted, and this host has.

use std::path::PathBuf;

use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::grant::{Ask, Power, Powers};
use crate::premises::{Premises, missing};

/// Decided once for each grant; opened anew for each call.
#[derive(Default)]
pub(crate) struct Handed {
    directories: Vec<Directory>,
    variables: Vec<(String, String)>,
    /// What it asks for and is not granted, with the lines that would grant it.
    pub(crate) refusals: Vec<String>,
    /// What is granted and is not here. Another host may have it.
    pub(crate) missing: Option<String>,
}

struct Directory {
    name: String,
    path: PathBuf,
    perms: FsPerms,
}

impl Handed {
    pub(crate) fn new(powers: &Powers, premises: &Premises) -> Self {
        let mut handed = Self::default();
        for ask in powers.asks() {
            match ask {
                Ask::Directory(name) => handed.directory(name, powers, premises),
                Ask::Variable(name) => handed.variable(name, powers, premises),
                Ask::Http(_) | Ask::Secret(_) | Ask::Kv => {}
            }
        }
        handed
    }

    fn directory(&mut self, name: &str, powers: &Powers, premises: &Premises) {
        if let Err(denied) = powers.allows(Power::Read { directory: name }) {
            self.refusals.push(denied.0);
            return;
        }
        let Some(rule) = powers.grant().directories.get(name) else {
            return;
        };
        let perms = match powers.allows(Power::Write { directory: name }) {
            Ok(()) => FsPerms::ReadWrite,
            Err(_) => FsPerms::ReadOnly,
        };
        match premises.directories.get(&rule.directory) {
            Some(path) => self.directories.push(Directory {
                name: name.to_owned(),
                path: path.clone(),
                perms,
            }),
            None => {
                let there = premises.directories.keys();
                self.missing = Some(missing("directory", "directories", &rule.directory, there));
            }
        }
    }

    fn variable(&mut self, name: &str, powers: &Powers, premises: &Premises) {
        if let Err(denied) = powers.allows(Power::Variable(name)) {
            self.refusals.push(denied.0);
            return;
        }
        let Some(known_as) = powers.grant().variables.get(name) else {
            return;
        };
        match premises.variables.get(known_as) {
            Some(value) => self.variables.push((name.to_owned(), value.clone())),
            None => {
                let there = premises.variables.keys();
                self.missing = Some(missing("variable", "variables", known_as, there));
            }
        }
    }

    /// Whether there is a directory to be opened, which may take its time.
    pub(crate) fn has_directories(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Opens the directories and sets the variables. From a directory no path leads out of it: neither upwards, nor through
    /// a symbolic link.
    ///
    /// # Errors
    /// A sentence, where a directory cannot be opened.
    pub(crate) fn hand_over(&self, builder: &mut WasiCtxBuilder) -> Result<(), String> {
        for (name, value) in &self.variables {
            builder.env(name, value);
        }
        for Directory { name, path, perms } in &self.directories {
            let opened = builder.preopened_dir(path, format!("/{name}"), *perms);
            opened.map_err(|error| {
                format!(
                    "the directory {name:?} ({}) cannot be opened: {error:#}",
                    path.display()
                )
            })?;
        }
        Ok(())
    }
}
