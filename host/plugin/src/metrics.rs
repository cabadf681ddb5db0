//! What plugin calls tell the metrics. The handles are looked up once for each plugin.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram};
use millwork_core::outcome::{Failure, Outcome};

/// The metrics of one plugin; registered at its first call, when whoever records them has been installed.
#[derive(Default)]
pub(crate) struct CallMetrics(OnceLock<Handles>);

struct Handles {
    completed: Counter,
    suspended: Counter,
    failed: Counter,
    seconds: Histogram,
}

impl CallMetrics {
    pub(crate) fn record(&self, plugin: &str, result: &Result<Outcome, Failure>, took: Duration) {
        let handles = self.0.get_or_init(|| {
            let calls = |result: &'static str| metrics::counter!("millwork_plugin_calls_total", "plugin" => plugin.to_owned(), "result" => result);
            Handles {
                completed: calls("completed"),
                suspended: calls("suspended"),
                failed: calls("failed"),
                seconds: metrics::histogram!("millwork_plugin_call_duration_seconds", "plugin" => plugin.to_owned()),
            }
        });
        match result {
            Ok(Outcome::Completed(_)) => handles.completed.increment(1),
            Ok(Outcome::Suspended(_)) => handles.suspended.increment(1),
            Err(_) => handles.failed.increment(1),
        }
        handles.seconds.record(took);
    }
}
