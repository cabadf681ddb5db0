//! Reads from a store that grows, and a server that comes back, on fakes.

use millwork_bench::process::{Server as _, ServerOptions};
use millwork_bench::report::Report as _;
use millwork_bench::{reads, recovery};

use crate::fake::{Fake, Fault};

fn forty_in_flight() -> recovery::Options {
    recovery::Options {
        server: ServerOptions::new("/nowhere/millwork"),
        runs: 40,
        seconds: 0.5,
        connections: 4,
        patience: 3,
    }
}

#[tokio::test]
async fn what_was_in_flight_goes_on_after_the_server_is_back() {
    let mut fake = Fake::started(Fault::None).await;
    let report = recovery::measure(&mut fake, &forty_in_flight())
        .await
        .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!(report.runs, 40);
    assert!(
        report.all_in_flight && report.first_after_seconds <= report.last_after_seconds,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_run_that_is_lost_with_the_server_is_named() {
    let mut fake = Fake::started(Fault::LosesARun).await;
    let error = match recovery::measure(&mut fake, &forty_in_flight()).await {
        Ok(report) => report.verdict().expect_err("one is lost"),
        Err(error) => error,
    };
    assert!(
        format!("{error:#}").contains("was acknowledged and is not there"),
        "{error:#}"
    );
}

#[tokio::test]
async fn reads_are_measured_before_and_after_the_store_is_filled() {
    let fake = Fake::started(Fault::None).await;
    let options = reads::Options {
        runs: 50,
        connections: 4,
        seconds: 0.1,
        patience: 5,
    };
    let report = reads::run(fake.address(), &options).await.expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!(report.rows.len(), 6);
    for row in &report.rows {
        assert!(row.few_per_second > 1.0 && row.share > 0.0, "{row:?}");
    }
}

#[tokio::test]
async fn a_fill_that_fails_spoils_the_reads() {
    let fake = Fake::started(Fault::AnswersErrors).await;
    let options = reads::Options {
        runs: 50,
        connections: 2,
        seconds: 0.1,
        patience: 5,
    };
    let report = reads::run(fake.address(), &options).await.expect("it ends");
    let complaint = report
        .verdict()
        .expect_err("every tenth is refused")
        .to_string();
    assert!(complaint.contains("triggers failed"), "{complaint}");
}
