//! What an operator can set: plain sections with their defaults in sight.
//!
//! `config/load.rs` puts the layers together (defaults, file, environment, flags), `config/schema.rs` knows which keys there
//! are, `config/reference.rs` writes `docs/config.md` and `millwork config show` from the comments below.

mod auth;
mod cluster;
mod events;
pub mod load;
mod plugins;
pub mod reference;
mod schema;
mod secret;
mod secrets_key;
mod span;
mod traces;
pub mod variables;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

pub use auth::{Auth, AuthMode};
pub use cluster::{BusKind, Kafka, Postgres, StoreKind};
pub use events::{Events, SigningSecret, Webhook};
pub use load::{Layers, Loaded, load};
pub use plugins::{Grant, Plugins, Trust};
pub use secret::Secret;
pub use secrets_key::SecretsKey;
pub(crate) use span::parse as parse_span;
pub use traces::Traces;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder in which everything is kept: the database, compiled plugins.
    pub data_dir: PathBuf,
    /// The folder that is watched for plugins; `plugins` in the data folder where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins_dir: Option<PathBuf>,
    /// Where runs are kept: `sqlite` or `postgres`. Where nothing is said: PostgreSQL if any of its settings is there, or
    /// the variable `DATABASE_URL` or one of `POSTGRES_…`; else SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// What brings runs to workers: `local` or `kafka`. Where nothing is said: Kafka if `kafka.bootstrap_servers` is set, or
    /// the variable `KAFKA_BOOTSTRAP_SERVERS`; else a queue in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusKind>,
    /// The HTTP server.
    pub server: Server,
    /// Who may do what.
    pub auth: Auth,
    /// The engine.
    pub engine: Engine,
    /// PostgreSQL.
    pub postgres: Postgres,
    /// Kafka.
    pub kafka: Kafka,
    /// What the world is told of runs that end.
    pub events: Events,
    /// How large things may be. A refusal names the limit and the setting.
    pub limits: Limits,
    /// The log, on standard error.
    pub log: Log,
    /// Spans, for OpenTelemetry.
    pub traces: Traces,
    /// What `env` means in the expressions of workflows: names and texts. Every author of a workflow can read them.
    pub env: BTreeMap<String, String>,
    /// Secrets, which plugins use without seeing them: a text, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub secrets: BTreeMap<String, Secret>,
    /// The key that seals the secrets which are given over the API. The store never has it.
    pub secrets_key: SecretsKey,
    /// The plugins.
    pub plugins: Plugins,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address and port to listen on; `0.0.0.0:8002` for every address of this machine, port 0 for any free one.
    #[serde(deserialize_with = "read_address")]
    pub listen: SocketAddr,
    /// Whether the API may listen where others than this machine reach it though it asks for no token (`auth.mode`): whoever
    /// reaches it may do everything.
    pub insecure_no_auth: bool,
    /// How long a request that is under way may go on when the server is told to stop.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub shutdown_timeout: Duration,
    /// How long a connection may take to send the head of its next request; so also how long an idle one is kept.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub idle_timeout: Duration,
    /// How long a request may take to send its body.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub body_timeout: Duration,
    /// The longest `wait` that a trigger may ask for.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub wait_max: Duration,
    /// Streams of events that may be open at a time; who asks for one more is told to come back.
    pub streams_max: NonZeroUsize,
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Runs that are executed at the same time. A run that waits is not executed.
    pub in_flight_max: NonZeroUsize,
    /// Runs that may wait to be executed before triggers are turned away.
    pub backlog_max: NonZeroU64,
    /// Runs that may wait for one key of a workflow's `concurrency` or `rate_limit` before triggers are turned away.
    pub limit_queue_max: NonZeroU32,
    /// Runs that are held ready in memory; the others wait in the store.
    pub queue_max: NonZeroUsize,
    /// How long an attempt at a step is under way before the journal says that it has begun.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub record_start_after: Duration,
    /// How long a run belongs to the worker that took it on without a sign of life; then another one takes it on. It
    /// counts only where workers share a database.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub claim_timeout: Duration,
    /// Whether the result of a step whose plugin acts on nothing may be written together with that of the next step. A crash
    /// then has such steps made again.
    pub commit_elision: bool,
    /// How long an `Idempotency-Key` is remembered.
    #[serde(with = "span")]
    #[schemars(with = "span::Text")]
    pub idempotency_kept: Duration,
    /// How long a finished run is kept; `forever`, or a time such as `30d`.
    #[serde(with = "span::or_forever")]
    #[schemars(with = "span::Text")]
    pub finished_kept: Option<Duration>,
}

/// How large things may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The payload of a run, as JSON text.
    pub payload_max_bytes: NonZeroUsize,
    /// The definition of a workflow, as JSON text.
    pub definition_max_bytes: NonZeroUsize,
    /// The items that one `foreach` goes through.
    pub foreach_items_max: NonZeroUsize,
    /// All outputs of the steps of one run together, as JSON text. They are in memory while the run is executed.
    pub run_outputs_max_bytes: NonZeroUsize,
    /// The events in the journal of one run. One that comes to more fails, and what closes it is done.
    pub run_events_max: NonZeroU32,
    /// Workflows inside each other, the first included.
    pub workflow_depth_max: NonZeroU32,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by part as in `info,millwork::api=debug`.
    pub filter: String,
    /// `text` for people, `json` for machines; `auto` is text on a terminal and JSON elsewhere.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Config {
    /// Where runs are kept.
    #[must_use]
    pub fn store(&self) -> StoreKind {
        self.store.unwrap_or(StoreKind::Sqlite)
    }

    /// What brings runs to workers.
    #[must_use]
    pub fn bus(&self) -> BusKind {
        self.bus.unwrap_or(BusKind::Local)
    }

    /// The folder that is watched for plugins.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.plugins_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("plugins"))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./millwork-data"),
            plugins_dir: None,
            store: None,
            bus: None,
            server: Server::default(),
            auth: Auth::default(),
            engine: Engine::default(),
            postgres: Postgres::default(),
            kafka: Kafka::default(),
            events: Events::default(),
            limits: Limits::default(),
            log: Log::default(),
            traces: Traces::default(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            secrets_key: SecretsKey::default(),
            plugins: Plugins::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8002)),
            insecure_no_auth: false,
            shutdown_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(30),
            wait_max: Duration::from_secs(60),
            streams_max: nonzero(1_000),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            in_flight_max: nonzero(1_000),
            backlog_max: NonZeroU64::new(1_000_000).expect("a default is not zero"),
            limit_queue_max: NonZeroU32::new(10_000).expect("a default is not zero"),
            queue_max: nonzero(10_000),
            record_start_after: Duration::from_millis(200),
            claim_timeout: Duration::from_secs(15),
            commit_elision: true,
            idempotency_kept: Duration::from_secs(24 * 60 * 60),
            finished_kept: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_max_bytes: nonzero(2 << 20),
            definition_max_bytes: nonzero(1 << 20),
            foreach_items_max: nonzero(10_000),
            run_outputs_max_bytes: nonzero(64 << 20),
            run_events_max: NonZeroU32::new(250_000).expect("it is not zero"),
            workflow_depth_max: NonZeroU32::new(8).expect("it is not zero"),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Auto,
        }
    }
}

const fn nonzero(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).expect("a default is not zero")
}

fn read_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format_args!(
            "{text:?} is not an address with a port, such as 127.0.0.1:8002"
        ))
    })
}
