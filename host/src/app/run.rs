//! `millwork run`, `runs`, `watch`, `logs`, `signal`, and what may be done with a run: runs of a server.

mod list;
mod story;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use serde_json::{Value, json};

use super::Verdict;
use super::workflow::{client, encode, find, text};
use crate::cli::run::{Control, Logs, Resume, Retry, Signal, Trigger, Watch};
use crate::cli::workflow::Output;
use crate::client::Client;
use crate::document::Document;

pub(super) use list::{list, read_time};
use story::Story;

/// Runs a workflow.
pub(super) async fn trigger(wanted: Trigger) -> Result<Verdict> {
    let client = client(&wanted.server)?;
    let payload = read_json("--payload", &wanted.payload)?;
    let workflow = find(&client, &wanted.workflow).await?;
    let mut body = json!({"workflow_id": workflow["uuid"], "payload": payload});
    if let Some(version) = wanted.version {
        body["version"] = version.into();
    }
    if !wanted.labels.is_empty() {
        body["labels"] = read_labels(&wanted.labels)?;
    }
    let key = wanted.idempotency_key.as_deref();
    let triggered = client.ask_once("/api/v1/trigger", key, Some(&body)).await?;
    let run = text(&triggered, "run_id").to_owned();
    if !wanted.wait {
        match wanted.output {
            Output::Text => println!("{run}"),
            Output::Json => println!("{}", serde_json::to_string_pretty(&triggered)?),
        }
        return Ok(Verdict::Done);
    }
    // What happens goes where it does not stand in the way of the answer.
    let verdict = follow(&client, &run, |line| eprintln!("{line}")).await?;
    match wanted.output {
        Output::Text => println!("{run}"),
        Output::Json => {
            let shown = client.ask(Method::GET, &path(&run), None).await?;
            println!("{}", serde_json::to_string_pretty(&shown)?);
        }
    }
    Ok(verdict)
}

/// Follows a run to its end.
pub(super) async fn watch(wanted: Watch) -> Result<Verdict> {
    let client = client(&wanted.server)?;
    match wanted.output {
        Output::Text => follow(&client, &wanted.run, |line| println!("{line}")).await,
        Output::Json => {
            let tell = |_: &Value, data: &str| println!("{data}");
            follow_events(&client, &wanted.run, tell).await
        }
    }
}

/// Tells what happens in a run, line by line, and how it ended.
async fn follow(client: &Client, run: &str, tell: impl Fn(&str)) -> Result<Verdict> {
    let mut story = Story::default();
    follow_events(client, run, |event, _| tell(&story.tell(event))).await
}

async fn follow_events(
    client: &Client,
    run: &str,
    mut tell: impl FnMut(&Value, &str),
) -> Result<Verdict> {
    let mut events = client.events(format!("{}/events", path(run)));
    while let Some(message) = events.next().await? {
        let data = serde_json::from_str(&message.data);
        let data: Value = data.context("the server sent an event that is no JSON")?;
        if message.event == "end" {
            return Ok(verdict(text(&data, "status")));
        }
        tell(&data, &message.data);
    }
    // Cut off at the very end: the run knows.
    let shown = client.ask(Method::GET, &path(run), None).await?;
    Ok(verdict(text(&shown, "status")))
}

fn verdict(status: &str) -> Verdict {
    match status {
        "success" => Verdict::Done,
        _ => Verdict::No,
    }
}

