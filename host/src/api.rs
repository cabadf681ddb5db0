//! The REST API: every route on this page, one file a noun behind it.
//!
//! [`router`] makes the routes, [`server`] serves them. Nothing outside this folder knows of requests and statuses.

mod audit;
mod body;
mod console;
mod deliveries;
mod guard;
mod health;
mod hooks;
mod idempotency_key;
mod jobs;
mod json;
mod labels;
mod limits;
mod observe;
pub mod openapi;
mod page;
mod plugins;
mod problem;
mod query;
mod root;
mod runs;
mod schedules;
mod secrets;
pub mod server;
mod signals;
mod stats;
mod tokens;
mod traced;
mod trigger;
mod workflows;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use millwork_core::access::Scope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::access::Gate;
use crate::engine::Engine;
use crate::safe::Safe;
use crate::shelf::Shelf;
use crate::traces::Traces;
use body::Limit;
use guard::{needs, open};
use observe::Observe;

pub(crate) use plugins::SIGNATURE_HEADER;

/// What the API is made of.
pub struct Parts {
    /// The engine.
    pub engine: Engine,
    /// Who may do what.
    pub gate: Arc<Gate>,
    /// The plugins.
    pub shelf: Arc<Shelf>,
    /// The secrets.
    pub safe: Arc<Safe>,
    /// How large a component may be.
    pub wasm_max_bytes: NonZeroUsize,
    /// Where spans go.
    pub traces: Traces,
    /// Writes the metrics down.
    pub metrics: PrometheusHandle,
    /// Cancelled when the process is about to end.
    pub closing: CancellationToken,
    /// How large a payload may be.
    pub payload_max_bytes: NonZeroUsize,
    /// How large a definition may be.
    pub definition_max_bytes: NonZeroUsize,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// The longest wait that a trigger may ask for.
    pub wait_max: Duration,
    /// How many streams of events may be open at a time.
    pub streams_max: NonZeroUsize,
}

/// The API's state, one for all requests.
#[derive(Clone)]
struct Api(Arc<Shared>);

/// What all requests share.
struct Shared {
    parts: Parts,
    streams: Arc<Semaphore>,
}

/// Every route there is, with what it takes and its description. Without a gate there is only the description.
fn routes(gate: Option<&Arc<Gate>>) -> OpenApiRouter<Api> {
    let read = |route| needs(Scope::Read, gate, route);
    let trigger = |route| needs(Scope::Trigger, gate, route);
    let write = |route| needs(Scope::Write, gate, route);
    let admin = |route| needs(Scope::Admin, gate, route);
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(open(routes!(root::hello)))
        .routes(write(routes!(workflows::create)))
        .routes(read(routes!(workflows::list)))
        .routes(read(routes!(workflows::validate)))
        .routes(read(routes!(workflows::show)))
        .routes(write(routes!(workflows::update)))
        .routes(write(routes!(workflows::remove)))
        .routes(write(routes!(workflows::restore)))
        .routes(read(routes!(workflows::versions)))
        .routes(read(routes!(workflows::show_version)))
        .routes(read(routes!(workflows::diff)))
        .routes(trigger(routes!(trigger::trigger)))
        .routes(read(routes!(runs::list)))
        .routes(read(routes!(runs::show)))
        .routes(read(routes!(runs::events)))
        .routes(read(routes!(stats::stats)))
        .routes(read(routes!(stats::history)))
        .routes(read(routes!(runs::logs)))
        .routes(write(routes!(runs::cancel)))
        .routes(write(routes!(runs::kill)))
        .routes(write(routes!(runs::pause)))
        .routes(write(routes!(runs::resume)))
        .routes(write(routes!(runs::retry)))
        .routes(write(routes!(jobs::start)))
        .routes(read(routes!(jobs::list)))
        .routes(read(routes!(jobs::show)))
        .routes(write(routes!(jobs::cancel)))
        .routes(read(routes!(deliveries::list)))
        .routes(read(routes!(deliveries::show)))
        .routes(write(routes!(deliveries::resend)))
        .routes(write(routes!(deliveries::resend_exhausted)))
        .routes(trigger(routes!(signals::send)))
        .routes(read(routes!(limits::list)))
        .routes(read(routes!(schedules::list)))
        .routes(read(routes!(plugins::list)))
        .routes(admin(routes!(plugins::install)))
        .routes(admin(routes!(plugins::remove)))
        .routes(admin(routes!(plugins::grant)))
        .routes(admin(routes!(plugins::disable)))
        .routes(admin(routes!(plugins::enable)))
        .routes(admin(routes!(plugins::agree)))
        .routes(admin(routes!(secrets::list)))
        .routes(admin(routes!(secrets::put)))
        .routes(admin(routes!(secrets::remove)))
        .routes(admin(routes!(secrets::reseal)))
        .routes(admin(routes!(tokens::create)))
        .routes(admin(routes!(tokens::list)))
        .routes(admin(routes!(tokens::revoke)))
        .routes(admin(routes!(audit::list)))
        .routes(open(routes!(health::health)))
        .routes(open(routes!(health::live)))
        .routes(open(routes!(health::ready)))
        .routes(read(routes!(root::metrics)))
        .routes(open(routes!(root::problem_page)))
        .routes(open(routes!(openapi::openapi)))
}

