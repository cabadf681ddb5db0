//! `millwork runs`.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use hyper::Method;
use millwork_core::time::Timestamp;
use serde_json::Value;

use crate::app::workflow::{client, encode, find, text};
use crate::cli::run::Runs;
use crate::cli::workflow::Output;
use crate::client::Client;
use crate::clock::{Clock as _, SystemClock};
use crate::config::parse_span;

/// Runs on a page of the list.
const PAGE: usize = 200;

/// Lists runs.
pub(in crate::app) async fn list(wanted: Runs) -> Result<()> {
    let client = client(&wanted.server)?;
    let filters = filters(&client, &wanted).await?;
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    while items.len() < wanted.limit {
        let limit = (wanted.limit - items.len()).min(PAGE);
        let path = format!("/api/v1/runs?limit={limit}{filters}{cursor}");
        let page = client.ask(Method::GET, &path, None).await?;
        items.extend(page["items"].as_array().into_iter().flatten().cloned());
        match page["next_cursor"].as_str() {
            None => break,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    match wanted.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&items)?),
        Output::Text => {
            let names = names(&client, &items).await;
            print!("{}", table(&items, &names));
        }
    }
    Ok(())
}

async fn filters(client: &Client, wanted: &Runs) -> Result<String> {
    let mut filters = String::new();
    if let Some(called) = &wanted.workflow {
        let workflow = find(client, called).await?;
        filters += &format!("&workflow_id={}", text(&workflow, "uuid"));
    }
    for status in &wanted.status {
        filters += &format!("&status={}", encode(status));
    }
    let labels = super::read_labels(&wanted.labels)?;
    for (name, value) in labels.as_object().into_iter().flatten() {
        let label = format!("{name}:{}", value.as_str().unwrap_or_default());
        filters += &format!("&label={}", encode(&label));
    }
    let now = SystemClock.now();
    let times = [
        ("--since", "created_from", &wanted.since),
        ("--until", "created_before", &wanted.until),
    ];
    for (flag, parameter, given) in times {
        if let Some(given) = given {
            let at = read_time(flag, given, now)?;
            filters += &format!("&{parameter}={}", encode(&at.to_string()));
        }
    }
    Ok(filters)
}

/// A time, or how long ago it was.
pub(in crate::app) fn read_time(flag: &str, given: &str, now: Timestamp) -> Result<Timestamp> {
    if let Some(span) = parse_span(given) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let micros = now.as_micros().saturating_sub(micros).max(0);
        return Ok(Timestamp::from_micros(micros));
    }
    given.parse().ok().with_context(|| {
        format!(
            "{flag} {given:?} is neither a time such as 2026-01-31T09:00:00Z nor a span such as 2h"
        )
    })
}

/// What the workflows of some runs are called. One that cannot be asked for any more goes by its identifier.
async fn names(client: &Client, items: &[Value]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for item in items {
        let id = text(item, "workflow_id");
        if names.contains_key(id) {
            continue;
        }
        let path = format!("/api/v1/workflows/{id}");
        let found = client.ask(Method::GET, &path, None).await;
        let found = found.unwrap_or_default();
        let name = found["id"].as_str().or_else(|| found["name"].as_str());
        names.insert(id.to_owned(), name.unwrap_or(id).to_owned());
    }
    names
}

fn table(items: &[Value], names: &HashMap<String, String>) -> String {
    if items.is_empty() {
        return "there are no such runs\n".to_owned();
    }
    let (run, status, triggered) = ("run", "status", "triggered");
    let mut told = format!("{run:36}  {status:9}  {triggered:19}  workflow\n");
    for item in items {
        let workflow = text(item, "workflow_id");
        let workflow = names.get(workflow).map_or(workflow, String::as_str);
        let error = item["error"].as_str();
        let error = error.map(|error| format!("  {error}")).unwrap_or_default();
        let at = text(item, "created_at").get(..19).unwrap_or_default();
        let (run, status) = (text(item, "id"), text(item, "status"));
        told += &format!("{run}  {status:9}  {at}  {workflow}{error}\n");
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_a_time_or_a_while_ago() {
        let now: Timestamp = "2026-01-31T09:00:00Z".parse().expect("it is a time");
        let read = |given| read_time("--since", given, now).map(|at| at.to_string());
        let two_hours_ago = "2026-01-31T07:00:00.000000Z";
        assert_eq!(read("2h").expect("it holds"), two_hours_ago);
        let written = read("2026-01-31T08:00:00+01:00").expect("it holds");
        assert_eq!(written, two_hours_ago);
        let refused = read("yesterday").expect_err("it is none").to_string();
        assert!(
            refused.starts_with("--since \"yesterday\" is neither"),
            "{refused}"
        );
    }

    #[test]
    fn runs_are_shown_in_a_table() {
        let items = [
            json!({"id": "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11", "workflow_id": "w", "status": "failed", "created_at": "2026-01-31T09:00:01.500000Z", "error": "step \"a\" failed: no"}),
            json!({"id": "019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a12", "workflow_id": "v", "status": "success", "created_at": "2026-01-31T08:00:01.500000Z", "error": null}),
        ];
        let names = HashMap::from([("w".to_owned(), "order-paid".to_owned())]);
        insta::assert_snapshot!(table(&items, &names), @r#"
        run                                   status     triggered            workflow
        019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11  failed     2026-01-31T09:00:01  order-paid  step "a" failed: no
        019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a12  success    2026-01-31T08:00:01  v
        "#);
        assert_eq!(table(&[], &names), "there are no such runs\n");
    }
}
