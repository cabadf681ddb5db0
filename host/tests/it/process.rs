//! The binary as a process: the contract over HTTP, a crash, a second start.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::report::Report as _;
use millwork_bench::sink::{Sink, Temper};
use millwork_bench::{contract, crash};
use tokio::process::Command;

fn binary() -> ServerOptions {
    ServerOptions::new(env!("CARGO_BIN_EXE_millwork"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_contract_holds() {
    let server = Millwork::launch(&binary()).await.expect("it starts");
    crate::contract::check_contract(&format!("http://{}", server.address())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connectors_do_what_the_contract_says() {
    let server = Millwork::launch(&binary()).await.expect("it starts");
    let sink = Sink::open(Temper::default())
        .await
        .expect("the sink starts");
    let report = contract::run(server.address(), &sink, &contract::Options { patience: 60 })
        .await
        .expect("the walk gets through");
    assert!(report.problems().is_empty(), "{:#?}", report.rows);
    assert!(
        report.cases > 10,
        "only {} promises were looked at",
        report.cases
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_loses_nothing_that_was_acknowledged() {
    let options = crash::Options {
        runs: 300,
        kills: 3,
        ..crash::Options::new(binary())
    };
    let report = crash::run(options).await.expect("the proof goes through");
    println!("{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_is_refused_in_words() {
    let home = tempfile::tempdir().expect("there is a temporary folder");
    let mut first = serve(home.path());
    let mut lines = tokio::io::BufReader::new(first.stdout.take().expect("it is piped"));
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)
        .await
        .expect("it says that it listens");
    assert!(line.contains("listens on"), "{line}");
    let second = serve(home.path())
        .wait_with_output()
        .await
        .expect("it ends");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        said.contains("is in use by another millwork process"),
        "{said}"
    );
    first.kill().await.expect("it can be killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_terminate_it_finishes_and_ends_well() {
    let home = tempfile::tempdir().expect("there is a temporary folder");
    let mut server = serve(home.path());
    let mut lines = tokio::io::BufReader::new(server.stdout.take().expect("it is piped"));
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)
        .await
        .expect("it says that it listens");
    let pid = server.id().expect("it runs").to_string();
    let told = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .expect("kill is there");
    assert!(told.success());
    let ended = tokio::time::timeout(Duration::from_secs(30), server.wait()).await;
    let status = ended
        .expect("it ends in time")
        .expect("it can be waited for");
    assert!(status.success(), "{status}");
}

fn serve(home: &Path) -> tokio::process::Child {
    Command::new(env!("CARGO_BIN_EXE_millwork"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(home.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts")
}