/// What a worker answers: whether it is well, and its metrics.
pub fn worker_router(parts: Parts) -> Router {
    let (routes, _) = OpenApiRouter::new()
        .routes(open(routes!(root::hello)))
        .routes(open(routes!(health::health)))
        .routes(open(routes!(health::live)))
        .routes(open(routes!(health::ready)))
        .routes(open(routes!(root::metrics)))
        .split_for_parts();
    routes
        .fallback_service(any(async || StatusCode::NOT_FOUND).layer(Observe::new("(unknown)")))
        .with_state(Api::new(parts))
}

/// The API.
pub fn router(parts: Parts) -> Router {
    let (routes, _) = routes(Some(&parts.gate)).split_for_parts();
    // The pages are in the binary; they read the description from this server.
    let pages = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    let pages: Router<Api> = pages.into();
    // Not in the description: its paths are those of the workflows, and it takes no token.
    let hooks = post(hooks::receive).layer(Observe::new("/hooks/{path}"));
    // Files and no data: for everybody. What they ask the API for takes a token like any other request.
    let console = get(console::serve).layer(Observe::new("/console"));
    let traces = parts.traces.clone();
    let mut routes = routes
        .route("/console", console.clone())
        .route("/console/", console.clone())
        .route("/console/{*path}", console)
        .route("/hooks/{*path}", hooks);
    if traces.is_on() {
        routes = routes.layer(from_fn_with_state(traces, traced::tell));
    }
    routes
        .merge(pages.layer(Observe::new("/docs")))
        .fallback_service(any(async || StatusCode::NOT_FOUND).layer(Observe::new("(unknown)")))
        .with_state(Api::new(parts))
}

impl Api {
    fn new(parts: Parts) -> Self {
        let most = parts.streams_max.get().min(Semaphore::MAX_PERMITS);
        let streams = Arc::new(Semaphore::new(most));
        Self(Arc::new(Shared { parts, streams }))
    }

    /// Takes a place for a stream of events. Says how many there are, where all are taken.
    fn take_stream(&self) -> Result<OwnedSemaphorePermit, NonZeroUsize> {
        let taken = Arc::clone(&self.0.streams).try_acquire_owned();
        taken.map_err(|_| self.0.parts.streams_max)
    }

    fn engine(&self) -> &Engine {
        &self.0.parts.engine
    }

    fn gate(&self) -> &Gate {
        &self.0.parts.gate
    }

    fn shelf(&self) -> &Shelf {
        &self.0.parts.shelf
    }

    fn safe(&self) -> &Safe {
        &self.0.parts.safe
    }

    fn wasm_limit(&self) -> Limit {
        Limit {
            what: "the component",
            bytes: self.0.parts.wasm_max_bytes,
            around_bytes: 0,
            setting: "plugins.limits.wasm_max_bytes",
        }
    }

    fn render_metrics(&self) -> String {
        self.0.parts.metrics.render()
    }

    fn closing(&self) -> &CancellationToken {
        &self.0.parts.closing
    }

    fn body_timeout(&self) -> Duration {
        self.0.parts.body_timeout
    }

    fn wait_max(&self) -> Duration {
        self.0.parts.wait_max
    }

    fn payload_limit(&self) -> Limit {
        Limit {
            what: "the payload",
            bytes: self.0.parts.payload_max_bytes,
            around_bytes: 0,
            setting: "limits.payload_max_bytes",
        }
    }

    fn definition_limit(&self) -> Limit {
        Limit {
            what: "the definition",
            bytes: self.0.parts.definition_max_bytes,
            around_bytes: 0,
            setting: "limits.definition_max_bytes",
        }
    }
}
