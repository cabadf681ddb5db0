//! Triggers runs over all APIs while they come and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::{Api, pause_asked_for, run_id, trigger_request};

/// Connections that trigger.
const CONNECTIONS: u64 = 16;

/// How long an answer may take. A server that hangs has to be left for another one.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// How long one trigger may be tried.
const TRIGGER_PATIENCE: Duration = Duration::from_secs(120);

/// How long to rest before it is tried again.
const REST: Duration = Duration::from_millis(20);

/// What to trigger.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) apis: Vec<SocketAddr>,
    pub(super) workflow: String,
    pub(super) seed: u64,
    pub(super) runs: u64,
    /// Over how long the runs are spread.
    pub(super) over: Duration,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Triggered {
    /// The run that each trigger was answered with.
    pub(super) acknowledged: BTreeMap<u64, String>,
    /// How many were sent more than once.
    pub(super) again: u64,
}

/// Triggers all of them, each as often as it takes until somebody answers.
pub(super) async fn all(order: Order) -> Result<Triggered> {
    let began = Instant::now();
    let order = Arc::new(order);
    let mut connections = JoinSet::new();
    for connection in 0..CONNECTIONS {
        connections.spawn(some(Arc::clone(&order), connection, began));
    }
    let mut all = Triggered::default();
    while let Some(part) = connections.join_next().await {
        let part = part??;
        all.acknowledged.extend(part.acknowledged);
        all.again += part.again;
    }
    Ok(all)
}

async fn some(order: Arc<Order>, connection: u64, began: Instant) -> Result<Triggered> {
    let apis = &order.apis;
    let mut clients: Vec<Api> = apis
        .iter()
        .map(|address| Api::new(*address).with_patience(ANSWER_PATIENCE))
        .collect();
    let mut part = Triggered::default();
    let mut number = connection;
    while number < order.runs {
        let due = order.over.mul_f64(ratio(number, order.runs));
        tokio::time::sleep_until(began + due).await;
        let key = format!("cluster-{}-{number}", order.seed);
        let request = trigger_request(&order.workflow, &json!({"n": number}), Some(&key));
        let deadline = Instant::now() + TRIGGER_PATIENCE;
        let mut tries = 0;
        let run = loop {
            if Instant::now() > deadline {
                bail!("trigger {number} was not acknowledged within {TRIGGER_PATIENCE:?}");
            }
            let which = usize::try_from(number + tries)? % clients.len();
            let client = clients.get_mut(which).context("there is no API")?;
            tries += 1;
            match client.call(&request).await {
                Ok(answer) => match pause_asked_for(&answer) {
                    Some(pause) => tokio::time::sleep(pause.min(Duration::from_secs(1))).await,
                    None => break run_id(&answer)?,
                },
                Err(_) => {
                    client.disconnect();
                    tokio::time::sleep(REST).await;
                }
            }
        };
        part.again += u64::from(tries > 1);
        part.acknowledged.insert(number, run);
        number += CONNECTIONS;
    }
    Ok(part)
}

#[expect(clippy::cast_precision_loss, reason = "a part of a span of time")]
fn ratio(number: u64, of: u64) -> f64 {
    number as f64 / of.max(1) as f64
}
