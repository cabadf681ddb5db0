//! The measurements, on fakes.

use millwork_bench::api::Api;
use millwork_bench::load::{self, Load, Until};
use millwork_bench::process::Server as _;
use millwork_bench::report::Report as _;
use millwork_bench::{delays, mix, sleepers, throughput, triggers};

use crate::fake::{Fake, Fault};

fn two_hundred_delays() -> delays::Options {
    delays::Options {
        runs: 200,
        seconds: 0.3,
        connections: 8,
        patience: 3,
    }
}

#[tokio::test]
async fn delays_beside_each_other_take_as_long_as_one() {
    let fake = Fake::started(Fault::None).await;
    let report = delays::run(fake.address(), &two_hundred_delays())
        .await
        .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!((report.runs, report.late_by.count), (200, 200));
    assert!(
        (0.29..10.0).contains(&report.last_ended_after_seconds),
        "{report:?}"
    );
}

#[tokio::test]
async fn delays_in_a_row_are_seen() {
    let fake = Fake::started(Fault::SleepsInARow).await;
    let report = delays::run(fake.address(), &two_hundred_delays())
        .await
        .expect("it ends");
    let complaint = report.verdict().expect_err("they are").to_string();
    assert!(complaint.contains("has not ended"), "{complaint}");
}

#[tokio::test]
async fn a_delay_that_ends_early_is_seen() {
    let fake = Fake::started(Fault::WakesEarly).await;
    let report = delays::run(fake.address(), &two_hundred_delays())
        .await
        .expect("it ends");
    let complaint = report.verdict().expect_err("it does").to_string();
    assert!(
        complaint.contains("us early") && complaint.contains("run 0000"),
        "{complaint}"
    );
}

