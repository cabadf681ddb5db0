//! What a member of the workspace says about itself.

use std::collections::BTreeSet;

use crate::house::{File, files, find};
use crate::report;

fn members() -> Vec<File> {
    files(&["Cargo.toml"])
        .into_iter()
        .filter(|file| file.path != "Cargo.toml")
        .collect()
}

#[test]
fn every_crate_is_a_member_of_the_workspace() {
    let root = find("Cargo.toml").expect("the workspace has a manifest");
    let listed = root
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .expect("the workspace has members");
    let listed: BTreeSet<&str> = listed.split('"').skip(1).step_by(2).collect();
    let members = members();
    let there: BTreeSet<&str> = members
        .iter()
        .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
        .collect();
    let mut complaints: Vec<String> = there
        .difference(&listed)
        .map(|path| format!("Cargo.toml: add \"{path}\" to the members"))
        .collect();
    complaints.extend(
        listed
            .difference(&there)
            .map(|path| format!("Cargo.toml: there is no crate in \"{path}\"")),
    );
    report(&complaints);
}

#[test]
fn every_member_follows_the_house() {
    let mut complaints = Vec::new();
    for File { path, text } in members() {
        if !text.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{path}: add `[lints]` with `workspace = true`"));
        }
        for key in ["edition", "rust-version", "license"] {
            if !text.contains(&format!("{key}.workspace = true")) {
                complaints.push(format!(
                    "{path}: take `{key}` from the workspace: `{key}.workspace = true`"
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn a_version_stands_in_one_place() {
    let mut complaints = Vec::new();
    for File { path, text } in members() {
        let mut in_dependencies = false;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
                continue;
            }
            let names_one = in_dependencies && line.contains('=') && !line.starts_with('#');
            if names_one && !line.contains("workspace = true") && !line.contains("path =") {
                complaints.push(format!(
                    "{path}:{}: take the version from the workspace: `name.workspace = true`, and the number in the root's \
                     `[workspace.dependencies]`",
                    index + 1
                ));
            }
        }
    }
    report(&complaints);
}
