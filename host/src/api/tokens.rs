//! Tokens: making one, listing them, revoking one.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use millwork_core::access::{Scope, Scopes};
use millwork_core::id::TokenId;
use millwork_store::Token;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Limit, Members};
use super::guard::Target;
use super::json::{Time, answer};
use super::openapi::{Body as BodyProblems, InvalidRequest, Unavailable, UnknownToken};
use super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::problem::{Fault, Kind, Problem};
use super::query::{Id, Query};
use crate::access::NAME_MAX;
use crate::config::parse_span;
use crate::nearest::unknown;

/// A token to be made.
#[derive(ToSchema)]
#[schema(as = TokenRequest, example = json!({"name": "shop", "scopes": ["trigger"], "expires_in": "90d"}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(super) struct TokenRequest {
    /// What it is for.
    #[schema(max_length = 128)]
    name: String,
    /// What its bearer may do: `read`, `trigger`, `write`, or `admin`, which is everything.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// When it ends by itself: a span of time; never, where nothing is said.
    #[schema(example = "90d")]
    expires_in: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    /// Its identifier.
    #[schema(value_type = Uuid)]
    id: TokenId,
    /// What it is for.
    #[schema(example = "shop")]
    name: String,
    /// What its bearer may do.
    #[schema(example = json!(["trigger"]))]
    scopes: Vec<&'static str>,
    /// When it was made.
    created_at: Time,
    /// When it ends by itself.
    #[schema(required)]
    expires_at: Option<Time>,
    /// When it was revoked.
    #[schema(required)]
    revoked_at: Option<Time>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(Scope::as_str).collect(),
            created_at: Time(token.created_at),
            expires_at: token.expires_at.map(Time),
            revoked_at: token.revoked_at.map(Time),
        }
    }
}

/// A token that has just been made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenCreated {
    #[serde(flatten)]
    token: TokenView,
    /// What to send as `Authorization: Bearer …`. It is shown this once and kept nowhere.
    #[schema(example = "mw_019ab2f05d3c7e118c3a6f2f0a9d1e55_…")]
    bearer: String,
}

/// Make a token
///
/// Its secret is in the answer and nowhere else.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "create_token",
    tag = "access",
    request_body(content = TokenRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The token", body = TokenCreated),
        BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, LIMIT, api.body_timeout()).await?;
    let Wanted {
        name,
        scopes,
        expires_in,
    } = read(&body)?;
    let (token, bearer) = api.gate().create_token(name, scopes, expires_in).await?;
    let id = token.id;
    let created = TokenCreated {
        token: token.into(),
        bearer,
    };
    Ok(Target::of(answer(StatusCode::CREATED, &created), &id))
}

