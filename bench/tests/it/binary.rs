//! The tool as a program: what it prints, how it ends, and the processes that it starts and kills.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use millwork_bench::null_server::NullServer;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::{api::Api, client::Request, starts};
use serde_json::Value;

use crate::fake::{Fake, Fault};

const TOOL: &str = env!("CARGO_BIN_EXE_millwork-bench");

async fn tool(arguments: &[&str]) -> Output {
    tokio::process::Command::new(TOOL)
        .args(arguments)
        .output()
        .await
        .expect("the tool starts")
}

/// A program that takes the arguments of `millwork serve` and becomes a server that does nothing.
fn stand_in(folder: &Path) -> PathBuf {
    let path = folder.join("millwork");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2\" = 'serve --listen' ] || exit 9\nexec '{TOOL}' null-server --listen \"$3\"\n"
    );
    std::fs::write(&path, script).expect("it is written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it may be run");
    path
}

#[tokio::test]
async fn a_command_prints_a_table_and_a_line_of_json() {
    let fake = Fake::started(Fault::None).await;
    let (address, pid) = (fake.address().to_string(), std::process::id().to_string());
    let arguments = [
        "--address",
        &address,
        "--pid",
        &pid,
        "--runs",
        "20",
        "--seconds",
        "0.1",
    ];
    let output = tool(&[&["delays"], &arguments[..]].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Value =
        serde_json::from_str(text.lines().last().expect("it says something")).expect("it is JSON");
    assert_eq!(
        (&line["command"], &line["runs"]),
        (&"delays".into(), &20.into())
    );
}

#[tokio::test]
async fn figures_are_added_to_a_file_summed_up_and_drawn() {
    let fake = Fake::started(Fault::None).await;
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (address, csv, drawn) = (fake.address().to_string(), path("csv"), path("drawn"));
    for runs in ["20", "30"] {
        let throughput = ["throughput", "--address", &address, "--single-runs", "2"];
        let output = tool(&[&throughput[..], &["--runs", runs, "--csv", &csv]].concat()).await;
        assert!(output.status.success(), "{output:?}");
    }
    let written = std::fs::read_to_string(folder.path().join("csv/throughput.csv"));
    let written = written.expect("it is there");
    assert_eq!(written.lines().count(), 3, "{written}");
    assert!(
        written.starts_with("commit,time,build,store,runs,steps,"),
        "{written}"
    );
    let output = tool(&["summary", &csv]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("| completed runs of 3 steps | "),
        "{output:?}"
    );
    let output = tool(&["pictures", &csv, "--out", &drawn]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("throughput.svg"),
        "{output:?}"
    );
    assert!(folder.path().join("drawn/throughput.svg").is_file());
}

#[tokio::test]
async fn what_makes_no_sense_on_a_cluster_is_refused_in_words() {
    for command in [
        "sleepers", "starts", "recovery", "growth", "limits", "cluster",
    ] {
        let output = tool(&[command, "--cluster"]).await;
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && text.contains("leave --cluster out"),
            "{command}: {text}"
        );
    }
    let output = tool(&["mix", "--cluster", "--address", "127.0.0.1:9"]).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("leave one of them out"), "{text}");
}

