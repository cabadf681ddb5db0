//! Carries out the plan: kills the server, starts it again, measures how long it is away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::ledger::Ledger;
use super::plan::Plan;
use crate::process::Server;

/// How long the triggers may take until a death's moment has come.
const MOMENT_PATIENCE: Duration = Duration::from_secs(120);

/// Kills and restarts as planned; returns, for each restart, how long the server was away.
pub(super) async fn carry_out(
    server: &mut impl Server,
    plan: &Plan,
    ledger: &Ledger,
    triggering: &mut JoinSet<Result<()>>,
) -> Result<Vec<Duration>> {
    let mut away = Vec::new();
    for death in &plan.deaths {
        wait_for_moment(ledger, death.after_triggers, triggering).await?;
        tokio::time::sleep(death.lives_on).await;
        server.kill().await?;
        if let Some(after) = death.again_after {
            let killed = Instant::now();
            server.start().await?;
            tokio::time::sleep(after).await;
            server
                .kill()
                .await
                .context("it was being killed while it started")?;
            away.push(killed.elapsed());
        }
        away.push(start_again(server).await?);
        ledger.open_gate(death.next_gate);
    }
    Ok(away)
}

/// Kills and restarts once.
pub(super) async fn restart(server: &mut impl Server) -> Result<Duration> {
    server.kill().await?;
    start_again(server).await
}

async fn start_again(server: &mut impl Server) -> Result<Duration> {
    let killed = Instant::now();
    server.start().await?;
    server.ready().await.context("after a kill")?;
    Ok(killed.elapsed())
}

/// Waits until so many triggers are settled; a worker that breaks off meanwhile ends the proof.
async fn wait_for_moment(
    ledger: &Ledger,
    triggers: u64,
    triggering: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let moment = tokio::time::timeout(MOMENT_PATIENCE, ledger.wait_for_settled(triggers));
    tokio::pin!(moment);
    loop {
        tokio::select! {
            moment = &mut moment => {
                return moment.with_context(|| format!("trigger {triggers} was not settled within {MOMENT_PATIENCE:?}"));
            }
            Some(worker) = triggering.join_next() => worker??,
        }
    }
}
