//! What the real host would refuse a connector for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{FieldError, Manifest};

/// What the real host would refuse a connector for, one sentence each.
pub(super) fn problems(
    manifest: &Manifest,
    validate: impl Fn(&str, Value) -> Vec<FieldError>,
) -> Vec<String> {
    let mut problems = Vec::new();
    if !is_name(&manifest.name) {
        problems.push(format!(
            "the name \"{}\" is not made of lower-case letters, digits and single dashes",
            manifest.name
        ));
    }
    let numbers: Vec<_> = manifest
        .version
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .collect();
    if numbers.len() != 3 || numbers.iter().any(|number| number.parse::<u64>().is_err()) {
        problems.push(format!(
            "the version \"{}\" is not of the form 1.2.3",
            manifest.version
        ));
    }
    if manifest.description.trim().is_empty() {
        problems.push("there is no description: give `export!` or the package one".to_owned());
    }
    let mut names = BTreeSet::new();
    for action in &manifest.actions {
        let name = &action.name;
        if !is_name(name) {
            problems.push(format!(
                "the action \"{name}\" is not named in lower-case letters, digits and single dashes"
            ));
        }
        if !names.insert(name) {
            problems.push(format!("the action \"{name}\" is there twice"));
        }
        for example in &action.examples {
            for problem in validate(name, example.config.clone()) {
                problems.push(format!(
                    "the example \"{}\" of the action \"{name}\" does not hold: {problem}",
                    example.title
                ));
            }
        }
    }
    problems
}

/// The names that the host takes: lower-case letters, digits and single dashes, a letter first.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--")
}
