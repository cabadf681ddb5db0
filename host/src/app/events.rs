//! Who is told of ends, as the configuration says, and the couriers that see to it.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use millwork_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::role::Role;
use crate::clock::Clock;
use crate::config::{BusKind, Config};
use crate::engine::Engine;
use crate::events::{Audience, Courier, HttpPost, Webhook, read_webhooks};
use crate::safe::Safe;

/// Who is told, read from the configuration.
pub(super) struct Events {
    pub(super) audience: Option<Arc<Audience>>,
    webhooks: Vec<Webhook>,
}

/// Reads who is told. Nobody is, where neither a topic nor a webhook is there: then the engine keeps nothing.
pub(super) fn read(config: &Config) -> Result<Events> {
    let has_topic = config.kafka.topic_events.is_some();
    if has_topic && config.bus() == BusKind::Local {
        bail!(
            "kafka.topic_events is set, and this process has no Kafka: set kafka.bootstrap_servers (KAFKA_BOOTSTRAP_SERVERS), or use \
             events.webhooks, which need none"
        );
    }
    let events = &config.events;
    if events.source.is_empty() || events.source.contains(char::is_whitespace) {
        bail!(
            "events.source: {:?} is no URI reference such as /millwork",
            events.source
        );
    }
    if events.kept < events.retry_for {
        bail!(
            "events.kept has to be longer than events.retry_for: a delivery would be removed while it is tried"
        );
    }
    let webhooks = read_webhooks(events)?;
    let is_wanted = has_topic || !webhooks.is_empty();
    let audience = is_wanted.then(|| {
        Arc::new(Audience {
            source: Arc::from(events.source.as_str()),
            webhooks: webhooks
                .iter()
                .map(|webhook| webhook.wish.clone())
                .collect(),
            kept: Arc::new(Notify::new()),
        })
    });
    Ok(Events { audience, webhooks })
}

impl Events {
    /// Starts a courier for each webhook, where this process executes runs.
    pub(super) fn start(
        self,
        config: &Config,
        role: Role,
        engine: &Engine,
        parts: (Arc<dyn Store>, Arc<dyn Clock>, Arc<Safe>),
        closing: &CancellationToken,
    ) -> Result<()> {
        let Some(audience) = self.audience.filter(|_| role.executes()) else {
            return Ok(());
        };
        if self.webhooks.is_empty() {
            return Ok(());
        }
        let (store, clock, safe) = parts;
        let post = HttpPost::new().context("could not start TLS for webhooks")?;
        let courier = Arc::new(Courier {
            store,
            clock,
            safe,
            post: Arc::new(post),
            kept: Arc::clone(&audience.kept),
            retry_for: config.events.retry_for,
            timeout: config.events.timeout,
            in_flight_max: config.events.in_flight_max.get(),
        });
        let names = self.webhooks.iter().map(|of| of.wish.name.clone());
        tokio::spawn(Arc::clone(&courier).watch(names.collect(), closing.clone()));
        for webhook in self.webhooks {
            engine.track(Arc::clone(&courier).serve(webhook, closing.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let config: Config = toml::from_str(text).expect("it is TOML of that form");
        let read = read(&config).map(|_| ());
        read.expect_err("it does not hold").to_string()
    }

    #[test]
    fn nobody_is_told_where_nobody_is_named() {
        let read = read(&Config::default()).expect("the defaults hold");
        assert!(read.audience.is_none() && read.webhooks.is_empty());
    }

    #[test]
    fn what_cannot_work_is_refused_at_the_start() {
        let refused = refusal("[kafka]\ntopic_events = 'ends'");
        assert!(refused.contains("has no Kafka"), "{refused}");
        let refused = refusal("[events]\nsource = 'a b'");
        assert!(refused.contains("events.source: \"a b\""), "{refused}");
        let refused = refusal("[events]\nretry_for = '3d'\nkept = '1d'");
        assert!(
            refused.contains("events.kept has to be longer"),
            "{refused}"
        );
        let refused = refusal("[events.webhooks.shop]\nurl = 'shop'");
        assert!(refused.contains("events.webhooks.shop: url"), "{refused}");
    }
}
