//! Where spans go, as the configuration says.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::clock::Clock;
use crate::config::Config;
use crate::traces::{Options, Traces};

/// Starts to collect spans, where the configuration names a collector.
pub(super) fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Traces> {
    let set = &config.traces;
    let Some(endpoint) = &set.endpoint else {
        return Ok(Traces::default());
    };
    let headers = set.headers.iter().map(|(name, value)| {
        let value = value.read().map_err(anyhow::Error::msg);
        let value = value.with_context(|| format!("traces.headers.{name}"))?;
        Ok((name.clone(), value))
    });
    let options = Options {
        endpoint: endpoint.clone(),
        headers: headers.collect::<Result<_>>()?,
        service_name: set.service_name.clone(),
        one_in: set.one_in.get(),
    };
    let traces = Traces::start(options, clock)?;
    tracing::info!(endpoint, "spans are handed to a collector");
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn start_with(text: &str) -> Result<Traces> {
        let config = toml::from_str(text).expect("it is TOML of that form");
        start(&config, Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn spans_are_collected_where_a_collector_is_named() {
        let traces = start_with("").expect("the defaults hold");
        assert!(!traces.is_on());
        let traces = start_with("[traces]\nendpoint = 'http://127.0.0.1:1'");
        assert!(traces.expect("it is an address").is_on());
    }

    #[tokio::test]
    async fn what_is_no_collector_is_refused_by_the_name_of_its_setting() {
        for endpoint in [
            "collector:4318",
            "",
            "ftp://collector",
            "http://",
            "http://a b",
        ] {
            let refused = start_with(&format!("[traces]\nendpoint = '{endpoint}'"));
            let refused = refused.expect_err("it is no address").to_string();
            assert!(refused.contains("traces.endpoint"), "{endpoint}: {refused}");
            assert!(refused.contains("http://127.0.0.1:4318"), "{refused}");
        }
        let text = "[traces]\nendpoint = 'http://127.0.0.1:1'\nheaders.authorization = { env = 'NOBODY_SETS_THIS' }";
        let refused = format!(
            "{:#}",
            start_with(text).expect_err("there is no such variable")
        );
        assert!(
            refused.contains("traces.headers.authorization"),
            "{refused}"
        );
    }
}
