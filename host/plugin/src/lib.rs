//! Plugins: the port through which the engine runs them, and the WebAssembly sandbox behind it.
//!
//! The door is [`PluginRuntime`]. Behind it stands [`Plugins`], which loads components, keeps the catalogue and runs
//! every call in an instance of its own; [`fake::Fake`] stands there in tests.
//!
//! A plugin can do what its manifest asks *and* the operator grants ([`grant`]), for a bounded time in bounded memory
//! ([`Limits`]). Whatever it does otherwise costs one attempt at one step.
//!
//! Only this crate knows wasmtime. It decides nothing about runs, and asks nobody what time it is.

mod catalog;
mod decision;
pub mod fake;
mod folder;
pub mod grant;
mod imports;
mod limits;
#[doc(hidden)]
pub mod made_up;
mod manifest;
mod metrics;
mod plugins;
mod premises;
mod schema;
mod trust;
mod wasm;

use std::time::Duration;

use async_trait::async_trait;
use millwork_core::connector::{Connector, TypeRef};
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Resume};
use millwork_core::time::Timestamp;
use millwork_core::trace::TraceContext;

pub use self::catalog::{Listed, LoadedPlugin, Origin};
pub use self::decision::{Decision, Decisions, Standing};
pub use self::folder::{FolderReport, RefusedFile};
pub use self::grant::{Ask, DirectoryRule, Grant, Grants, HttpRule, Network};
pub use self::imports::http::names::{Names, SystemNames};
pub use self::imports::http::tape::{Recorded, Tape};
pub use self::imports::kv;
pub use self::imports::secrets::{Secret, Secrets};
pub use self::limits::Limits;
pub use self::manifest::{Action, Example, Manifest, Traits};
pub use self::plugins::{Options, PluginSource, Plugins, StoredPlugin};
pub use self::premises::Premises;
pub use self::schema::Schema;
pub use self::trust::{Parcel, Trust, TrustError, Untrusted};
pub use self::wasm::call::Used;
pub use self::wasm::gate::{Mismatch, Unfit, acts};
pub use self::wasm::load::{Refusal, digest};
pub use self::wasm::sandbox::SandboxError;

/// PORT: runs plugins, and knows which there are.
#[async_trait]
pub trait PluginRuntime: Send + Sync + 'static {
    /// Runs one attempt at a step in a fresh sandbox.
    ///
    /// Whatever the plugin does comes back as a [`Failure`]: a trap, an endless loop, an output that is no JSON.
    /// Dropping the future interrupts the call. The same call may be made twice; its idempotency key tells.
    async fn invoke(&self, call: Invocation) -> Reply;

    /// Says what is wrong with a configuration, by the action's schema and by the plugin's own `validate`.
    /// Values that hold an expression (a `${`) are not judged.
    async fn validate(&self, connector: &Connector, config: &serde_json::Value) -> Vec<FieldError>;

    /// Finds what a `type` means now.
    ///
    /// # Errors
    /// A sentence for the author of the workflow: what is unknown, and the nearest thing that is known.
    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String>;

    /// Whether a plugin imports nothing that acts on the world, so that calling it again harms nothing. Not, where it is not known.
    fn is_pure(&self, plugin: &Digest) -> bool;
}

/// One attempt at a step, with everything that the plugin is told.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Which plugin: the bytes that the run is pinned to.
    pub plugin: Digest,
    /// Which of its actions.
    pub action: String,
    /// The configuration of the step, every expression evaluated.
    pub config: Json,
    /// How long the call may take, host calls included.
    pub timeout: Duration,
    /// The wall clock at the start of the call; the guest's clock counts on from here.
    pub now: Timestamp,
    /// The run.
    pub run: RunId,
    /// The trace that the call belongs to, where it belongs to one.
    pub trace: Option<CallTrace>,
    /// The name of the workflow.
    pub workflow: String,
    /// The name of the step.
    pub step: String,
    /// Which iteration of a loop this is, from zero.
    pub iteration: Option<u32>,
    /// Which attempt this is, from one.
    pub attempt: u32,
    /// The same over all attempts and restarts.
    pub idempotency_key: String,
    /// What woke it, where this continues a suspended call.
    pub resumed: Option<Resume>,
}

/// The trace that a call belongs to: the plugin's requests say so to those who get them, unless the plugin says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTrace {
    /// The place of the call.
    pub at: TraceContext,
    /// Whether each request has a place of its own below that one, and is told of in the reply. Otherwise what is sent along is the
    /// place as it is.
    pub is_recorded: bool,
}

/// A request that a plugin has sent while it was traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// Its place in the trace.
    pub at: TraceContext,
    /// Its method.
    pub method: String,
    /// Where it went. Without a path: a secret may stand in it.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
    /// When it was sent.
    pub began: Timestamp,
    /// When its answer was there.
    pub ended: Timestamp,
    /// The status of the answer, or a word for why there is none.
    pub result: Result<u16, &'static str>,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The outcome, or why there is none.
    pub result: Result<Outcome, Failure>,
    /// What the plugin said meanwhile: its log, its standard output and error. Bounded.
    pub log: Vec<LogLine>,
    /// The requests that it sent, where the call was traced. Bounded.
    pub sent: Vec<SentRequest>,
}

impl Reply {
    /// A failure of which the plugin itself had nothing to say.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            log: Vec::new(),
            sent: Vec::new(),
        }
    }
}

/// A line of a plugin's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was said.
    pub at: Timestamp,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What was said, with its fields written after it.
    pub message: String,
}

impl From<LogLine> for millwork_core::event::LogLine {
    fn from(line: LogLine) -> Self {
        use millwork_core::event::LogLevel;
        let level = match line.level {
            "trace" => LogLevel::Trace,
            "debug" => LogLevel::Debug,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        Self {
            at: line.at,
            level,
            message: line.message,
        }
    }
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901) into the configuration; empty for the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}
