//! `millwork secret`: gives secrets to a server, lists them and takes them back.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use hyper::Method;
use serde_json::{Value, json};

use crate::cli::plugin::Server;
use crate::cli::secret::SecretCommand;
use crate::client::Client;

/// Does what the command line asks.
pub(super) async fn run(command: SecretCommand) -> Result<()> {
    match command {
        SecretCommand::Set { name, file, server } => {
            let value = match file {
                Some(file) => std::fs::read_to_string(&file)
                    .with_context(|| format!("could not read {}", file.display()))?,
                None => {
                    let mut value = String::new();
                    std::io::stdin()
                        .read_to_string(&mut value)
                        .context("could not read the secret from standard input")?;
                    value
                }
            };
            // An editor, and `echo`, end a file with a line break that nobody means.
            let value = value.strip_suffix('\n').unwrap_or(&value);
            let body = json!({"value": value});
            let path = format!("/api/v1/secrets/{name}");
            client(&server)?
                .ask(Method::PUT, &path, Some(&body))
                .await?;
            println!("{name} is kept");
        }
        SecretCommand::List(server) => {
            let listed = client(&server)?
                .ask(Method::GET, "/api/v1/secrets", None)
                .await?;
            print!("{}", table(&listed));
        }
        SecretCommand::Remove { name, server } => {
            let path = format!("/api/v1/secrets/{name}");
            client(&server)?.ask(Method::DELETE, &path, None).await?;
            println!("{name} is removed");
        }
        SecretCommand::Reseal(server) => {
            let answer = client(&server)?
                .ask(Method::POST, "/api/v1/secrets/reseal", None)
                .await?;
            println!("{} secrets were sealed anew", answer["resealed"]);
        }
    }
    Ok(())
}

fn client(server: &Server) -> Result<Client> {
    Client::new(&server.url, server.token.as_deref())
}

fn table(list: &Value) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{:32}  {:14}  {}\n", "name", "where", "given");
    for secret in list["items"].as_array().into_iter().flatten() {
        let part = |name: &str| secret[name].as_str().unwrap_or_default();
        let note = match secret["readable"].as_bool() {
            Some(false) => "  sealed with a key that the server does not have",
            _ => "",
        };
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{:32}  {:14}  {}{note}",
            part("name"),
            part("origin"),
            part("updated_at")
        );
    }
    text
}
