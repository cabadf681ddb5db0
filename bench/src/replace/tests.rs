//! What is wrong with runs over a replacement is found.

use super::*;
use crate::report::Report as _;

fn run(uuid: &str, status: &str, states: &[&str]) -> Run {
    let steps = states.iter().enumerate().map(|(index, state)| {
        let step = json!({"status": "success", "output": {"state": state}});
        (format!("wait-{index}"), step)
    });
    let steps: serde_json::Map<String, Value> = steps.collect();
    let run = json!({"uuid": uuid, "status": status, "error": "why", "step_results": steps});
    serde_json::from_value(run).expect("it is a run")
}

fn report(runs: &[Run]) -> Report {
    let mut report = Report {
        runs: runs.len() as u64,
        steps: 2,
        trigger_seconds: 1.0,
        seconds: 1.0,
        replacements: 3,
        versions: 0,
        succeeded: 0,
        failed: 0,
        mixed: 0,
        problems: Problems::default(),
    };
    let went: Vec<_> = runs.iter().map(|run| Went::of(run, 2)).collect();
    report.judge(&went);
    report
}

const GOOD: [&[&str]; 2] = [
    &["version 1.......", "version 1......."],
    &["version 12......", "version 12......"],
];

#[test]
fn runs_that_each_keep_to_their_version_are_sound() {
    let report = report(&[run("a", "success", GOOD[0]), run("b", "success", GOOD[1])]);
    report.verdict().expect("nothing is wrong");
    assert_eq!((report.succeeded, report.versions), (2, 2));
}

#[test]
fn every_flaw_is_told_with_its_run() {
    let others = [run("a", "success", GOOD[0]), run("b", "success", GOOD[1])];
    for (flawed, told) in [
        (
            run("c", "failed", GOOD[0]),
            "run c ended as failed: \"why\"",
        ),
        (
            run("c", "success", &GOOD[0][..1]),
            "run c tells the version of 1 steps, it has 2",
        ),
        (
            run("c", "success", &["version 1.......", "version 2......."]),
            "run c is pinned to one version and was carried out by {1, 2}",
        ),
    ] {
        let complaint = report(&[&others[..], &[flawed]].concat())
            .verdict()
            .expect_err("one is flawed")
            .to_string();
        assert!(
            complaint.contains("1 problems") && complaint.contains(told),
            "{complaint}"
        );
    }
}

#[test]
fn replacements_that_no_run_met_show_nothing() {
    let complaint = report(&[run("a", "success", GOOD[0])]).verdict();
    let complaint = complaint.expect_err("one version only").to_string();
    assert!(complaint.contains("nothing was shown"), "{complaint}");
}
