//! What a file of code looks like.

use crate::code::{code, lines_with};
use crate::house::{File, find, rust_files};
use crate::report;

/// Where a file is long enough to ask whether two things live in it.
const LINES_MAX: usize = 500;

/// A file of tests holds stories, which are read one by one.
const LINES_OF_TESTS_MAX: usize = 800;

/// Files that were asked, and answered; how long each may be; and the answer.
const LONG: &[(&str, usize, &str)] = &[
    (
        "host/src/engine.rs",
        700,
        "all that can be asked of the engine, on one page",
    ),
    (
        "host/plugin/src/plugins.rs",
        550,
        "the catalogue and its folder, until the folder grows",
    ),
];

#[test]
fn a_file_is_about_one_thing() {
    let mut complaints = Vec::new();
    for File { path, text } in rust_files() {
        let lines = text.lines().count();
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
        let usual = if is_test {
            LINES_OF_TESTS_MAX
        } else {
            LINES_MAX
        };
        let most = LONG
            .iter()
            .find(|(long, ..)| *long == path)
            .map_or(usual, |(_, most, _)| *most);
        if lines > most {
            complaints.push(format!(
                "{path}: has {lines} lines, and {most} is where one asks whether two things live in a file: look for a \
                 second noun and give it a file of its own, or add the file to LONG in tidy with the reason"
            ));
        }
    }
    let gone = LONG.iter().filter(|(path, ..)| find(path).is_none());
    complaints.extend(gone.map(|(path, ..)| format!("tidy: {path} is gone: take it out of LONG")));
    report(&complaints);
}

#[test]
fn a_module_is_a_file_beside_its_folder() {
    let files = rust_files()
        .into_iter()
        .filter(|file| file.path.ends_with("/mod.rs"));
    let complaints: Vec<String> = files
        .map(|file| {
            format!(
                "{0}: name it {1}.rs, beside the folder {1}/",
                file.path,
                file.path.trim_end_matches("/mod.rs")
            )
        })
        .collect();
    report(&complaints);
}

#[test]
fn a_file_says_what_it_is_for() {
    let opens = |text: &str| {
        text.lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!["))
            .is_none_or(|line| line.starts_with("//!"))
    };
    // A crate's page may be its README.
    let has_page = |text: &str| text.starts_with("#![doc = include_str!");
    let complaints: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| !opens(&file.text) && !has_page(&file.text))
        .map(|file| {
            format!(
                "{}: begin it with `//!` and a sentence that says what it is for, and what not",
                file.path
            )
        })
        .collect();
    report(&complaints);
}

/// Marks of something unfinished, and what to do instead.
const UNFINISHED: [(&str, &str); 4] = [
    ("todo!", "write it, or leave its caller out too"),
    (
        "unimplemented!",
        "write it, or return an error that says what is missing",
    ),
    (
        "#[ignore",
        "mend the test or delete it: nobody reads what does not run",
    ),
    (
        "#[should_panic",
        "a panic is a bug: return an error, and test that",
    ),
];

#[test]
fn nothing_is_left_unfinished() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        for (index, line) in code(&file.text).lines().enumerate() {
            for (mark, advice) in UNFINISHED.iter().filter(|(mark, _)| line.contains(mark)) {
                complaints.push(format!("{}:{}: `{mark}`: {advice}", file.path, index + 1));
            }
        }
    }
    report(&complaints);
}

#[test]
fn a_test_is_named_by_a_sentence() {
    const WORDS_MIN: usize = 3;
    let mut complaints = Vec::new();
    for file in rust_files() {
        let code = code(&file.text);
        let marks = [
            lines_with(&code, "#[test]"),
            lines_with(&code, "tokio::test"),
        ]
        .concat();
        for mark in marks {
            let named = code
                .lines()
                .skip(mark)
                .find_map(|line| line.split("fn ").nth(1)?.split(['(', '<']).next());
            // A macro is given its names elsewhere.
            let is_short =
                |name: &&str| !name.starts_with('$') && name.split('_').count() < WORDS_MIN;
            let Some(name) = named.filter(is_short) else {
                continue;
            };
            complaints.push(format!(
                "{}:{mark}: `{name}`: name the test by a sentence that says what holds, such as `a_late_answer_is_refused`",
                file.path
            ));
        }
    }
    report(&complaints);
}
