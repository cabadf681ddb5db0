//! Plugins: which there are, and what they can do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Api;
use super::json::answer;

/// A version of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub struct PluginView {
    /// Its name, which is the beginning of a step's `type`.
    #[schema(example = "webhook")]
    pub name: String,
    /// Its version.
    #[schema(example = "1.0.0")]
    pub version: String,
    /// The SHA-256 of its bytes, to which runs are pinned.
    pub digest: String,
    /// What it is for.
    pub description: String,
    /// What it can do.
    pub actions: Vec<ActionView>,
    /// Where it came from: `bundled`, or the path of its file.
    #[schema(example = "bundled")]
    pub origin: String,
    /// Whether it can do nothing to the world, so that running it again harms nothing.
    pub pure: bool,
    /// What it asks for, in words: `http https://slack.com`, `secret token`, `kv`.
    pub asks: Vec<String>,
    /// What of that nobody has granted; it is refused when it is used.
    pub missing_grants: Vec<String>,
}

/// Something that a plugin can do.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Action)]
pub struct ActionView {
    /// Its name; a step's `type` is `plugin.action`, or the plugin alone for its first action.
    #[schema(example = "post-message")]
    pub name: String,
    /// Its name, for people.
    #[schema(example = "Post a message")]
    pub title: String,
    /// What it does.
    pub description: String,
    /// A JSON Schema of its configuration.
    #[schema(value_type = Object)]
    pub config_schema: Value,
    /// A JSON Schema of its output.
    #[schema(value_type = Object)]
    pub output_schema: Value,
    /// Configurations that hold.
    #[schema(value_type = Vec<Object>)]
    pub examples: Vec<Value>,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// Whether doing it twice is the same as doing it once.
    pub idempotent: bool,
    /// Whether it may destroy something.
    pub destructive: bool,
    /// How long an attempt may take where the step does not say, in milliseconds.
    #[schema(required)]
    pub timeout_ms: Option<u64>,
    /// How many attempts are made where the step does not say.
    #[schema(required)]
    pub attempts_max: Option<u32>,
}

/// The plugins that are there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plugins {
    /// By name, the newest version of each first.
    items: Vec<PluginView>,
}

/// List plugins
///
/// Every plugin that a new workflow may use, with the schemas of its configurations and outputs.
#[utoipa::path(
    get,
    path = "/api/v1/plugins",
    operation_id = "list_plugins",
    tag = "plugins",
    responses((status = 200, description = "The plugins", body = Plugins)),
)]
pub(super) async fn list(State(api): State<Api>) -> Response {
    answer(
        StatusCode::OK,
        &Plugins {
            items: api.plugins(),
        },
    )
}
