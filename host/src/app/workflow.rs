//! `millwork apply`, `diff`, `validate`, `workflows`.

mod compare;
mod files;
mod find;
mod manage;
mod offline;

use anyhow::{Context as _, Result};
use hyper::Method;
use serde_json::{Value, json};

use super::Verdict;
use crate::cli::plugin::Server;
use crate::cli::workflow::{Apply, Output, Validate};
use crate::client::Client;
use crate::document::Document;

pub(super) use compare::diff;
pub(super) use find::{encode, find, text};
pub(super) use manage::run;

pub(super) fn client(server: &Server) -> Result<Client> {
    Client::new(&server.url, server.token.as_deref())
}

/// Makes definitions what the server has.
pub(super) async fn apply(wanted: Apply) -> Result<Verdict> {
    let documents = files::read(&wanted.files)?;
    let client = client(&wanted.server)?;
    // All of them before any of them: so half of a folder is applied only where the server goes away in between.
    let problems = ask_for_problems(&client, &documents).await?;
    if !problems.is_empty() {
        print_problems(&problems, Output::Text)?;
        return Ok(Verdict::No);
    }
    let mut applied = Vec::new();
    for document in &documents {
        let done = apply_one(&client, document).await;
        let done = done.with_context(|| format!("could not apply {}", document.path.display()))?;
        if wanted.output == Output::Text {
            println!(
                "{:30}  {:9}  version {:4}  {}",
                text(&done, "name"),
                text(&done, "result"),
                done["version"].to_string(),
                text(&done, "workflow_id")
            );
        }
        applied.push(done);
    }
    if wanted.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&applied)?);
    }
    Ok(Verdict::Done)
}

async fn apply_one(client: &Client, document: &Document) -> Result<Value> {
    let definition = Some(&document.value);
    let (id, version, result) = match find::find_own(client, &document.value).await? {
        None => {
            let created = client
                .ask(Method::POST, "/api/v1/workflows", definition)
                .await?;
            (created["workflow_id"].clone(), json!(1), "created")
        }
        Some(item) => {
            let path = format!("/api/v1/workflows/{}", text(&item, "uuid"));
            let updated = client.ask(Method::PUT, &path, definition).await?;
            let is_same = updated["version"] == item["version"];
            let result = if is_same { "unchanged" } else { "updated" };
            (item["uuid"].clone(), updated["version"].clone(), result)
        }
    };
    Ok(json!({
        "file": document.path.display().to_string(),
        "name": find::name_of(&document.value),
        "workflow_id": id,
        "version": version,
        "result": result,
    }))
}

/// Checks definitions, without a server or by one.
pub(super) async fn validate(wanted: Validate) -> Result<Verdict> {
    let documents = files::read(&wanted.files)?;
    let problems = match &wanted.url {
        Some(url) => {
            let client = Client::new(url, wanted.token.as_deref())?;
            ask_for_problems(&client, &documents).await?
        }
        None => {
            let (problems, unknown) = offline::check(&documents).await?;
            for name in unknown {
                eprintln!(
                    "note: the plugin \"{name}\" does not come with Millwork, so its configurations were not checked: a server that has it does, with --url"
                );
            }
            problems
        }
    };
    if !problems.is_empty() {
        print_problems(&problems, wanted.output)?;
        return Ok(Verdict::No);
    }
    match (wanted.output, documents.len()) {
        (Output::Json, _) => println!("[]"),
        (Output::Text, 1) => println!("the definition holds"),
        (Output::Text, count) => println!("all {count} definitions hold"),
    }
    Ok(Verdict::Done)
}

/// Something wrong with a definition.
struct Placed<'a> {
    document: &'a Document,
    path: String,
    message: String,
}

fn print_problems(problems: &[Placed<'_>], output: Output) -> Result<()> {
    match output {
        Output::Text => {
            for problem in problems {
                let line = problem.document.point_at(&problem.path, &problem.message);
                eprintln!("{line}");
            }
        }
        Output::Json => {
            let problems = problems.iter().map(|problem| {
                let place = problem.document.place(&problem.path);
                json!({
                    "file": problem.document.path.display().to_string(),
                    "line": place.line,
                    "column": place.column,
                    "path": problem.path,
                    "message": problem.message,
                })
            });
            let problems: Vec<_> = problems.collect();
            println!("{}", serde_json::to_string_pretty(&problems)?);
        }
    }
    Ok(())
}

async fn ask_for_problems<'a>(
    client: &Client,
    documents: &'a [Document],
) -> Result<Vec<Placed<'a>>> {
    let mut problems = Vec::new();
    for document in documents {
        let path = "/api/v1/workflows/validate";
        let told = client
            .ask(Method::POST, path, Some(&document.value))
            .await
            .with_context(|| format!("could not check {}", document.path.display()))?;
        let errors = told["errors"].as_array().into_iter().flatten();
        problems.extend(errors.map(|error| Placed {
            document,
            path: text(error, "path").to_owned(),
            message: text(error, "message").to_owned(),
        }));
    }
    Ok(problems)
}