/// Prints what the steps of a run said.
pub(super) async fn logs(wanted: Logs) -> Result<()> {
    let client = client(&wanted.server)?;
    let filter = |name: &str, value: Option<&String>| {
        value.map_or_else(String::new, |value| format!("&{name}={}", encode(value)))
    };
    let step = filter("step", wanted.step.as_ref());
    let level = filter("level", wanted.level.as_ref());
    let base = format!("{}/logs?limit=200{step}{level}", path(&wanted.run));
    let mut cursor = String::new();
    loop {
        let page = client
            .ask(Method::GET, &format!("{base}{cursor}"), None)
            .await?;
        for line in page["items"].as_array().into_iter().flatten() {
            match wanted.output {
                Output::Text => println!("{}", story::log_line(line)),
                Output::Json => println!("{line}"),
            }
        }
        match page["next_cursor"].as_str() {
            None => return Ok(()),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

/// Ends a run, or holds it.
pub(super) async fn control(what: &str, wanted: Control) -> Result<()> {
    let client = client(&wanted.server)?;
    let body = json!({"reason": wanted.reason});
    ask(&client, &wanted.run, what, Some(&body)).await
}

/// Lets a run go on.
pub(super) async fn resume(wanted: Resume) -> Result<()> {
    ask(&client(&wanted.server)?, &wanted.run, "resume", None).await
}

/// Has a run done again.
pub(super) async fn retry(wanted: Retry) -> Result<Verdict> {
    let client = client(&wanted.server)?;
    let with = if wanted.newest { "newest" } else { "pinned" };
    let body = json!({"from": read_place(&wanted.from), "with": with});
    ask(&client, &wanted.run, "retry", Some(&body)).await?;
    match wanted.wait {
        true => follow(&client, &wanted.run, |line| eprintln!("{line}")).await,
        false => Ok(Verdict::Done),
    }
}

async fn ask(client: &Client, run: &str, what: &str, body: Option<&Value>) -> Result<()> {
    let path = format!("{}/{what}", path(run));
    let shown = client.ask(Method::POST, &path, body).await?;
    println!("{}  {}", text(&shown, "id"), text(&shown, "status"));
    Ok(())
}

/// From where a run is done again, as the API takes it.
pub(super) fn read_place(place: &str) -> Value {
    if matches!(place, "failure" | "start") {
        return place.into();
    }
    let iteration = place.strip_suffix(']').and_then(|rest| {
        let (step, iteration) = rest.split_once('[')?;
        Some((step, iteration.parse::<u32>().ok()?))
    });
    match iteration {
        Some((step, iteration)) => json!({"step": step, "iteration": iteration}),
        None => json!({"step": place}),
    }
}

/// Sends a run a signal.
pub(super) async fn signal(wanted: Signal) -> Result<()> {
    let client = client(&wanted.server)?;
    let payload = wanted.payload.as_deref();
    let payload = payload.map(|text| read_json("--payload", text));
    let payload = payload.transpose()?;
    let path = format!("{}/signals/{}", path(&wanted.run), encode(&wanted.name));
    let key = wanted.idempotency_key.as_deref();
    client.ask_once(&path, key, payload.as_ref()).await?;
    println!("{}  {} accepted", wanted.run, wanted.name);
    Ok(())
}

/// Labels from the command line, as the API takes them.
pub(super) fn read_labels(given: &[String]) -> Result<Value> {
    let mut labels = serde_json::Map::new();
    for text in given {
        let (name, value) = text.split_once('=').with_context(|| {
            format!("--label {text:?} has no =: give it as in --label team=shop")
        })?;
        if labels.insert(name.to_owned(), value.into()).is_some() {
            bail!("--label {name} is given more than once");
        }
    }
    Ok(labels.into())
}

fn path(run: &str) -> String {
    format!("/api/v1/runs/{}", encode(run))
}

/// Reads JSON from the command line, or from the file that it names.
fn read_json(flag: &str, given: &str) -> Result<Value> {
    let Some(file) = given.strip_prefix('@') else {
        return serde_json::from_str(given).with_context(|| {
            format!("{flag} is not JSON: give JSON in quotes, or a file as in {flag} @order.json")
        });
    };
    let path = Path::new(file);
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {file}"))?;
    let mut documents = Document::read_all(path, &text)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document.value),
        (Some(_), false) => bail!("{file} has more than one document"),
        (None, _) => bail!("{file} is empty"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_from_the_command_line_or_a_file() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let file = folder.path().join("p.yaml");
        std::fs::write(&file, "order: 7\n").expect("there is room");
        let read = |text: &str| read_json("--payload", text).map_err(|error| error.to_string());
        assert_eq!(read("{\"a\": 1}"), Ok(json!({"a": 1})));
        let from_file = read(&format!("@{}", file.display()));
        assert_eq!(from_file, Ok(json!({"order": 7})));
        let refused = read("{a: 1}").expect_err("it is none");
        assert!(refused.starts_with("--payload is not JSON"), "{refused}");
        std::fs::write(&file, "a: 1\n---\nb: 2\n").expect("there is room");
        let refused = read(&format!("@{}", file.display())).expect_err("there are two");
        assert!(refused.ends_with("has more than one document"), "{refused}");
    }

    #[test]
    fn a_place_is_a_word_a_step_or_an_iteration() {
        let cases = [
            ("failure", json!("failure")),
            ("start", json!("start")),
            ("charge", json!({"step": "charge"})),
            ("reserve[3]", json!({"step": "reserve", "iteration": 3})),
            ("odd[x]", json!({"step": "odd[x]"})),
        ];
        for (place, expected) in cases {
            assert_eq!(read_place(place), expected, "{place}");
        }
    }

    #[test]
    fn a_run_that_did_not_succeed_is_a_no() {
        let verdicts = ["success", "failed", "cancelled", ""].map(verdict);
        assert_eq!(
            verdicts,
            [Verdict::Done, Verdict::No, Verdict::No, Verdict::No]
        );
    }
}
