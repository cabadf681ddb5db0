//! `millwork token`: makes, lists and revokes tokens; in the store itself, or by asking a server.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use millwork_core::access::{Scope, Scopes};
use millwork_core::id::TokenId;
use millwork_store::{AuditOutcome, Token};
use serde::Deserialize;
use serde_json::json;

use super::storage;
use crate::access::{Caller, Deed, Gate, NAME_MAX};
use crate::cli::{NewToken, Reach, TokenCommand};
use crate::client::Client;
use crate::config::{StoreKind, parse_span};

/// Tokens on a page of the list.
const PAGE: usize = 200;

/// Does what the command line asks.
pub(super) async fn run(command: TokenCommand) -> Result<()> {
    match command {
        TokenCommand::Create(NewToken {
            name,
            scopes,
            expires,
            reach,
        }) => {
            let wanted = Wanted::read(name, &scopes, expires.as_deref())?;
            let bearer = Tokens::reach(reach).await?.create(wanted).await?;
            eprintln!("This is the token. It is shown this once and kept nowhere:");
            println!("{bearer}");
        }
        TokenCommand::List(reach) => {
            let listed = Tokens::reach(reach).await?.list().await?;
            print!("{}", table(&listed));
        }
        TokenCommand::Revoke { id, reach } => {
            let id: TokenId = id
                .parse()
                .context("name a token by its identifier: `millwork token list` shows them")?;
            let name = Tokens::reach(reach).await?.revoke(id).await?;
            println!("{id} ({name}) is revoked");
        }
    }
    Ok(())
}

/// A token that is wanted.
struct Wanted {
    name: String,
    scopes: Scopes,
    expires_in: Option<Duration>,
    /// As it was written, for a server to read.
    expires_text: Option<String>,
}

impl Wanted {
    fn read(name: String, scopes: &[Scope], expires: Option<&str>) -> Result<Self> {
        let length = name.chars().count();
        if length == 0 || length > NAME_MAX || name.chars().any(char::is_control) {
            bail!(
                "a token's name has 1 to {NAME_MAX} characters, and none of them a control character"
            );
        }
        let expires_in = expires.map(|text| {
            let span = parse_span(text).filter(|span| !span.is_zero());
            span.with_context(|| format!("--expires {text:?} is not a span of time such as 90d"))
        });
        Ok(Self {
            name,
            scopes: scopes.iter().copied().collect(),
            expires_in: expires_in.transpose()?,
            expires_text: expires.map(str::to_owned),
        })
    }
}

/// Where the tokens are.
enum Tokens {
    /// In the store, which nobody else has open or many may share.
    Store(Gate),
    /// Behind a server.
    Server(Box<Client>),
}

/// A token, as lists show it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: TokenId,
    name: String,
    scopes: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

impl From<Token> for Listed {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(|scope| scope.to_string()).collect(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Listed>,
    next_cursor: Option<String>,
}

impl Tokens {
    async fn reach(reach: Reach) -> Result<Self> {
        if let Some(url) = reach.url {
            return Ok(Self::Server(
                Client::new(&url, reach.token.as_deref())?.into(),
            ));
        }
        let config = super::load(reach.settings)?.config;
        let opened = storage::open_for_access(&config).await;
        let storage = match config.store() {
            StoreKind::Postgres => opened?,
            StoreKind::Sqlite => opened.context(
                "could not open the store; a server that has it open is asked with --url, as in --url http://127.0.0.1:8002",
            )?,
        };
        Ok(Self::Store(Gate::open(storage.access, storage.clock)))
    }

    async fn create(&self, wanted: Wanted) -> Result<String> {
        match self {
            Self::Store(gate) => {
                let noted = gate
                    .note(&Caller::CommandLine, deed("create_token"))
                    .await?;
                let made = gate.create_token(wanted.name, wanted.scopes, wanted.expires_in);
                let (token, bearer) = made.await?;
                gate.note_outcome(noted, done(Some(token.id))).await;
                Ok(bearer)
            }
            Self::Server(client) => {
                let scopes: Vec<_> = wanted.scopes.iter().map(Scope::as_str).collect();
                let body = json!({"name": wanted.name, "scopes": scopes, "expires_in": wanted.expires_text});
                let made = client
                    .ask(Method::POST, "/api/v1/tokens", Some(&body))
                    .await?;
                let bearer = made["bearer"].as_str();
                Ok(bearer
                    .context("the server's answer has no token in it")?
                    .to_owned())
            }
        }
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        match self {
            Self::Store(gate) => {
                let mut listed: Vec<Listed> = Vec::new();
                loop {
                    let after = listed.last().map(|last| last.id);
                    let page = gate.list_tokens(after, PAGE).await?;
                    let is_last = page.len() < PAGE;
                    listed.extend(page.into_iter().map(Listed::from));
                    if is_last {
                        return Ok(listed);
                    }
                }
            }
            Self::Server(client) => {
                let mut listed = Vec::new();
                let mut path = format!("/api/v1/tokens?limit={PAGE}");
                loop {
                    let page = client.ask(Method::GET, &path, None).await?;
                    let page: Page = serde_json::from_value(page)
                        .context("the server's answer is no list of tokens")?;
                    listed.extend(page.items);
                    match page.next_cursor {
                        None => return Ok(listed),
                        Some(next) => path = format!("/api/v1/tokens?limit={PAGE}&cursor={next}"),
                    }
                }
            }
        }
    }

    /// Returns the token's name.
    async fn revoke(&self, id: TokenId) -> Result<String> {
        match self {
            Self::Store(gate) => {
                let noted = gate
                    .note(&Caller::CommandLine, deed("revoke_token"))
                    .await?;
                let revoked = gate.revoke_token(id).await?;
                gate.note_outcome(noted, done(Some(id))).await;
                Ok(revoked
                    .with_context(|| format!("there is no token {id}"))?
                    .name)
            }
            Self::Server(client) => {
                let path = format!("/api/v1/tokens/{id}");
                let revoked = client.ask(Method::DELETE, &path, None).await?;
                Ok(revoked["name"].as_str().unwrap_or_default().to_owned())
            }
        }
    }
}

fn deed(action: &str) -> Deed<'_> {
    Deed {
        action,
        path: "millwork token",
        request: "",
    }
}

fn done(token: Option<TokenId>) -> AuditOutcome {
    AuditOutcome {
        status: 200,
        target: token.map(|id| id.to_string()),
    }
}

/// Lines for people.
fn table(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "there are no tokens; make one with `millwork token create NAME --scope trigger`\n"
            .to_owned();
    }
    let mut text = format!("{:36}  {:20}  {:24}  state\n", "id", "name", "scopes");
    for token in listed {
        let state = match (&token.revoked_at, &token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => format!("since {}", token.created_at),
        };
        let scopes = token.scopes.join(",");
        text += &format!("{}  {:20}  {scopes:24}  {state}\n", token.id, token.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_before_anybody_is_asked() {
        let read = |name: &str, expires| {
            Wanted::read(name.to_owned(), &[Scope::Read], expires).map(|wanted| wanted.expires_in)
        };
        assert_eq!(read("ci", None).ok(), Some(None));
        let day = Duration::from_secs(86_400);
        assert_eq!(read("ci", Some("1d")).ok(), Some(Some(day)));
        for (name, expires) in [
            ("", None),
            ("a\nb", None),
            ("ci", Some("0s")),
            ("ci", Some("soon")),
        ] {
            assert!(read(name, expires).is_err(), "{name:?} {expires:?}");
        }
    }
}
