//! The composition root: the only place that names the store, the bus, the clock and the sandbox together.

mod banner;
mod plugins;

use std::sync::Arc;

use anyhow::Context as _;
use millwork_bus::{Bus, Local};
use millwork_plugin::Plugins;
use millwork_store::Store;
use millwork_store::sqlite::{self, Sqlite};

use crate::api::{self, server::Server};
use crate::cli::{Cli, Command, ConfigCommand, Settings};
use crate::clock::SystemClock;
use crate::config::{self, Config, Loaded};
use crate::engine::{Engine, Options};
use crate::{shutdown, telemetry, worker};

/// Does what the command line asks.
///
/// # Errors
/// A sentence, with its causes, for whoever typed it.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(settings) => {
            let Loaded { config, .. } = load(settings)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve(config))
        }
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
    }
}

fn load(settings: Settings) -> anyhow::Result<Loaded> {
    Ok(config::load(&settings.into_layers())?)
}

/// Everything in one process: the API, the engine and its workers, on SQLite and a queue in memory.
async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::install_log(&config.log)?;
    let metrics = telemetry::install_metrics().context("could not start the metrics")?;
    let closing = shutdown::on_signal().context("could not listen for signals")?;
    let listen = config.server.listen;
    let server = Server::bind(&config.server).with_context(|| {
        format!("could not listen on {listen}: is another process using it? choose another address with --listen")
    })?;
    let address = server.local_addr()?;

    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open(&config.data_dir, sqlite::Options::default())?);
    let loaded = plugins::load(&config, &store, address.ip().is_loopback()).await?;
    let bus: Arc<dyn Bus> = Arc::new(Local::new(config.engine.queue_max.get()));
    let engine = Engine::start(
        Arc::clone(&store),
        Arc::clone(&bus),
        Arc::clone(&loaded.plugins) as Arc<dyn millwork_plugin::PluginRuntime>,
        Arc::new(SystemClock),
        options(&config),
    );
    let in_flight_max = config.engine.in_flight_max.get();
    engine.start_executing();
    tokio::spawn(worker::work(
        engine.clone(),
        Arc::clone(&bus),
        in_flight_max,
    ));
    tokio::spawn(telemetry::keep_up(metrics.clone(), closing.clone()));
    tokio::spawn(telemetry::watch(engine.clone(), closing.clone()));

    let router = api::router(api::Parts {
        engine: engine.clone(),
        plugins: list(Arc::clone(&loaded.plugins)),
        metrics,
        closing: closing.clone(),
        payload_max_bytes: config.limits.payload_max_bytes,
        definition_max_bytes: config.limits.definition_max_bytes,
        body_timeout: config.server.body_timeout,
        wait_max: config.server.wait_max,
    });
    banner::print(address, &config, &loaded);
    server.serve(router, closing).await;
    engine.shut_down(config.server.shutdown_timeout).await;
    tracing::info!("stopped");
    Ok(())
}

fn options(config: &Config) -> Options {
    let env = config
        .env
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::Value::from(value.as_str())));
    Options {
        in_flight_max: config.engine.in_flight_max.get(),
        backlog_max: config.engine.backlog_max.get(),
        record_start_after: config.engine.record_start_after,
        claim_timeout: config.engine.claim_timeout,
        idempotency_kept: config.engine.idempotency_kept,
        retention: config.engine.finished_kept,
        env: Arc::new(env.collect()),
    }
}

/// The plugins that there are now, as the API shows them.
fn list(plugins: Arc<Plugins>) -> Box<dyn Fn() -> Vec<api::PluginView> + Send + Sync> {
    Box::new(move || {
        plugins
            .list()
            .iter()
            .map(|plugin| plugins::view(plugin))
            .collect()
    })
}
