//! A figure stands beside its limit and its aim, and what was not measured is said to be so.

use std::path::Path;

use super::*;

fn write(folder: &Path, command: &str, text: &str) {
    std::fs::write(folder.join(format!("{command}.csv")), text).expect("it is written");
}

fn summary_of(folder: &Path) -> String {
    run(&Options {
        directory: folder.to_owned(),
        out: Some(folder.join("summary.md")),
    })
    .expect("it is summed up")
}

fn line_of<'t>(text: &'t str, what: &str) -> &'t str {
    let start = format!("| {what} |");
    text.lines()
        .find(|line| line.starts_with(&start))
        .unwrap_or_else(|| panic!("no line begins with {start}\n{text}"))
}

#[test]
fn numbers_are_written_for_people() {
    let texts = [0.0, 60.0, 0.021, 1.5, 42.25, 999.0, 12_345.0, 1_234_567.0].map(number);
    assert_eq!(
        texts,
        [
            "0",
            "60",
            "0.021",
            "1.5",
            "42.2",
            "999",
            "12,345",
            "1,234,567"
        ]
    );
}

#[test]
fn a_figure_stands_beside_its_limit_and_its_aim() {
    let folder = tempfile::tempdir().expect("there is room");
    let limits = "commit,time,build,store,problems,limits.what,limits.size,limits.per_second,limits.took.p50_ms\n\
                  a,1,release,none,0,handler,1000,50000,1\na,1,release,none,0,database,500,40000,3\n";
    write(folder.path(), "limits", limits);
    let throughput = "commit,time,build,store,steps,runs_per_second,problems\n\
                      a,1,release,sqlite,3,9000,0\na,2,release,sqlite,3,16000,0\na,3,release,postgres+kafka,3,5000,0\n";
    write(folder.path(), "throughput", throughput);
    let text = summary_of(folder.path());
    assert_eq!(
        line_of(&text, "completed runs of 3 steps"),
        "| completed runs of 3 steps | 16,000/s | database: 40,000 | 0.40 | ≥ 12,000/s | met |"
    );
    assert_eq!(
        line_of(&text, "the same: share of embedded"),
        "| the same: share of embedded | 0.312 |  |  | ≥ 0.333 | **missed** |"
    );
    assert!(line_of(&text, "mix of 1,000 users: p99").contains("| not measured |"));
    assert!(text.starts_with("Of commit a.\n") && !text.contains("debug build"));
    let written = std::fs::read_to_string(folder.path().join("summary.md"));
    assert_eq!(written.expect("it is written"), text);
}

#[test]
fn figures_of_a_debug_build_are_told_as_such() {
    let folder = tempfile::tempdir().expect("there is room");
    write(
        folder.path(),
        "calls",
        "commit,time,build,store,times_bare,problems\na,1,debug,none,1.6,0\n",
    );
    let text = summary_of(folder.path());
    assert!(text.contains("debug build"), "{text}");
    assert!(
        line_of(&text, "the same: time of a bare call").ends_with("| ≤ 1.5 times | **missed** |")
    );
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = run(&Options {
        directory: PathBuf::from("/nowhere/figures"),
        out: None,
    })
    .expect_err("there is none");
    assert!(format!("{error:#}").contains("there are no figures in /nowhere/figures"));
}
