//! A short run of each kind, from a fixed seed: nothing is found, and the inputs are of every sort.

use std::path::PathBuf;
use std::time::Duration;

use millwork_fuzz::report::Report;
use millwork_fuzz::supervise::{self, Plan};
use millwork_fuzz::target::Kind;

fn run(kind: Kind, inputs: u64) -> Report {
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_millwork-fuzz")),
        kind,
        seed: 20_261_125,
        from: 0,
        inputs,
        time: Duration::from_secs(600),
    };
    let report = supervise::run(&plan).expect("it runs");
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.inputs, inputs, "{report}");
    report
}

#[test]
fn made_up_files_do_no_harm() {
    let report = run(Kind::Loader, 24);
    assert!(report.came.len() >= 3, "{report}");
}

#[test]
fn made_up_manifests_do_no_harm() {
    let report = run(Kind::Manifest, 300);
    assert!(!report.came.is_empty(), "{report}");
}

#[test]
fn made_up_answers_do_no_harm() {
    let report = run(Kind::Boundary, 300);
    assert!(report.came.contains_key("completed"), "{report}");
    assert!(report.came.contains_key("suspended"), "{report}");
}

#[test]
fn what_ends_the_process_is_found() {
    let plan = Plan {
        // Ends at once, and not well.
        program: PathBuf::from("false"),
        kind: Kind::Boundary,
        seed: 1,
        from: 0,
        inputs: 10,
        time: Duration::from_secs(60),
    };
    let report = supervise::run(&plan).expect("it runs");
    assert_eq!(report.findings.len(), 1, "{report}");
}
