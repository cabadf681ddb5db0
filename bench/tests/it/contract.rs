//! The walk through the contract, on a fake that keeps it and on fakes that do not.

use millwork_bench::contract::{Options, Report, run};
use millwork_bench::process::Server as _;
use millwork_bench::report::Report as _;
use millwork_bench::sink::{Sink, Temper};

use crate::fake::{Fake, Fault};

async fn walk(fault: Fault) -> Report {
    let fake = Fake::started(fault).await;
    let sink = Sink::open(Temper::default()).await.expect("the sink opens");
    run(fake.address(), &sink, &Options { patience: 5 })
        .await
        .expect("the walk comes to its end")
}

/// The cases that a fault breaks.
async fn broken(fault: Fault) -> Vec<&'static str> {
    let report = walk(fault).await;
    report.verdict().expect_err("the fault is seen");
    report
        .rows
        .iter()
        .filter(|row| row.verdict != "ok")
        .map(|row| row.case)
        .collect()
}

#[tokio::test]
async fn a_server_that_keeps_the_contract_passes() {
    let report = walk(Fault::None).await;
    report.verdict().expect("nothing is wrong");
    assert!(
        report.cases > 30 && report.kept == report.cases,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_header_that_is_sent_twice_is_seen() {
    assert!(
        broken(Fault::SendsAHeaderTwice)
            .await
            .contains(&"a webhook with a body sends each header once")
    );
}

#[tokio::test]
async fn a_failure_that_is_not_tried_again_is_seen() {
    let expected = "a 503 is tried again under the same key, until it works";
    assert!(broken(Fault::NeverRetries).await.contains(&expected));
}

#[tokio::test]
async fn a_placeholder_that_stays_is_seen() {
    let expected = ["placeholders keep their type alone and become text inside text"];
    assert_eq!(broken(Fault::LeavesPlaceholders).await, expected);
}

#[tokio::test]
async fn a_refusal_without_a_word_is_seen() {
    let broken = broken(Fault::RefusesWithoutAWord).await;
    assert!(
        broken.contains(&"an unknown run is 404")
            && broken.contains(&"a delay of less than nothing is 422")
    );
}

#[tokio::test]
async fn a_delay_that_is_short_is_seen() {
    assert!(
        broken(Fault::WakesEarly)
            .await
            .contains(&"a delay waits and says so")
    );
}

#[tokio::test]
async fn a_trigger_whose_key_is_forgotten_is_seen() {
    assert_eq!(
        broken(Fault::ForgetsTriggerKeys).await,
        ["a key leads to one run"]
    );
}
