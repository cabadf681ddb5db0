//! What of the host's machine can be granted to plugins. The configuration names it, and grants use the names: nobody can grant over
//! the API what the configuration does not offer, and every process of a cluster says itself where its directories are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::grant::Grant;

/// Directories and variables of the host, by the names that grants use.
#[derive(Clone, Default)]
pub struct Premises {
    /// `[plugins.directories]`: where each directory is on this machine.
    pub directories: BTreeMap<String, PathBuf>,
    /// `[plugins.variables]`: what each variable says.
    pub variables: BTreeMap<String, String>,
}

impl Premises {
    /// Says what a grant names and this host does not have.
    ///
    /// # Errors
    /// A sentence for each.
    pub fn check(&self, grant: &Grant) -> Result<(), Vec<String>> {
        let directories = grant.directories.values().map(|rule| &rule.directory);
        let unknown = directories.filter(|name| !self.directories.contains_key(*name));
        let mut problems: Vec<String> = unknown
            .map(|name| missing("directory", "directories", name, self.directories.keys()))
            .collect();
        let variables = grant.variables.values();
        let unknown = variables.filter(|name| !self.variables.contains_key(*name));
        problems.extend(
            unknown.map(|name| missing("variable", "variables", name, self.variables.keys())),
        );
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }
}

/// Says that this host does not have it, and what it has.
pub(crate) fn missing<'a>(
    what: &str,
    section: &str,
    name: &str,
    there: impl Iterator<Item = &'a String>,
) -> String {
    let there: Vec<_> = there.map(String::as_str).collect();
    let there = match there.is_empty() {
        true => "nothing".to_owned(),
        false => there.join(", "),
    };
    format!("this host has no {what} {name:?} to grant; under [plugins.{section}] there is {there}")
}
