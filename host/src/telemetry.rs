//! What the host says of itself: the names of its metrics, and where its log goes.
//!
//! Whoever has something to count uses the name from here: `metrics::counter!(telemetry::RUNS_TRIGGERED).increment(1)`.
//! [`METRICS`] is the one list: what is not in it is not described, and a test complains.

mod list;

pub use list::*;

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::engine::Engine;

/// How often samples of histograms are put into their buckets. Until then they are kept one by one.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Installs the recorder for this process; the second time there is nothing left to do. Metrics that were touched
/// before are lost, so this comes first.
///
/// # Errors
/// Where somebody else has installed a recorder.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = build_metrics()?;
    Ok(installed.insert(handle).clone())
}

fn build_metrics() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(bounds) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let handle = builder.install_recorder()?;
    for Metric {
        name,
        unit,
        help,
        kind,
        labels: _,
    } in METRICS.iter().copied()
    {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram(_) => metrics::describe_histogram!(name, unit, help),
        }
    }
    Ok(handle)
}

/// Puts the samples of histograms into their buckets, again and again, until `closing`.
pub async fn keep_up(metrics: PrometheusHandle, closing: CancellationToken) {
    let mut beat = tokio::time::interval(UPKEEP_EVERY);
    while closing.run_until_cancelled(beat.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}

/// How often every part is asked for a sign of life, and how often the store is asked for its size.
const HEALTH_EVERY: Duration = Duration::from_secs(15);
const SIZE_EVERY: Duration = Duration::from_secs(60);

/// Writes down how much waits and how much is in hand, again and again, until `closing`.
pub async fn watch(engine: Engine, closing: CancellationToken) {
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!(BACKLOG_MAX).set(gauge_value(engine.backlog_max()));
    metrics::gauge!(IN_FLIGHT_MAX).set(gauge_value(count(engine.in_flight_max())));
    tokio::spawn(watch_health(engine.clone(), closing.clone()));
    tokio::spawn(watch_size(engine.clone(), closing.clone()));
    let mut beat = tokio::time::interval(UPKEEP_EVERY);
    while closing.run_until_cancelled(beat.tick()).await.is_some() {
        metrics::gauge!(BACKLOG).set(gauge_value(engine.backlog()));
        metrics::gauge!(DUE_SOON).set(gauge_value(count(engine.due_soon())));
    }
}

async fn watch_health(engine: Engine, closing: CancellationToken) {
    let mut beat = tokio::time::interval(HEALTH_EVERY);
    while closing.run_until_cancelled(beat.tick()).await.is_some() {
        for (part, trouble) in engine.health().await.parts {
            let is_well = if trouble.is_none() { 1.0 } else { 0.0 };
            metrics::gauge!(PART_HEALTHY, "part" => part).set(is_well);
        }
    }
}

async fn watch_size(engine: Engine, closing: CancellationToken) {
    let mut beat = tokio::time::interval(SIZE_EVERY);
    while closing.run_until_cancelled(beat.tick()).await.is_some() {
        // A store that does not answer has said so in its health.
        if let Ok(Some(bytes)) = engine.store_size_bytes().await {
            metrics::gauge!(STORE_SIZE_BYTES).set(gauge_value(bytes));
        }
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge of more than 2^53 runs may be off by one"
)]
pub(crate) fn gauge_value(count: u64) -> f64 {
    count as f64
}

/// Sends the log to standard error, and panics to the log.
///
/// # Errors
/// Where the filter cannot be read, or a log is installed already.
pub fn install_log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        anyhow::anyhow!(
            "log.filter (MILLWORK_LOG) {:?} cannot be read: {error}",
            log.filter
        )
    })?;
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let as_text = match log.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let installed = match as_text {
        true => lines.with_ansi(is_terminal).try_init(),
        false => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("the log cannot be installed: {error}"))?;
    std::panic::set_hook(Box::new(|panic| {
        let message = panic
            .payload_as_str()
            .unwrap_or("something that is no text");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(panic.place = place, panic.backtrace = %backtrace, "a task panicked: {message}");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use metrics::Unit;

    use super::*;

    #[test]
    fn every_metric_is_described_once_and_named_by_its_unit() {
        for metric in METRICS {
            let same = METRICS
                .iter()
                .filter(|other| other.name == metric.name)
                .count();
            assert_eq!(same, 1, "{}", metric.name);
            assert!(metric.name.starts_with("millwork_"), "{}", metric.name);
            let holds = match metric.kind {
                Kind::Counter => metric.name.ends_with("_total"),
                Kind::Gauge => !metric.name.ends_with("_total"),
                Kind::Histogram(bounds) => {
                    bounds.is_sorted()
                        && (metric.unit != Unit::Seconds || metric.name.ends_with("_seconds"))
                }
            };
            assert!(holds, "{}", metric.name);
        }
    }

    #[test]
    fn a_metric_is_written_with_its_help_and_its_buckets() {
        let metrics = install_metrics().expect("nobody else records");
        metrics::histogram!(COMMIT_BATCH_SIZE).record(5.0);
        let text = install_metrics().expect("it is the same one").render();
        for line in [
            "# HELP millwork_commit_batch_size How many commits are made durable at once",
            "# TYPE millwork_commit_batch_size histogram",
            "millwork_commit_batch_size_bucket{le=\"4\"} 0",
            "millwork_commit_batch_size_bucket{le=\"16\"} 1",
        ] {
            assert!(
                metrics.render().lines().any(|written| written == line),
                "{line}\n{text}"
            );
        }
    }

    #[test]
    fn every_name_here_and_in_the_bus_is_in_the_list() {
        let files = [
            include_str!("telemetry/list.rs"),
            include_str!("../bus/src/telemetry.rs"),
        ];
        let names = files
            .iter()
            .flat_map(|file| file.lines())
            .filter(|line| line.starts_with("pub const") && line.contains(": &str"));
        assert_eq!(names.count(), METRICS.len());
    }
}