#[tokio::test]
async fn limits_of_the_machine_are_measured_without_a_server() {
    let sizes = ["--connections", "2", "--batches", "3", "--seconds", "0.2"];
    let output = tool(&[&["limits"], &sizes[..]].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Value =
        serde_json::from_str(text.lines().last().expect("it says something")).expect("it is JSON");
    let limits = line["limits"].as_array().expect("there is a table");
    let names: Vec<&Value> = limits.iter().map(|limit| &limit["what"]).collect();
    assert_eq!(names, ["handler", "disk", "database"]);
    for limit in limits {
        assert!(limit["per_second"].as_f64() > Some(0.0), "{limit}");
    }
}

#[tokio::test]
async fn a_problem_is_told_and_ends_the_tool_with_an_error() {
    let fake = Fake::started(Fault::WakesEarly).await;
    let (address, pid) = (fake.address().to_string(), std::process::id().to_string());
    let output = tool(&[
        "delays",
        "--address",
        &address,
        "--pid",
        &pid,
        "--runs",
        "5",
        "--seconds",
        "2",
    ])
    .await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("5 problems") && text.contains("us early"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_of_ones_own_is_started_killed_and_started_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut server = Millwork::launch(&ServerOptions::new(stand_in(folder.path())))
        .await
        .expect("it starts");
    let (address, first) = (server.address(), server.pid().expect("it runs"));
    server.kill().await.expect("it is killed");
    assert!(
        Api::new(address)
            .call(&Request::get("/health/ready").finish())
            .await
            .is_err(),
        "it still listens"
    );
    assert!(server.pid().is_err());
    server.start().await.expect("it starts again");
    server.ready().await.expect("it is ready again");
    assert_eq!(server.address(), address);
    assert_ne!(server.pid().expect("it runs"), first);
}

#[tokio::test]
async fn starts_are_counted_from_the_first_on() {
    let folder = tempfile::tempdir().expect("there is room");
    let options = starts::Options {
        server: ServerOptions::new(stand_in(folder.path())),
        starts: 2,
    };
    let report = starts::run(options).await.expect("it ends");
    assert_eq!(report.later_starts.count, 2);
    assert!(
        report.idle.rss_mib > 0.1 && report.first_start_seconds > 0.0,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_told_with_its_log() {
    // The tool is no `millwork`: it does not know `serve`, says so and ends.
    let error = Millwork::launch(&ServerOptions::new(TOOL))
        .await
        .expect_err("it is no server");
    let text = format!("{error:#}");
    assert!(
        text.contains("ended before it was ready") && text.contains("serve"),
        "{text}"
    );

    let folder = tempfile::tempdir().expect("there is room");
    let mut server = Millwork::launch(&ServerOptions::new(stand_in(folder.path())))
        .await
        .expect("it starts");
    let pid = server.pid().expect("it runs").to_string();
    let killed = tokio::process::Command::new("kill")
        .args(["-9", &pid])
        .status()
        .await
        .expect("there is kill");
    assert!(killed.success());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let error = server.kill().await.expect_err("it is gone already");
    assert!(
        error.to_string().contains("had ended by itself"),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_says_what_to_do() {
    let output = tool(&["mix", "--millwork", "/nowhere/millwork"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("there is no server at /nowhere/millwork")
    );
}

#[tokio::test]
async fn a_proof_that_breaks_off_keeps_the_evidence_and_tells_the_seed() {
    let folder = tempfile::tempdir().expect("there is room");
    let (stand_in, home) = (stand_in(folder.path()), folder.path().join("work"));
    let (stand_in, home) = (
        stand_in.to_str().expect("it is text"),
        home.to_str().expect("it is text"),
    );
    let output = tool(&[
        "crash",
        "--millwork",
        stand_in,
        "--work-dir",
        home,
        "--seed",
        "11",
        "--runs",
        "30",
    ])
    .await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    // A server that does nothing creates no workflow.
    assert!(
        text.contains("seed 11") && text.contains("data and log are in") && text.contains("404"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(home).expect("it was made").count(), 1);
}

#[tokio::test]
async fn a_null_server_answers_triggers() {
    let null = NullServer::launch(Path::new(TOOL))
        .await
        .expect("it starts");
    let run = Api::new(null.address())
        .trigger("any", &serde_json::json!({}))
        .await
        .expect("it answers");
    assert_eq!(run.len(), 36);
}

#[test]
fn every_example_has_a_place_in_their_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("there is a README");
    let mut examples = 0;
    for file in std::fs::read_dir(&folder).expect("there are examples") {
        let name = file.expect("it can be read").file_name();
        let name = name.to_str().expect("it is text");
        if name.ends_with(".json") || name.ends_with(".yaml") {
            assert!(
                readme.contains(name),
                "the README does not say how to run {name}"
            );
            examples += 1;
        }
    }
    assert_eq!(examples, 15);
}
