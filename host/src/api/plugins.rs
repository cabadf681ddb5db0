//! Plugins: which there are and what they can do; installing them, granting them powers, taking them out of use.

mod view;

use std::num::NonZeroUsize;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millwork_core::digest::Digest;
use millwork_plugin::{Grant, Listed, Parcel};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Limit};
use super::guard::Target;
use super::json::answer;
use super::openapi::{
    Body as BodyProblems, InvalidRequest, PluginConfigured, PluginInUse, PluginRefused,
    Unavailable, UnknownPlugin,
};
use super::problem::{Fault, Kind, Problem};
use super::query::{Id, IdAndName, Query, parsed};
use crate::shelf::Refusal;
use view::{GrantDocument, PluginView, RefusedView};

/// The plugins that are there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plugins {
    /// By name, the newest version of each first.
    items: Vec<PluginView>,
    /// Files of the plugins folder that are not loaded.
    refused: Vec<RefusedView>,
}

/// List plugins
///
/// Every plugin that has a name, with the schemas of its configurations and outputs, and whether new runs may use it.
#[utoipa::path(
    get,
    path = "/api/v1/plugins",
    operation_id = "list_plugins",
    tag = "plugins",
    responses((status = 200, description = "The plugins", body = Plugins)),
)]
pub(super) async fn list(State(api): State<Api>) -> Response {
    let shelf = api.shelf();
    let refused = shelf.refused().await;
    let plugins = Plugins {
        items: shelf
            .list()
            .iter()
            .map(|listed| PluginView::of(listed, shelf))
            .collect(),
        refused: refused.into_iter().map(RefusedView::from).collect(),
    };
    answer(StatusCode::OK, &plugins)
}

/// Install a plugin
///
/// The body is the component. It is checked, compiled and asked what it is, without any power; then every process of a cluster has
/// it within seconds. It is granted nothing by that.
#[utoipa::path(
    post,
    path = "/api/v1/plugins",
    operation_id = "install_plugin",
    tag = "plugins",
    params(
        ("digest" = Option<String>, Query, description = "The SHA-256 that the bytes must have, in hexadecimal digits"),
        ("Plugin-Signature" = Option<String>, Header, description = "Its signature: the `.minisig` file of minisign, as Base64"),
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"),
    responses(
        (status = 201, description = "The plugin", body = PluginView),
        PluginRefused, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn install(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let digest = query.one("digest", parsed::<Digest>);
    let wasm = body::read(body, api.wasm_limit(), api.body_timeout()).await?;
    query.finish()?;
    require_wasm(&headers)?;
    let signature = signature(&headers)?;
    let parcel = Parcel { wasm, signature };
    let listed = api.shelf().install(parcel, digest).await?;
    Ok(shown(&api, StatusCode::CREATED, &listed))
}

/// Remove a plugin
///
/// A version that was installed. Refused while a run needs it.
#[utoipa::path(
    delete,
    path = "/api/v1/plugins/{name}/{version}",
    operation_id = "remove_plugin",
    tag = "plugins",
    params(
        ("name" = String, Path, description = "The plugin", example = "slack"),
        ("version" = String, Path, description = "The version", example = "1.0.0"),
    ),
    responses(
        (status = 200, description = "The plugin, which is gone", body = PluginView),
        UnknownPlugin, PluginInUse, Unavailable,
    ),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    IdAndName(name, version): IdAndName<String>,
) -> Result<Response, Problem> {
    let listed = api.shelf().remove(&name, &version).await?;
    Ok(shown(&api, StatusCode::OK, &listed))
}

/// Grant a plugin powers
///
/// In place of what was granted before; an empty object takes everything back. It holds from the plugin's next call on, also for runs
/// that have begun. What the plugin does not ask for it cannot do, whatever is granted.
#[utoipa::path(
    put,
    path = "/api/v1/plugins/{name}/grants",
    operation_id = "grant_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin", example = "slack")),
    request_body(content = GrantDocument, content_type = "application/json"),
    responses(
        (status = 200, description = "The plugin", body = PluginView),
        UnknownPlugin, PluginConfigured, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn grant(
    State(api): State<Api>,
    Id(name): Id<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, GRANT_LIMIT, api.body_timeout()).await?;
    let grant: Grant = serde_json::from_value(body::document(&body)?)
        .map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))?;
    let listed = api.shelf().grant(&name, grant).await?;
    Ok(shown(&api, StatusCode::OK, &listed))
}

