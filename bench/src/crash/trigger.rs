//! Triggers runs while the server comes and goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::ledger::Ledger;
use crate::api::{Api, pause_asked_for, run_id, trigger_request};
use crate::client::Request;
use crate::report::Problems;

/// How long an answer may take. A server that was killed does not answer at all, so this is long.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// How long one trigger may be tried, the server's deaths included.
const TRIGGER_PATIENCE: Duration = Duration::from_secs(120);

/// How long to wait before a server that is down is asked again.
const REST: Duration = Duration::from_millis(5);

/// How many triggers are sent a second time when all are through.
const REPEATED_MAX: usize = 100;

/// What to trigger, and how.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) address: SocketAddr,
    pub(super) workflow: String,
    pub(super) seed: u64,
    pub(super) keyed: bool,
}

impl Order {
    fn request(&self, number: u64) -> Request {
        let key = format!("crash-{}-{number}", self.seed);
        trigger_request(
            &self.workflow,
            &json!({"n": number}),
            self.keyed.then_some(key.as_str()),
        )
    }
}

/// Triggers until none is left.
pub(super) async fn work(order: Order, ledger: Arc<Ledger>) -> Result<()> {
    let mut api = Api::new(order.address).with_patience(ANSWER_PATIENCE);
    while let Some(ticket) = ledger.next().await {
        if ticket.waited {
            // The connection led to a process that is gone: what is sent on it would count as sent and not answered.
            api.disconnect();
        }
        trigger(&order, &mut api, ticket.number, &ledger).await?;
    }
    Ok(())
}

async fn trigger(order: &Order, api: &mut Api, number: u64, ledger: &Ledger) -> Result<()> {
    let request = order.request(number);
    let deadline = Instant::now() + TRIGGER_PATIENCE;
    while Instant::now() < deadline {
        let pause = match api.call(&request).await {
            Ok(response) => match pause_asked_for(&response) {
                Some(pause) => pause,
                None => {
                    ledger.acknowledge(number, run_id(&response)?);
                    return Ok(());
                }
            },
            // Not even sent: it can simply be sent again.
            Err(error) if error.is_unsent() => REST,
            Err(_) => {
                ledger.leave_unanswered();
                if !order.keyed {
                    ledger.give_up();
                    return Ok(());
                }
                REST
            }
        };
        tokio::time::sleep(pause).await;
    }
    bail!("trigger {number} was not acknowledged within {TRIGGER_PATIENCE:?}")
}

/// Sends some acknowledged triggers again under their keys: each must lead to the run it led to before.
pub(super) async fn repeat(order: &Order, ledger: &Ledger, problems: &mut Problems) -> Result<u64> {
    if !order.keyed {
        return Ok(0);
    }
    let acknowledged = ledger.acknowledged();
    let step = acknowledged.len().div_ceil(REPEATED_MAX).max(1);
    let mut api = Api::new(order.address);
    let mut same = 0;
    for (number, run) in acknowledged.iter().step_by(step) {
        let again = run_id(&api.call(&order.request(*number)).await?)?;
        if again == *run {
            same += 1;
        } else {
            problems.add(format!("run {run}: its trigger, sent again under the same key, led to another run ({again})"));
        }
    }
    Ok(same)
}
