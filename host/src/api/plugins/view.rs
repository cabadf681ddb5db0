//! A plugin, as the API shows it.

use millwork_plugin::{Grant, Listed, Origin, RefusedFile, Standing};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::shelf::Shelf;

/// A version of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(super) struct PluginView {
    /// Its name, which is the beginning of a step's `type`.
    #[schema(example = "webhook")]
    pub(super) name: String,
    /// Its version.
    #[schema(example = "1.0.0")]
    pub(super) version: String,
    /// The SHA-256 of its bytes, to which runs are pinned.
    pub(super) digest: String,
    /// What it is for.
    pub(super) description: String,
    /// What it can do.
    pub(super) actions: Vec<ActionView>,
    /// Where it came from: `bundled`, or the path of its file.
    #[schema(example = "bundled")]
    pub(super) origin: String,
    /// Whether it can do nothing to the world, so that running it again harms nothing.
    pub(super) pure: bool,
    /// What it asks for, in words: `http https://slack.com`, `secret token`, `kv`, `directory data`, `variable REGION`.
    pub(super) asks: Vec<String>,
    /// What of that nobody has granted; it is refused when it is used.
    pub(super) missing_grants: Vec<String>,
    /// Whether new runs may use it: `active`; `awaiting-consent`, where it asks for more than was agreed to; `disabled`.
    #[schema(example = "active")]
    pub(super) status: String,
    /// What it asks for beyond what was agreed to.
    pub(super) asks_more: Vec<String>,
    /// What it is granted.
    #[schema(value_type = GrantDocument)]
    pub(super) grants: Grant,
    /// Whether the configuration says what it is granted: then it is changed there.
    pub(super) granted_by_configuration: bool,
    /// The size of its component.
    pub(super) size_bytes: usize,
    /// The key that has signed it, of those that the configuration trusts.
    #[schema(required)]
    pub(super) signed_by: Option<String>,
}

/// Something that a plugin can do.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Action)]
pub(super) struct ActionView {
    /// Its name; a step's `type` is `plugin.action`, or the plugin alone for its first action.
    #[schema(example = "post-message")]
    pub(super) name: String,
    /// Its name, for people.
    #[schema(example = "Post a message")]
    pub(super) title: String,
    /// What it does.
    pub(super) description: String,
    /// A JSON Schema of its configuration.
    #[schema(value_type = Object)]
    pub(super) config_schema: Value,
    /// A JSON Schema of its output.
    #[schema(value_type = Object)]
    pub(super) output_schema: Value,
    /// Configurations that hold.
    #[schema(value_type = Vec<Object>)]
    pub(super) examples: Vec<Value>,
    /// Whether it changes nothing.
    pub(super) read_only: bool,
    /// Whether doing it twice is the same as doing it once.
    pub(super) idempotent: bool,
    /// Whether it may destroy something.
    pub(super) destructive: bool,
    /// How long an attempt may take where the step does not say, in milliseconds.
    #[schema(required)]
    pub(super) timeout_ms: Option<u64>,
    /// How many attempts are made where the step does not say.
    #[schema(required)]
    pub(super) attempts_max: Option<u32>,
}

/// What a plugin may do. It also has to ask for it.
#[derive(ToSchema)]
#[schema(as = Grant, example = json!({"http": ["https://slack.com"], "kv": true, "secrets": {"slack-token": ["https://slack.com"]}}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read by the plugin host"
)]
pub(super) struct GrantDocument {
    /// HTTP: `https://slack.com`, `https://*.example.com:8443`, `GET,HEAD https://example.com`, `*`.
    http: Option<Vec<String>>,
    /// Which addresses those hosts may have besides public ones: `loopback`, `private` or a network such as `10.1.0.0/16`.
    private_networks: Option<Vec<String>>,
    /// Small values kept between calls.
    kv: Option<bool>,
    /// Secrets that may be put into its requests, unseen, each with the hosts that it may be sent to.
    #[schema(value_type = Option<Object>)]
    secrets: Option<Value>,
    /// Secrets that it may see.
    reveal: Option<Vec<String>>,
    /// Directories that the configuration offers, by the names that the plugin asks for: `{"data": "reports"}` to be read,
    /// `{"data": "write reports"}` to be written to as well.
    #[schema(value_type = Option<Object>)]
    directories: Option<Value>,
    /// Variables that the configuration offers, by the names that the plugin asks for: `{"REGION": "region-of-shop"}`.
    #[schema(value_type = Option<Object>)]
    variables: Option<Value>,
}

/// A file of the plugins folder that is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RefusedFile)]
pub(super) struct RefusedView {
    /// The file.
    path: String,
    /// Why.
    reason: String,
    /// What stays in use, where the file was good before.
    #[schema(required)]
    still_loaded: Option<String>,
}

impl From<RefusedFile> for RefusedView {
    fn from(file: RefusedFile) -> Self {
        Self {
            path: file.path.display().to_string(),
            reason: file.reason,
            still_loaded: file.still_loaded,
        }
    }
}

impl PluginView {
    pub(super) fn of(listed: &Listed, shelf: &Shelf) -> Self {
        let Listed { plugin, standing } = listed;
        let origin = match &plugin.origin {
            Origin::Bundled => "bundled".to_owned(),
            Origin::File(path) => path.display().to_string(),
            Origin::Installed => "installed".to_owned(),
            Origin::Stored => "store".to_owned(),
        };
        let texts = |asks: &mut dyn Iterator<Item = String>| asks.collect();
        Self {
            name: plugin.name().to_owned(),
            version: plugin.version().to_string(),
            digest: plugin.digest.to_string(),
            description: plugin.manifest.description.clone(),
            actions: plugin.manifest.actions.iter().map(ActionView::of).collect(),
            origin,
            pure: plugin.pure,
            asks: texts(&mut plugin.manifest.asks.iter().map(ToString::to_string)),
            missing_grants: texts(&mut plugin.ungranted().iter().map(ToString::to_string)),
            status: standing.to_string(),
            asks_more: match standing {
                Standing::AwaitsConsent { more } => more.clone(),
                Standing::Active | Standing::Disabled => Vec::new(),
            },
            grants: plugin.grant(),
            granted_by_configuration: shelf.is_granted_by_configuration(plugin.name()),
            size_bytes: plugin.size_bytes(),
            signed_by: plugin.signed_by.clone(),
        }
    }
}

impl ActionView {
    fn of(action: &millwork_plugin::Action) -> Self {
        Self {
            name: action.name.clone(),
            title: action.title.clone(),
            description: action.description.clone(),
            config_schema: action.config_schema().clone(),
            output_schema: action.output_schema.clone(),
            examples: action
                .examples
                .iter()
                .map(|example| example.config.value().clone())
                .collect(),
            read_only: action.traits.read_only,
            idempotent: action.traits.idempotent,
            destructive: action.traits.destructive,
            timeout_ms: action
                .timeout
                .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            attempts_max: action.attempts_max,
        }
    }
}
