//! The composition root: the only place that names the stores, the buses, the clocks and the sandbox together.

mod banner;
mod deliveries;
mod events;
mod health;
mod jobs;
mod messaging;
mod plugin;
mod plugins;
mod role;
mod run;
mod secrets;
mod storage;
mod tokens;
mod traces;
mod workflow;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use millwork_bus::Bus;
use millwork_store::Access;

use crate::access::Gate;
use crate::api::{self, server::Server};
use crate::cli::{Cli, Command, ConfigCommand, Settings};
use crate::clock::Clock;
use crate::config::{self, Config, Loaded};
use crate::engine::{Engine, Options};
use crate::safe::Safe;
use crate::shelf::Shelf;
use crate::traces::Traces;
use crate::{shutdown, telemetry, worker};
use role::Role;
use storage::Storage;

/// How long the last spans may take on their way.
const LAST_SPANS_AT_MOST: Duration = Duration::from_secs(5);

/// What came of a command that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It is done, and the answer is no: a run that failed, a definition that does not hold or differs.
    No,
}

/// Does what the command line asks.
///
/// # Errors
/// A sentence, with its causes, for whoever typed it.
pub fn run(cli: Cli) -> anyhow::Result<Verdict> {
    match cli.command {
        Command::Apply(wanted) => return runtime()?.block_on(workflow::apply(wanted)),
        Command::Diff(wanted) => return runtime()?.block_on(workflow::diff(wanted)),
        Command::Validate(wanted) => return runtime()?.block_on(workflow::validate(wanted)),
        Command::Workflows(command) => runtime()?.block_on(workflow::run(command)),
        Command::Run(wanted) => return runtime()?.block_on(run::trigger(wanted)),
        Command::Runs(wanted) => runtime()?.block_on(run::list(wanted)),
        Command::Deliveries(command) => runtime()?.block_on(deliveries::run(command)),
        Command::Jobs(command) => runtime()?.block_on(jobs::run(command)),
        Command::Watch(wanted) => return runtime()?.block_on(run::watch(wanted)),
        Command::Logs(wanted) => runtime()?.block_on(run::logs(wanted)),
        Command::Cancel(wanted) => runtime()?.block_on(run::control("cancel", wanted)),
        Command::Kill(wanted) => runtime()?.block_on(run::control("kill", wanted)),
        Command::Pause(wanted) => runtime()?.block_on(run::control("pause", wanted)),
        Command::Resume(wanted) => runtime()?.block_on(run::resume(wanted)),
        Command::Retry(wanted) => return runtime()?.block_on(run::retry(wanted)),
        Command::Signal(wanted) => runtime()?.block_on(run::signal(wanted)),
        Command::Serve(settings) => start(Role::Everything, settings),
        Command::Api(settings) => start(Role::Api, settings),
        Command::Worker(settings) => start(Role::Worker, settings),
        Command::Migrate(settings) => migrate(settings),
        Command::Token(command) => runtime()?.block_on(tokens::run(command)),
        Command::Secret(command) => runtime()?.block_on(secrets::run(command)),
        Command::Plugin(command) => plugin::run(command, &runtime()?),
        Command::Health(health) => health::ask(&health.url),
        Command::Config(ConfigCommand::Show(settings)) => {
            print!("{}", config::reference::show(&load(settings)?)?);
            Ok(())
        }
        Command::Openapi => {
            println!("{}", api::openapi::document());
            Ok(())
        }
        Command::Version => {
            println!("millwork {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }?;
    Ok(Verdict::Done)
}

fn migrate(settings: Settings) -> anyhow::Result<()> {
    let Loaded { config, .. } = load(settings)?;
    telemetry::install_log(&config.log)?;
    runtime()?.block_on(storage::migrate(&config))
}

fn load(settings: Settings) -> anyhow::Result<Loaded> {
    Ok(config::load(&settings.into_layers())?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn start(role: Role, settings: Settings) -> anyhow::Result<()> {
    let Loaded { config, .. } = load(settings)?;
    role.check(&config)?;
    runtime()?.block_on(host(role, config))
}

/// Puts a process together, runs it until it is told to end, and takes it apart in good order.
async fn host(role: Role, config: Config) -> anyhow::Result<()> {
    telemetry::install_log(&config.log)?;
    let metrics = telemetry::install_metrics().context("could not start the metrics")?;
    let closing = shutdown::on_signal().context("could not listen for signals")?;
    let listen = config.server.listen;
    let server = Server::bind(&config.server).with_context(|| {
        format!("could not listen on {listen}: is another process using it? choose another address with --listen")
    })?;
    let address = server.local_addr()?;

    let Storage {
        store,
        access,
        registry,
        vault,
        clock,
        held,
    } = storage::open(&config, role).await?;
    let gate = Arc::new(gate(&config, access, Arc::clone(&clock))?);
    let safe = Arc::new(Safe::new(
        config.secrets.clone(),
        vault,
        config.read_secrets_keys().map_err(anyhow::Error::msg)?,
        Arc::clone(&clock),
    ));
    let loaded = plugins::load(&config, &store, &safe, address.ip().is_loopback()).await?;
    let shelf = Arc::new(Shelf::new(
        Arc::clone(&loaded.plugins),
        Arc::clone(&store),
        registry,
        Arc::clone(&clock),
    ));
    shelf
        .refresh()
        .await
        .context("could not read what is installed")?;
    shelf.agree_to_the_first().await?;
    let events = events::read(&config)?;
    let traces = traces::start(&config, Arc::clone(&clock))?;
    let bus = messaging::join(&config, role, Arc::clone(&clock)).await?;
    let engine = Engine::start(
        Arc::clone(&store),
        Arc::clone(&bus),
        Arc::clone(&loaded.plugins) as Arc<dyn millwork_plugin::PluginRuntime>,
        Arc::clone(&clock),
        Options {
            audience: events.audience.clone(),
            traces: traces.clone(),
            ..options(&config)
        },
    );
    let source = match role.executes() {
        true => messaging::source(&config, Arc::clone(&clock))?,
        false => None,
    };
    if role.executes() {
        execute(&engine, &bus, &config);
    }
    if let Some(source) = &source {
        engine.start_reading(Arc::clone(source));
    }
    events.start(
        &config,
        role,
        &engine,
        (Arc::clone(&store), clock, Arc::clone(&safe)),
        &closing,
    )?;
    tokio::spawn(storage::watch(held, closing.clone()));
    tokio::spawn(Arc::clone(&shelf).watch(closing.clone()));
    tokio::spawn(telemetry::keep_up(metrics.clone(), closing.clone()));
    tokio::spawn(telemetry::watch(engine.clone(), closing.clone()));

    let parts = api::Parts {
        engine: engine.clone(),
        gate,
        shelf: Arc::clone(&shelf),
        safe,
        wasm_max_bytes: wasm_max_bytes(&config),
        traces: traces.clone(),
        metrics,
        closing: closing.clone(),
        payload_max_bytes: config.limits.payload_max_bytes,
        definition_max_bytes: config.limits.definition_max_bytes,
        body_timeout: config.server.body_timeout,
        wait_max: config.server.wait_max,
        streams_max: config.server.streams_max,
    };
    let router = if role.serves() {
        api::router(parts)
    } else {
        api::worker_router(parts)
    };
    banner::print(address, role, &config, &loaded);
    server.serve(router, closing).await;
    if let Some(source) = &source {
        source.leave().await;
    }
    engine.shut_down(config.server.shutdown_timeout).await;
    // It blocks, and what it waits for is sent by this runtime.
    let last = tokio::task::spawn_blocking(move || traces.shut_down(LAST_SPANS_AT_MOST));
    last.await.context("the last spans")?;
    tracing::info!("stopped");
    Ok(())
}

/// The door of this process.
fn gate(config: &Config, access: Arc<dyn Access>, clock: Arc<dyn Clock>) -> anyhow::Result<Gate> {
    let admin_token = config.auth.read_admin_token().map_err(anyhow::Error::msg)?;
    Ok(match config.auth.is_required() {
        false => Gate::open(access, clock),
        true => Gate::closed(access, clock, admin_token.as_deref()),
    })
}

fn wasm_max_bytes(config: &Config) -> NonZeroUsize {
    NonZeroUsize::new(config.plugins.limits.wasm_max_bytes).unwrap_or(NonZeroUsize::MIN)
}

/// Starts the workers of this process.
fn execute(engine: &Engine, bus: &Arc<dyn Bus>, config: &Config) {
    engine.start_executing();
    tokio::spawn(worker::work(
        engine.clone(),
        Arc::clone(bus),
        config.engine.in_flight_max.get(),
    ));
}

fn options(config: &Config) -> Options {
    let env = config
        .env
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::Value::from(value.as_str())));
    Options {
        in_flight_max: config.engine.in_flight_max.get(),
        backlog_max: config.engine.backlog_max.get(),
        limit_queue_max: config.engine.limit_queue_max.get(),
        record_start_after: config.engine.record_start_after,
        claim_timeout: config.engine.claim_timeout,
        commit_elision: config.engine.commit_elision,
        idempotency_kept: config.engine.idempotency_kept,
        payload_max_bytes: config.limits.payload_max_bytes.get(),
        retention: config.engine.finished_kept,
        audience: None,
        traces: Traces::default(),
        deliveries_kept: config.events.kept,
        env: Arc::new(env.collect()),
        limits: millwork_core::limits::Limits {
            items_max: config.limits.foreach_items_max.get(),
            outputs_max_bytes: config.limits.run_outputs_max_bytes.get(),
            events_max: config.limits.run_events_max.get(),
            depth_max: config.limits.workflow_depth_max.get(),
        },
    }
}
