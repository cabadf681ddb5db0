//! A day at the command line: definitions in files, runs, and what scripts are told.

use std::path::Path;

use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

struct Desk {
    server: Millwork,
    folder: TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    async fn start() -> Self {
        let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
        Self {
            server: Millwork::launch(&options).await.expect("it starts"),
            folder: tempfile::tempdir().expect("there is a temporary folder"),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("there is room");
    }

    async fn millwork(&self, arguments: &[&str]) -> Said {
        let url = format!("http://{}", self.server.address());
        run(self.folder.path(), arguments, Some(&url)).await
    }
}

async fn run(folder: &Path, arguments: &[&str], url: Option<&str>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millwork"));
    command.current_dir(folder).args(arguments);
    command.env_remove("MILLWORK_URL");
    if let Some(url) = url {
        command.env("MILLWORK_URL", url);
    }
    let output = command.output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

impl Said {
    #[track_caller]
    fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

const NAP: &str = "id: nap
name: A nap
steps:
  - name: nap
    type: delay
    config:
      duration: 0
";

#[tokio::test(flavor = "multi_thread")]
async fn definitions_in_files_become_what_the_server_has() {
    let desk = Desk::start().await;
    desk.write("nap.yaml", NAP);
    desk.write(
        "two.json",
        r#"{"name": "Two", "steps": [{"name": "a", "type": "delay", "config": {"duration": 0}}]}"#,
    );
    let files = ["-f", "nap.yaml", "-f", "two.json"];
    let ask = async |command: &str| desk.millwork(&[&[command], &files[..]].concat()).await;
    let told = ask("diff").await.with(3).out;
    assert_eq!(told, "nap: is new (nap.yaml)\nTwo: is new (two.json)\n");
    let told = ask("apply").await.with(0).out;
    assert_eq!(told.matches("created").count(), 2, "{told}");
    let told = ask("apply").await.with(0).out;
    assert_eq!(told.matches("unchanged").count(), 2, "{told}");
    ask("diff").await.with(0);

    desk.write("nap.yaml", &NAP.replace("duration: 0", "duration: 0.25"));
    let told = ask("diff").await.with(3).out;
    assert!(
        told.contains("~ /steps/0/config/duration: 0 -> 0.25  (nap)  nap.yaml:7:7"),
        "{told}"
    );
    let applied = desk
        .millwork(&["apply", "-f", "nap.yaml", "--output", "json"])
        .await
        .with(0)
        .json();
    assert_eq!(applied[0]["result"], "updated");
    assert_eq!(applied[0]["version"], 2);
    let versions = desk.millwork(&["workflows", "versions", "nap"]).await;
    assert_eq!(versions.with(0).out.lines().count(), 2);
    let listed = desk
        .millwork(&["workflows", "list", "--search", "NAP"])
        .await;
    assert!(listed.with(0).out.contains("A nap"));
    let first = desk
        .millwork(&["workflows", "show", "nap", "--version", "1"])
        .await;
    assert_eq!(first.with(0).json()["steps"][0]["config"]["duration"], 0);
    desk.millwork(&["workflows", "archive", "nap"])
        .await
        .with(0);
    let refused = desk.millwork(&["run", "nap"]).await.with(1).err;
    assert!(refused.contains("is archived"), "{refused}");
    desk.millwork(&["workflows", "restore", "nap"])
        .await
        .with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_pointed_at_without_a_server_and_by_one() {
    let desk = Desk::start().await;
    let bad = NAP
        .replace("duration: 0", "duration: -1")
        .replace("name: A nap", "nmae: A nap");
    desk.write("bad.yaml", &bad);
    desk.write(
        "slack.yaml",
        "name: s\nsteps:\n  - {name: a, type: slack, config: {x: 1}}\n",
    );
    desk.write("broken.yaml", "name: [1,\n");
    let places = |said: &Said| {
        let lines = said
            .err
            .lines()
            .filter(|line| line.starts_with("bad.yaml:"));
        let places = lines.map(|line| line.split(": ").next().unwrap_or_default().to_owned());
        places.collect::<Vec<_>>()
    };
    let offline = run(desk.folder.path(), &["validate", "-f", "bad.yaml"], None).await;
    let offline = offline.with(3);
    let expected = ["bad.yaml:1:1", "bad.yaml:2:1", "bad.yaml:7:7"];
    let mut found = places(&offline);
    found.sort();
    assert_eq!(found, expected, "{}", offline.err);
    let online = desk.millwork(&["validate", "-f", "bad.yaml"]).await.with(3);
    let mut found = places(&online);
    found.sort();
    assert_eq!(found, expected, "{}", online.err);
    let told = desk
        .millwork(&["validate", "-f", "bad.yaml", "--output", "json"])
        .await
        .with(3)
        .json();
    assert_eq!(told.as_array().map(Vec::len), Some(3));

    let unknown = run(desk.folder.path(), &["validate", "-f", "slack.yaml"], None).await;
    let unknown = unknown.with(0);
    assert!(
        unknown.err.contains("the plugin \"slack\""),
        "{}",
        unknown.err
    );
    desk.millwork(&["validate", "-f", "slack.yaml"])
        .await
        .with(3);
    let applied = desk.millwork(&["apply", "-f", "slack.yaml"]).await.with(3);
    assert!(applied.err.starts_with("slack.yaml:3:"), "{}", applied.err);
    let broken = run(desk.folder.path(), &["validate", "-f", "broken.yaml"], None).await;
    assert!(broken.with(1).err.contains("broken.yaml:"));
    desk.millwork(&["validate"]).await.with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_begun_watched_listed_and_ended() {
    let desk = Desk::start().await;
    desk.write("nap.yaml", &NAP.replace("duration: 0", "duration: 0.25"));
    desk.write(
        "long.yaml",
        &NAP.replace("nap", "long")
            .replace("duration: 0", "duration: 1h"),
    );
    desk.write("order.yaml", "order: 7\n");
    // One of them is no definition, so none of them is applied.
    desk.millwork(&["apply", "-f", "."]).await.with(3);
    let listed = desk.millwork(&["workflows", "list"]).await.with(0).out;
    assert!(listed.starts_with("there are no workflows"), "{listed}");
    let files = ["apply", "-f", "nap.yaml", "-f", "long.yaml"];
    desk.millwork(&files).await.with(0);

    let waited = desk
        .millwork(&[
            "run",
            "nap",
            "--payload",
            "@order.yaml",
            "--wait",
            "--output",
            "json",
        ])
        .await
        .with(0);
    let run = waited.json();
    assert_eq!(
        (&run["status"], &run["payload"]["order"]),
        (&"success".into(), &7.into())
    );
    assert!(waited.err.contains("sleeps until"), "{}", waited.err);
    assert!(
        waited.err.contains("the run               succeeded in"),
        "{}",
        waited.err
    );
    let id = run["id"].as_str().expect("it is a text").to_owned();
    let watched = desk.millwork(&["watch", &id]).await.with(0).out;
    assert_eq!(watched, waited.err, "the story is the same afterwards");
    let events = desk
        .millwork(&["watch", &id, "--output", "json"])
        .await
        .with(0);
    assert!(
        events
            .out
            .lines()
            .next()
            .expect("there is one")
            .contains("run-created")
    );
    desk.millwork(&["logs", &id]).await.with(0);

    let long = desk.millwork(&["run", "long"]).await.with(0).out;
    let long = long.trim();
    let listed = desk
        .millwork(&["runs", "--workflow", "long", "--since", "1h"])
        .await;
    let listed = listed.with(0).out;
    assert!(listed.contains(long) && !listed.contains(&id), "{listed}");
    desk.millwork(&["signal", long, "hello", "--payload", "[1]"])
        .await
        .with(0);
    desk.millwork(&["cancel", long, "--reason", "enough"])
        .await
        .with(0);
    let watched = desk.millwork(&["watch", long]).await.with(3).out;
    assert!(watched.contains("cancelled: enough"), "{watched}");
    let failed = desk
        .millwork(&["runs", "--status", "cancelled", "--output", "json"])
        .await;
    assert_eq!(failed.with(0).json()[0]["id"], long);

    let held = desk.millwork(&["run", "long"]).await.with(0).out;
    let held = held.trim();
    let told = async |args: &[&str]| desk.millwork(args).await.with(0).out;
    let paused = told(&["pause", held, "--reason", "lunch"]).await;
    assert!(paused.contains("paused"), "{paused}");
    let resumed = told(&["resume", held]).await;
    assert!(resumed.contains("running"), "{resumed}");
    let killed = told(&["kill", held]).await;
    assert!(killed.contains("cancelled"), "{killed}");
    let retried = told(&["retry", held, "--from", "start", "--newest"]).await;
    assert!(retried.contains("running"), "{retried}");
    let refused = desk.millwork(&["retry", held]).await.with(1).err;
    assert!(refused.contains("has not ended"), "{refused}");
    told(&["cancel", held]).await;
    let watched = desk.millwork(&["watch", held]).await.with(3).out;
    for line in ["paused: lunch", "resumed", "killed", "is done again"] {
        assert!(watched.contains(line), "{line}: {watched}");
    }

    let unknown = desk.millwork(&["run", "na"]).await.with(1).err;
    assert!(
        unknown.contains("there is no workflow \"na\"; there is nap"),
        "{unknown}"
    );
    desk.millwork(&["cancel", long]).await.with(1);
    let away = ["runs", "--url", "http://127.0.0.1:9"];
    let away = desk.millwork(&away).await.with(1).err;
    assert!(away.contains("no answer from"), "{away}");
}
