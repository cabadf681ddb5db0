//! Secrets: giving them, listing their names, taking them back. What they are is never told.

use std::num::NonZeroUsize;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Limit, Members};
use super::json::{Time, answer};
use super::openapi::{
    Body as BodyProblems, InvalidRequest, SecretRefused, Unavailable, UnknownSecret,
};
use super::problem::{Fault, Kind, Problem};
use super::query::Id;
use crate::nearest::unknown;
use crate::safe::{Listed, Place, Refusal, VALUE_MAX_BYTES};

/// A secret to be kept.
#[derive(ToSchema)]
#[schema(as = SecretRequest, example = json!({"value": "xoxb-…"}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(super) struct SecretRequest {
    /// What it is.
    #[schema(min_length = 6, max_length = 65_536)]
    value: String,
}

/// A secret, without what it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub(super) struct SecretView {
    /// Its name.
    #[schema(example = "slack-token")]
    name: String,
    /// Where it is: `configuration` or `store`.
    #[schema(example = "store")]
    origin: &'static str,
    /// When it was given, where it is in the store.
    #[schema(required)]
    updated_at: Option<Time>,
    /// Whether this server has the key that it is sealed with.
    readable: bool,
}

/// The secrets that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Secrets {
    /// By name.
    items: Vec<SecretView>,
}

/// What was sealed anew.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resealed {
    /// How many secrets.
    #[schema(example = 3)]
    resealed: usize,
}

impl From<Listed> for SecretView {
    fn from(secret: Listed) -> Self {
        let (origin, updated_at, readable) = match secret.place {
            Place::Configuration => ("configuration", None, true),
            Place::Store {
                updated_at,
                is_readable,
            } => ("store", Some(Time(updated_at)), is_readable),
        };
        Self {
            name: secret.name,
            origin,
            updated_at,
            readable,
        }
    }
}

/// List secrets
///
/// Their names, and where they are.
#[utoipa::path(
    get,
    path = "/api/v1/secrets",
    operation_id = "list_secrets",
    tag = "plugins",
    responses((status = 200, description = "The secrets", body = Secrets), Unavailable),
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Response, Problem> {
    let items = api.safe().list().await?;
    let items = items.into_iter().map(SecretView::from).collect();
    Ok(answer(StatusCode::OK, &Secrets { items }))
}

/// Keep a secret
///
/// In place of the one of that name before. It is sealed before it is stored, and never told again. A plugin uses it where it asks for
/// it and was granted it.
#[utoipa::path(
    put,
    path = "/api/v1/secrets/{name}",
    operation_id = "put_secret",
    tag = "plugins",
    params(("name" = String, Path, description = "Its name", example = "slack-token")),
    request_body(content = SecretRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The secret", body = SecretView),
        SecretRefused, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn put(
    State(api): State<Api>,
    Id(name): Id<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, LIMIT, api.body_timeout()).await?;
    let value = read(&body)?;
    let secret = api.safe().put(&name, &value).await?;
    Ok(answer(StatusCode::OK, &SecretView::from(secret)))
}

/// Remove a secret
///
/// Plugins that use it fail from their next call on.
#[utoipa::path(
    delete,
    path = "/api/v1/secrets/{name}",
    operation_id = "remove_secret",
    tag = "plugins",
    params(("name" = String, Path, description = "Its name", example = "slack-token")),
    responses(
        (status = 200, description = "The secret, which is gone", body = SecretView),
        UnknownSecret, SecretRefused, Unavailable,
    ),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    let secret = api.safe().remove(&name).await?;
    Ok(answer(StatusCode::OK, &SecretView::from(secret)))
}

/// Seal secrets anew
///
/// With the current key, whatever is sealed with the one before.
#[utoipa::path(
    post,
    path = "/api/v1/secrets/reseal",
    operation_id = "reseal_secrets",
    tag = "plugins",
    responses(
        (status = 200, description = "How many it were", body = Resealed),
        SecretRefused, Unavailable,
    ),
)]
pub(super) async fn reseal(State(api): State<Api>) -> Result<Response, Problem> {
    let resealed = api.safe().reseal().await?;
    Ok(answer(StatusCode::OK, &Resealed { resealed }))
}

/// The longest secret, each byte of it escaped in JSON.
const LIMIT: Limit = Limit {
    what: "the secret",
    bytes: NonZeroUsize::new(VALUE_MAX_BYTES * 6 + 1_024).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

fn read(body: &[u8]) -> Result<String, Problem> {
    let mut value = None;
    let mut faults = Vec::new();
    for (member, said) in Members::read(body)?.0 {
        let read = match &*member {
            "value" => match body::string(said) {
                Some(text) => {
                    value = Some(text.into_owned());
                    Ok(())
                }
                None => Err("must be a string".to_owned()),
            },
            other => Err(unknown("field", other, ["value"])),
        };
        let faulty = |why| Fault::new(body::pointer(&member), why);
        faults.extend(read.err().map(faulty));
    }
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        None if faults.is_empty() => {
            Err(Problem::invalid(vec![Fault::new("/value", "is missing")]))
        }
        _ => Err(Problem::invalid(faults)),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Name(_) => Self::invalid(vec![Fault::new("name", detail)]),
            Refusal::Length(_) => Self::invalid(vec![Fault::new("/value", detail)]),
            Refusal::Unknown(_) => Self::new(Kind::UnknownSecret, detail),
            Refusal::NoKey
            | Refusal::Configured(_)
            | Refusal::TooMany
            | Refusal::OtherKey(_)
            | Refusal::Damaged(_) => Self::new(Kind::SecretRefused, detail),
            Refusal::Store(error) => Self::from(error),
        }
    }
}