#[tokio::test]
async fn sleepers_tell_the_memory_and_the_lateness() {
    let fake = Fake::started(Fault::None).await;
    let options = sleepers::Options {
        runs: 300,
        seconds: 1.0,
        spread: 0.5,
        connections: 8,
        warm_up: 20,
        sample: 1_000,
        patience: 5,
    };
    let report = sleepers::run(fake.address(), std::process::id(), &options)
        .await
        .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!((report.runs, report.late_by.count), (300, 300));
    assert!(
        report.asleep.rss_mib > 1.0 && report.waking.rss_mib >= report.asleep.rss_mib,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_sleeper_that_never_wakes_is_named() {
    let fake = Fake::started(Fault::NeverEndsARun).await;
    let options = sleepers::Options {
        runs: 20,
        seconds: 0.2,
        spread: 0.0,
        connections: 2,
        warm_up: 0,
        sample: 20,
        patience: 1,
    };
    let report = sleepers::run(fake.address(), std::process::id(), &options)
        .await
        .expect("it ends");
    // The sleep is shorter than the beat at which memory is looked at.
    assert!(!report.all_asleep_at_once);
    let complaint = report.verdict().expect_err("one never wakes").to_string();
    assert!(
        complaint.contains("has not ended: its status is running"),
        "{complaint}"
    );
}

#[tokio::test]
async fn triggers_are_measured_against_the_other_server() {
    let (one, other) = (
        Fake::started(Fault::None).await,
        Fake::started(Fault::None).await,
    );
    let options = triggers::Options {
        connections: vec![1, 8],
        seconds: 0.3,
        rounds: 1,
        steps: vec![0, 3],
        rate: None,
        threads: 2,
    };
    let report = triggers::run(one.address(), other.address(), &options).await;
    // The other one does not know the workflow of the first, as a null server would not mind.
    let complaint = format!("{:#}", report.expect_err("it does not know the workflow"));
    assert!(complaint.contains("was answered 404"), "{complaint}");
    let report = triggers::run(one.address(), one.address(), &options)
        .await
        .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!(report.rows.len(), 8);
    assert!(
        report
            .rows
            .iter()
            .all(|row| row.per_second > 10.0 && row.errors == 0),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_trigger_that_is_refused_is_an_error() {
    let (fake, other) = (
        Fake::started(Fault::AnswersErrors).await,
        Fake::started(Fault::None).await,
    );
    // Fakes count their identifiers from one, so this is the workflow that the measurement will trigger.
    let definition = serde_json::json!({"name": "nothing", "steps": []});
    Api::new(other.address())
        .create_workflow(&definition)
        .await
        .expect("it is created");
    let options = triggers::Options {
        connections: vec![2],
        seconds: 0.2,
        rounds: 1,
        steps: vec![0],
        rate: None,
        threads: 1,
    };
    let report = triggers::run(fake.address(), other.address(), &options)
        .await
        .expect("it ends");
    let complaint = report
        .verdict()
        .expect_err("every tenth is refused")
        .to_string();
    assert!(complaint.contains("answered 500"), "{complaint}");
}

#[tokio::test]
async fn an_open_loop_holds_its_rate() {
    let fake = Fake::started(Fault::None).await;
    let request = millwork_bench::client::Request::get("/health").finish();
    let second = Until::Elapsed(std::time::Duration::from_secs(1));
    let load = Load {
        rate: Some(200.0),
        ..Load::new(fake.address(), request, 4, second)
    };
    let tally = load::carry_out(load.clone()).await.expect("it ends");
    // Everything that was due is sent, however slow the machine.
    assert_eq!(tally.answers, 200);
    let tally = load::carry_out(Load {
        reconnect: true,
        rate: None,
        ..load
    })
    .await
    .expect("it ends");
    assert!(
        tally.errors == 0 && tally.answers > 50,
        "{:?}",
        tally.first_error
    );
}

#[tokio::test]
async fn throughput_counts_completed_runs() {
    let fake = Fake::started(Fault::None).await;
    let options = throughput::Options {
        runs: 300,
        steps: 3,
        connections: 8,
        single_runs: 20,
        patience: 5,
    };
    let report = throughput::run(fake.address(), &options)
        .await
        .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!(
        (
            report.runs,
            report.single_run_kept_alive.count,
            report.single_run_new_connection.count
        ),
        (300, 20, 20)
    );
    assert!(report.runs_per_second > 1.0, "{report:?}");
}

#[tokio::test]
async fn a_failed_run_spoils_the_throughput() {
    let fake = Fake::started(Fault::FailsARun).await;
    let options = throughput::Options {
        runs: 30,
        steps: 1,
        connections: 2,
        single_runs: 1,
        patience: 5,
    };
    let report = throughput::run(fake.address(), &options)
        .await
        .expect("it ends");
    let complaint = report.verdict().expect_err("one failed").to_string();
    assert!(complaint.contains("ended as failed"), "{complaint}");
}

#[tokio::test]
async fn the_mix_counts_what_was_planned() {
    let fake = Fake::started(Fault::None).await;
    let report = mix::run(
        fake.address(),
        &mix::Options {
            users: 40,
            patience: 5,
        },
    )
    .await
    .expect("it ends");
    report.verdict().expect("nothing is wrong");
    assert_eq!(
        (report.planned, report.succeeded, report.runs_finished),
        (280, 280, 40)
    );
    assert!(report.all_runs_ended_after_seconds >= 1.0, "{report:?}");
}

#[tokio::test]
async fn a_user_whose_trigger_fails_misses_what_was_planned_after_it() {
    let fake = Fake::started(Fault::AnswersErrors).await;
    let report = mix::run(
        fake.address(),
        &mix::Options {
            users: 40,
            patience: 5,
        },
    )
    .await
    .expect("it ends");
    let complaint = report
        .verdict()
        .expect_err("four triggers fail")
        .to_string();
    assert!(
        complaint.contains("user ") && complaint.contains("trigger answered 500"),
        "{complaint}"
    );
    assert_eq!(
        (report.planned, report.succeeded, report.runs_finished),
        (280, 280 - 4 * 3, 36)
    );
}

#[tokio::test]
async fn nobody_to_measure_is_an_error() {
    // Gone at the end of the line, and its port with it.
    let nobody = Fake::new(Fault::None).address();
    let error = delays::run(nobody, &two_hundred_delays())
        .await
        .expect_err("nobody listens");
    assert!(
        format!("{error:#}").contains("could not connect"),
        "{error:#}"
    );
}
