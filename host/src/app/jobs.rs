//! `millwork jobs`.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};

use super::run::{read_labels, read_place, read_time};
use super::workflow::{client, encode, find, text};
use crate::cli::jobs::{Job, JobsCommand, Start};
use crate::client::Client;
use crate::clock::{Clock as _, SystemClock};

/// Does what is asked.
pub(super) async fn run(command: JobsCommand) -> Result<()> {
    match command {
        JobsCommand::List { server } => {
            let client = client(&server)?;
            let jobs = client.ask(Method::GET, "/api/v1/jobs?limit=50", None);
            print!("{}", table(&jobs.await?));
            Ok(())
        }
        JobsCommand::Show(job) => ask(Method::GET, job).await,
        JobsCommand::Cancel(job) => ask(Method::DELETE, job).await,
        JobsCommand::Start(wanted) => start(*wanted).await,
    }
}

async fn ask(method: Method, wanted: Job) -> Result<()> {
    let path = format!("/api/v1/jobs/{}", encode(&wanted.job));
    let shown = client(&wanted.server)?.ask(method, &path, None).await?;
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}

async fn start(wanted: Start) -> Result<()> {
    let client = client(&wanted.server)?;
    let body = request(&client, &wanted).await?;
    let job = client
        .ask(Method::POST, "/api/v1/jobs", Some(&body))
        .await?;
    println!("{}", text(&job, "id"));
    Ok(())
}

async fn request(client: &Client, wanted: &Start) -> Result<Value> {
    let mut filter = json!({"labels": read_labels(&wanted.labels)?});
    if let Some(called) = &wanted.workflow {
        filter["workflow_id"] = find(client, called).await?["uuid"].clone();
    }
    if !wanted.status.is_empty() {
        filter["status"] = json!(wanted.status);
    }
    let now = SystemClock.now();
    let times = [
        ("--since", "created_from", &wanted.since),
        ("--until", "created_before", &wanted.until),
    ];
    for (flag, field, given) in times {
        if let Some(given) = given {
            filter[field] = read_time(flag, given, now)?.to_string().into();
        }
    }
    let mut body =
        json!({"operation": wanted.operation, "filter": filter, "dry_run": wanted.dry_run});
    if let Some(reason) = &wanted.reason {
        body["reason"] = reason.as_str().into();
    }
    if let Some(from) = &wanted.from {
        body["from"] = read_place(from);
    }
    if wanted.newest {
        body["with"] = "newest".into();
    }
    Ok(body)
}

fn table(page: &Value) -> String {
    let items = page["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        return "there are no jobs\n".to_owned();
    }
    let mut told = format!("{:36}  {:9}  {:9}  runs\n", "job", "operation", "status");
    for job in items {
        let (id, operation, status) =
            (text(job, "id"), text(job, "operation"), text(job, "status"));
        let [found, done, skipped, failed] =
            ["found", "done", "skipped", "failed"].map(|name| &job[name]);
        told += &format!(
            "{id}  {operation:9}  {status:9}  {found} found, {done} done, {skipped} skipped, {failed} failed\n"
        );
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_shown_in_a_table() {
        let job = json!({"id": "019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66", "operation": "cancel", "status": "running", "found": 50, "done": 49, "skipped": 1, "failed": 0});
        let told = table(&json!({"items": [job]}));
        let line = "019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66  cancel     running    50 found, 49 done, 1 skipped, 0 failed\n";
        assert!(told.ends_with(line), "{told}");
        assert_eq!(table(&json!({"items": []})), "there are no jobs\n");
    }
}
