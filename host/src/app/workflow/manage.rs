//! `millwork workflows`: looks at the workflows of a server, and puts them away.

use anyhow::Result;
use hyper::Method;
use serde_json::Value;

use super::client;
use super::find::{encode, find, items, text};
use crate::cli::workflow::{Output, Workflow, WorkflowsCommand};
use crate::client::Client;

pub(in crate::app) async fn run(command: WorkflowsCommand) -> Result<()> {
    match command {
        WorkflowsCommand::List {
            search,
            archived,
            output,
            server,
        } => {
            let search = search.map(|search| format!("&search={}", encode(&search)));
            let search = search.unwrap_or_default();
            let path = format!("/api/v1/workflows?limit=200&archived={archived}{search}");
            let listed = all(&client(&server)?, &path).await?;
            match output {
                Output::Text => print!("{}", table(&listed)),
                Output::Json => println!("{}", serde_json::to_string_pretty(&listed)?),
            }
        }
        WorkflowsCommand::Show {
            workflow,
            version,
            server,
        } => {
            let client = client(&server)?;
            let mut path = path(&client, &workflow).await?;
            if let Some(version) = version {
                path += &format!("/versions/{version}");
            }
            let definition = client.ask(Method::GET, &path, None).await?;
            println!("{}", serde_json::to_string_pretty(&definition)?);
        }
        WorkflowsCommand::Versions(Workflow { workflow, server }) => {
            let client = client(&server)?;
            let path = path(&client, &workflow).await?;
            for version in all(&client, &format!("{path}/versions?limit=200")).await? {
                let (number, at) = (&version["version"], text(&version, "created_at"));
                println!("{number:>6}  {at}  {}", text(&version, "name"));
            }
        }
        WorkflowsCommand::Archive(workflow) => {
            change(&workflow, Method::DELETE, "?archive=true").await?;
        }
        WorkflowsCommand::Restore(workflow) => {
            change(&workflow, Method::POST, "/restore").await?;
        }
        WorkflowsCommand::Delete(workflow) => change(&workflow, Method::DELETE, "").await?,
    }
    Ok(())
}

async fn change(workflow: &Workflow, method: Method, what: &str) -> Result<()> {
    let client = client(&workflow.server)?;
    let path = path(&client, &workflow.workflow).await?;
    let changed = client.ask(method, &format!("{path}{what}"), None).await?;
    let (message, id) = (text(&changed, "message"), text(&changed, "workflow_id"));
    println!("{message}: {id}");
    Ok(())
}

async fn path(client: &Client, called: &str) -> Result<String> {
    let found = find(client, called).await?;
    Ok(format!("/api/v1/workflows/{}", text(&found, "uuid")))
}

/// All items of a list, page by page.
async fn all(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client
            .ask(Method::GET, &format!("{path}{cursor}"), None)
            .await?;
        listed.extend(items(&page).cloned());
        match page["next_cursor"].as_str() {
            None => return Ok(listed),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

fn table(listed: &[Value]) -> String {
    if listed.is_empty() {
        return "there are no workflows; make one with `millwork apply -f FILE`\n".to_owned();
    }
    let mut told = format!("{:36}  {:24}  {:>7}  name\n", "uuid", "id", "version");
    for item in listed {
        let archived = match item["archived_at"].is_null() {
            true => "",
            false => "  (archived)",
        };
        let (uuid, id) = (text(item, "uuid"), item["id"].as_str().unwrap_or("-"));
        let (version, name) = (item["version"].to_string(), text(item, "name"));
        told += &format!("{uuid}  {id:24}  {version:>7}  {name}{archived}\n");
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn workflows_are_shown_in_a_table() {
        let listed = [
            json!({"uuid": "019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55", "id": "order-paid", "version": 3, "name": "Order paid", "archived_at": null}),
            json!({"uuid": "019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e56", "id": null, "version": 12, "name": "Old", "archived_at": "2026-01-31T09:00:00.000000Z"}),
        ];
        insta::assert_snapshot!(table(&listed), @r"
        uuid                                  id                        version  name
        019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55  order-paid                      3  Order paid
        019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e56  -                              12  Old  (archived)
        ");
        assert!(table(&[]).starts_with("there are no workflows"));
    }
}
