//! What the pages say: decisions, errors, migrations, links.

use std::collections::BTreeSet;

use crate::house::{File, files, find, root, rust_files};
use crate::report;

fn pages(folder: &str) -> Vec<File> {
    files(&[".md"])
        .into_iter()
        .filter(|file| file.path.starts_with(folder) && !file.path.ends_with("README.md"))
        .collect()
}

#[test]
fn decisions_are_numbered_and_tell_their_price() {
    let mut complaints = Vec::new();
    for (index, File { path, text }) in pages("docs/decisions/").into_iter().enumerate() {
        let number = format!("{:04}-", index + 1);
        if !path.starts_with(&format!("docs/decisions/{number}")) {
            complaints.push(format!(
                "{path}: decisions are numbered without a gap: this one begins with {number}"
            ));
        }
        for part in [
            "# ",
            "\n## Context\n",
            "\n## Choice\n",
            "\n## What we gave up\n",
        ] {
            if !(text.contains(part) && text.starts_with("# ")) {
                complaints.push(format!("{path}: a decision has a title, `## Context`, `## Choice` and `## What we gave up`"));
                break;
            }
        }
    }
    report(&complaints);
}

#[test]
fn every_error_has_a_page_and_every_page_an_error() {
    const KINDS: &str = "host/src/api/problem/kind.rs";
    let kinds = find(KINDS).unwrap_or_else(|| {
        panic!("{KINDS} is gone: tell this test where the kinds of errors are now")
    });
    let is_slug = |text: &&str| text.contains('-') || text.chars().all(|c| c.is_ascii_lowercase());
    // `Kind = STATUS, "slug", "Title",`
    let slugs: BTreeSet<String> = kinds
        .lines()
        .filter(|line| line.contains(" = ") && line.trim_end().ends_with("\","))
        .filter_map(|line| line.split('"').nth(1).filter(is_slug).map(str::to_owned))
        .collect();
    assert!(slugs.len() > 5, "only {slugs:?} were found in {KINDS}");
    let pages: BTreeSet<String> = pages("docs/errors/")
        .into_iter()
        .map(|page| {
            page.path
                .trim_start_matches("docs/errors/")
                .trim_end_matches(".md")
                .to_owned()
        })
        .collect();
    let mut complaints: Vec<String> = slugs
        .difference(&pages)
        .map(|slug| {
            format!("docs/errors/{slug}.md: write the page: what happened, why, what to try")
        })
        .collect();
    complaints.extend(
        pages
            .difference(&slugs)
            .map(|slug| format!("docs/errors/{slug}.md: no error has this name: delete the page")),
    );
    report(&complaints);
}

#[test]
fn both_databases_have_the_same_migrations() {
    let of = |database: &str| -> BTreeSet<String> {
        let prefix = format!("migrations/{database}/");
        files(&[".sql"])
            .into_iter()
            .filter_map(|file| file.path.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    let complaints: Vec<String> = sqlite
        .symmetric_difference(&postgres)
        .map(|name| format!("migrations: {name} is there for one database and not for the other: same numbers, same names"))
        .collect();
    report(&complaints);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = root();
    let mut complaints = Vec::new();
    for File { path, text } in files(&[".md"]) {
        let folder = root.join(&path);
        let folder = folder.parent().expect("a file lies in a folder");
        // What stands in a block of code, or between backticks, is no link.
        let prose: String = text
            .split("```")
            .step_by(2)
            .flat_map(|part| part.split('`').step_by(2))
            .collect();
        for link in prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
        {
            let target = link.split('#').next().unwrap_or_default();
            let is_outside =
                link.contains("://") || link.starts_with("mailto:") || target.is_empty();
            // The names of Rust items in the page of a crate.
            let is_item = target.contains("::");
            if !is_outside && !is_item && !folder.join(target).exists() {
                complaints.push(format!("{path}: the link to {link} leads nowhere"));
            }
        }
    }
    report(&complaints);
}

#[test]
fn every_verb_that_a_page_tells_is_in_the_makefile() {
    let makefile = find("Makefile").expect("the repository has a Makefile");
    let mut complaints = Vec::new();
    for File { path, text } in files(&[".md"]) {
        let quoted = text
            .split("make ")
            .skip(1)
            .zip(text.split("make "))
            .filter(|(_, before)| before.ends_with(['`', '\n']));
        for (after, _) in quoted {
            let verb: String = after
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            if !verb.is_empty()
                && !makefile
                    .lines()
                    .any(|line| line.starts_with(&format!("{verb}:")))
            {
                complaints.push(format!("{path}: `make {verb}` is not in the Makefile"));
            }
        }
    }
    report(&complaints);
}

#[test]
fn a_promise_names_tests_that_exist() {
    const PAGE: &str = "docs/guide/guarantees.md";
    let page = find(PAGE)
        .unwrap_or_else(|| panic!("{PAGE} is gone: tell this test where the promises are now"));
    let code: String = rust_files().into_iter().map(|file| file.text).collect();
    let is_sentence = |text: &&str| {
        text.matches('_').count() >= 2 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let complaints: Vec<String> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(is_sentence)
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .map(|name| format!("{PAGE}: there is no test `{name}`: name the one that shows the promise, or write it"))
        .collect();
    report(&complaints);
}
