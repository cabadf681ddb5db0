//! The proof by `kill -9`, on a fake that can be killed.

use millwork_bench::crash::{Options, Report, run_against};
use millwork_bench::process::ServerOptions;
use millwork_bench::report::Report as _;

use crate::fake::{Fake, Fault};

fn options() -> Options {
    Options {
        runs: 120,
        kills: 3,
        connections: 4,
        seed: Some(7),
        sink_delay_ms: 20,
        patience: 3,
        ..Options::new(ServerOptions::new("no-such-binary"))
    }
}

async fn proof(fault: Fault, options: &Options) -> Report {
    run_against(&mut Fake::new(fault), options)
        .await
        .expect("the proof comes to its end")
}

/// The verdict on a fake with a fault.
async fn complaint(fault: Fault) -> String {
    let report = proof(fault, &options()).await;
    report.verdict().expect_err("the fault is seen").to_string()
}

#[track_caller]
fn assert_names_a_run(complaint: &str, words: &str) {
    assert!(complaint.contains(words), "not {words:?}, but {complaint}");
    assert!(
        complaint.contains("run 00000000-0000-7000-8000-"),
        "it names no run: {complaint}"
    );
}

#[tokio::test]
async fn a_sound_server_passes() {
    // Calls that take long and many deaths: one of them comes in the middle of a call, however busy the machine is.
    let options = Options {
        kills: 6,
        sink_delay_ms: 400,
        ..options()
    };
    let report = proof(Fault::None, &options).await;
    report.verdict().expect("nothing is wrong");
    assert_eq!(
        (report.acknowledged, report.finished, report.listed),
        (120, 120, 120),
        "{report:?}"
    );
    // Six kills among the triggers, one when all had ended.
    assert_eq!(report.restarts, 7, "{report:?}");
    assert_eq!(report.distinct_keys, 120, "{report:?}");
    assert!(
        report.repeated_calls > 0,
        "no run was killed in its call, so nothing was proved: {report:?}"
    );
    assert_eq!(report.triggered_again, 60, "{report:?}");
}

#[tokio::test]
async fn a_sound_server_passes_without_keys_and_with_a_busy_sink() {
    let report = proof(
        Fault::None,
        &Options {
            without_keys: true,
            busy_share: 0.3,
            ..options()
        },
    )
    .await;
    report.verdict().expect("nothing is wrong");
    assert!(
        report.acknowledged <= 120 && report.finished >= report.acknowledged,
        "{report:?}"
    );
    assert!(report.repeated_calls > 10, "{report:?}");
}

#[tokio::test]
async fn a_lost_run_is_named() {
    assert_names_a_run(
        &complaint(Fault::LosesARun).await,
        "was acknowledged and is not there",
    );
}

#[tokio::test]
async fn a_run_that_ends_twice_is_named() {
    assert_names_a_run(&complaint(Fault::EndsARunTwice).await, "ended twice");
}

#[tokio::test]
async fn a_run_that_acts_after_its_end_is_named() {
    assert_names_a_run(
        &complaint(Fault::CallsAfterTheEnd).await,
        "after the step had ended",
    );
}

#[tokio::test]
async fn a_result_that_the_sink_did_not_give_is_named() {
    assert_names_a_run(&complaint(Fault::InventsAnswers).await, "which it did not");
}

#[tokio::test]
async fn a_key_that_changes_between_attempts_is_named() {
    let report = proof(
        Fault::ChangesKeys,
        &Options {
            busy_share: 0.3,
            ..options()
        },
    )
    .await;
    let complaint = report.verdict().expect_err("the fault is seen").to_string();
    assert_names_a_run(&complaint, "and again with");
}

#[tokio::test]
async fn a_key_that_two_runs_share_is_named() {
    assert_names_a_run(&complaint(Fault::SharesAKey).await, "which belongs to run");
}

#[tokio::test]
async fn a_trigger_that_starts_two_runs_is_named() {
    assert_names_a_run(
        &complaint(Fault::ForgetsTriggerKeys).await,
        "led to another run",
    );
}

#[tokio::test]
async fn a_run_that_is_listed_twice_is_named() {
    assert_names_a_run(
        &complaint(Fault::ListsARunTwice).await,
        "is in the list 2 times",
    );
}

#[tokio::test]
async fn a_wait_that_ends_early_is_named() {
    assert_names_a_run(&complaint(Fault::WakesEarly).await, "us early");
}

#[tokio::test]
async fn a_run_that_never_ends_is_named() {
    assert_names_a_run(&complaint(Fault::NeverEndsARun).await, "has not ended");
}

#[tokio::test]
async fn a_run_that_fails_is_named() {
    assert_names_a_run(&complaint(Fault::FailsARun).await, "ended as failed");
}

#[tokio::test]
async fn a_run_with_anothers_payload_is_named() {
    assert_names_a_run(&complaint(Fault::SwapsPayloads).await, "has the payload of");
}