/// Disable a plugin
///
/// New runs cannot use it. Runs that have begun go on; to stop what they do, take its grants back.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{name}/disable",
    operation_id = "disable_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin", example = "slack")),
    responses((status = 200, description = "The plugin", body = PluginView), UnknownPlugin, Unavailable),
)]
pub(super) async fn disable(
    State(api): State<Api>,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    let listed = api.shelf().set_disabled(&name, true).await?;
    Ok(shown(&api, StatusCode::OK, &listed))
}

/// Enable a plugin
///
/// New runs can use it again.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{name}/enable",
    operation_id = "enable_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin", example = "slack")),
    responses((status = 200, description = "The plugin", body = PluginView), UnknownPlugin, Unavailable),
)]
pub(super) async fn enable(
    State(api): State<Api>,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    let listed = api.shelf().set_disabled(&name, false).await?;
    Ok(shown(&api, StatusCode::OK, &listed))
}

/// Agree to what a plugin asks for
///
/// To what its newest version asks for: a version that asks for more than was agreed to waits until then. It is granted nothing by
/// that.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{name}/agree",
    operation_id = "agree_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin", example = "slack")),
    responses((status = 200, description = "The plugin", body = PluginView), UnknownPlugin, Unavailable),
)]
pub(super) async fn agree(
    State(api): State<Api>,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    let listed = api.shelf().agree(&name).await?;
    Ok(shown(&api, StatusCode::OK, &listed))
}

fn shown(api: &Api, status: StatusCode, listed: &Listed) -> Response {
    let plugin = &listed.plugin;
    let target = format!("{}@{} {}", plugin.name(), plugin.version(), plugin.digest);
    let view = PluginView::of(listed, api.shelf());
    Target::of(answer(status, &view), &target)
}

/// A grant is a page of lines; that is no setting.
const GRANT_LIMIT: Limit = Limit {
    what: "the grant",
    bytes: NonZeroUsize::new(65_536).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

/// The header that carries the signature of a component: a file of several lines, and so as Base64.
pub(crate) const SIGNATURE_HEADER: &str = "plugin-signature";

fn signature(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(SIGNATURE_HEADER) else {
        return Ok(None);
    };
    let text = STANDARD.decode(value.as_bytes()).ok();
    match text.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Ok(Some(text)),
        None => Err(Problem::new(
            Kind::PluginRefused,
            "the header Plugin-Signature is not Base64 of a .minisig file",
        )),
    }
}

fn require_wasm(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE);
    match declared.is_some_and(|declared| declared == "application/wasm") {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::WrongContentType,
            "send the component as it is, with the header Content-Type: application/wasm",
        )),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unknown { .. } => Self::new(Kind::UnknownPlugin, detail),
            Refusal::Unfit(_) | Refusal::Digest { .. } => Self::new(Kind::PluginRefused, detail),
            Refusal::VersionTaken { .. } => Self::new(Kind::PluginVersionTaken, detail),
            Refusal::NotInstalled(_) | Refusal::InUse { .. } => {
                Self::new(Kind::PluginInUse, detail)
            }
            Refusal::Configured(_) => Self::new(Kind::PluginConfigured, detail),
            Refusal::NotHere(problems) => {
                let faults = problems.into_iter();
                Self::invalid(faults.map(|problem| Fault::new("", problem)).collect())
            }
            Refusal::Damaged { .. } => Self::internal().caused_by(refusal),
            Refusal::Store(error) => Self::from(error),
        }
    }
}