/// List tokens
///
/// Also those that have ended. The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "list_tokens",
    tag = "access",
    params(
        ("limit" = Option<usize>, Query, description = "Items on the page", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of tokens", body = Page<TokenView>), InvalidRequest, Unavailable),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let after = query.one("cursor", read_cursor);
    query.finish()?;
    let tokens = api
        .gate()
        .list_tokens(after.map(TokenId::from_bytes), limit + 1);
    let items = tokens.await?.into_iter().map(TokenView::from).collect();
    let page = Page::of(items, limit, |token| *token.id.as_bytes());
    Ok(answer(StatusCode::OK, &page))
}

/// Revoke a token
///
/// At once in the process that answers, within five seconds in others. The token stays in the list.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{token_id}",
    operation_id = "revoke_token",
    tag = "access",
    params(("token_id" = Uuid, Path, description = "The token")),
    responses(
        (status = 200, description = "The token, which has ended", body = TokenView),
        UnknownToken, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Id(id): Id<TokenId>,
) -> Result<Response, Problem> {
    let revoked = api.gate().revoke_token(id).await?;
    let unknown = || Problem::new(Kind::UnknownToken, format!("there is no token {id}"));
    let revoked = revoked.ok_or_else(unknown)?;
    Ok(answer(StatusCode::OK, &TokenView::from(revoked)))
}

/// A name and some words; that is no setting.
const LIMIT: Limit = Limit {
    what: "the token",
    bytes: NonZeroUsize::new(4_096).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

#[derive(Debug, PartialEq)]
struct Wanted {
    name: String,
    scopes: Scopes,
    expires_in: Option<Duration>,
}

fn read(body: &[u8]) -> Result<Wanted, Problem> {
    let (mut name, mut scopes, mut expires_in) = (None, None, None);
    let mut faults = Vec::new();
    for (member, value) in Members::read(body)?.0 {
        let read = match &*member {
            "name" => read_name(value).map(|read| name = Some(read)),
            "scopes" => read_scopes(value).map(|read| scopes = Some(read)),
            "expires_in" => read_expiry(value).map(|read| expires_in = read),
            other => Err(unknown("field", other, ["name", "scopes", "expires_in"])),
        };
        faults.extend(
            read.err()
                .map(|why| Fault::new(body::pointer(&member), why)),
        );
    }
    let is_missing = |place: &str| Fault::new(place, "is missing");
    let told: BTreeSet<_> = faults.iter().map(|fault| fault.path().to_owned()).collect();
    for (place, found) in [("/name", name.is_some()), ("/scopes", scopes.is_some())] {
        if !found && !told.contains(place) {
            faults.push(is_missing(place));
        }
    }
    match (name, scopes) {
        (Some(name), Some(scopes)) if faults.is_empty() => Ok(Wanted {
            name,
            scopes,
            expires_in,
        }),
        _ => Err(Problem::invalid(faults)),
    }
}

fn read_name(value: &RawValue) -> Result<String, String> {
    let name = body::string(value).ok_or("must be a string")?;
    match name.chars().count() {
        1..=NAME_MAX if !name.chars().any(char::is_control) => Ok(name.into_owned()),
        1..=NAME_MAX => Err("must not hold control characters".to_owned()),
        _ => Err(format!("must have 1 to {NAME_MAX} characters")),
    }
}

fn read_scopes(value: &RawValue) -> Result<Scopes, String> {
    let words: Vec<String> = serde_json::from_str(value.get())
        .map_err(|_| "must be a list such as [\"read\", \"trigger\"]".to_owned())?;
    let scopes = words.iter().map(|word| word.parse::<Scope>());
    let scopes: Scopes = scopes
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    match scopes.is_empty() {
        true => Err("must name at least one of read, trigger, write and admin".to_owned()),
        false => Ok(scopes),
    }
}

fn read_expiry(value: &RawValue) -> Result<Option<Duration>, String> {
    if value.get() == "null" {
        return Ok(None);
    }
    let span = body::string(value).and_then(|text| parse_span(&text));
    match span {
        Some(span) if !span.is_zero() => Ok(Some(span)),
        _ => Err("must be a span of time such as \"90d\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let problem = read(body.as_bytes()).expect_err("it does not hold");
        let body: serde_json::Value =
            serde_json::from_slice(&problem.body("r")).expect("it is JSON");
        let faults = body["errors"].as_array().expect("there are faults");
        let text = |fault: &serde_json::Value, part: &str| {
            fault[part].as_str().unwrap_or_default().to_owned()
        };
        let lines = faults
            .iter()
            .map(|fault| format!("{}: {}", text(fault, "path"), text(fault, "message")));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_token_is_asked_for_in_words() {
        let wanted = read(br#"{"name":"shop","scopes":["write","read"],"expires_in":"90d"}"#);
        let wanted = wanted.expect("it holds");
        assert_eq!(
            (wanted.name.as_str(), wanted.scopes.to_string().as_str()),
            ("shop", "read,write")
        );
        assert_eq!(
            wanted.expires_in,
            Some(Duration::from_secs(90 * 24 * 3_600))
        );
        let wanted = read(br#"{"name":"shop","scopes":["admin"],"expires_in":null}"#);
        assert_eq!(wanted.expect("it holds").expires_in, None);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        insta::assert_snapshot!(refused(r#"{"scopes":["root"],"expires_in":7,"nmae":"x"}"#), @r#"
        /scopes: "root" is no scope: it is one of read, trigger, write and admin
        /expires_in: must be a span of time such as "90d"
        /nmae: unknown field "nmae"; did you mean "name"?
        /name: is missing
        "#);
        insta::assert_snapshot!(refused(r#"{"name":"a\u0000","scopes":[]}"#), @r"
        /name: must not hold control characters
        /scopes: must name at least one of read, trigger, write and admin
        ");
        insta::assert_snapshot!(refused(r#"{"name":"","scopes":"read","expires_in":"0s"}"#), @r#"
        /name: must have 1 to 128 characters
        /scopes: must be a list such as ["read", "trigger"]
        /expires_in: must be a span of time such as "90d"
        "#);
    }
}
