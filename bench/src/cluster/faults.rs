//! Carries out the plan.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use millwork_servers::{kafka, postgres};

use super::Ground;
use super::node::{Node, Role};
use super::plan::{Fault, Plan, STOPPED_FOR};

/// Does everything that is planned, one after the other; gives the servers back, and how often each kind of fault came.
pub(super) async fn carry_out(
    plan: &Plan,
    mut ground: Ground,
    nodes: &mut [Node],
) -> Result<(Ground, BTreeMap<String, u64>)> {
    let mut counts = BTreeMap::new();
    for (rest, fault) in &plan.faults {
        tokio::time::sleep(*rest).await;
        ground = strike(*fault, ground, nodes)
            .await
            .with_context(|| format!("at the fault {fault:?}"))?;
        *counts.entry(fault.kind().to_owned()).or_default() += 1;
    }
    Ok((ground, counts))
}

async fn strike(fault: Fault, ground: Ground, nodes: &mut [Node]) -> Result<Ground> {
    match fault {
        Fault::KillWorker(number) => kill(nodes, Role::Worker, number).await?,
        Fault::KillApi(number) => kill(nodes, Role::Api, number).await?,
        Fault::StopWorker(number) => {
            let worker = find(nodes, Role::Worker, number)?;
            worker.stop()?;
            tokio::time::sleep(STOPPED_FOR).await;
            worker.go_on()?;
        }
        Fault::RestartKafka => {
            return apart(ground, |ground| ground.kafka.restart(kafka::Stop::Killed)).await;
        }
        Fault::RestartPostgres => {
            return apart(ground, |ground| {
                ground.postgres.restart(postgres::Stop::Fast)
            })
            .await;
        }
        Fault::CrashPostgres => {
            return apart(ground, |ground| {
                ground.postgres.restart(postgres::Stop::Immediate)
            })
            .await;
        }
    }
    Ok(ground)
}

async fn kill(nodes: &mut [Node], role: Role, number: usize) -> Result<()> {
    let node = find(nodes, role, number)?;
    node.kill().await?;
    node.start_again()?;
    node.ready().await
}

fn find(nodes: &mut [Node], role: Role, number: usize) -> Result<&mut Node> {
    let mut of_role = nodes.iter_mut().filter(|node| node.role() == role);
    of_role
        .nth(number)
        .context("there are not so many processes")
}

/// Does what blocks, on a thread that may.
async fn apart(
    mut ground: Ground,
    act: impl FnOnce(&mut Ground) -> Result<()> + Send + 'static,
) -> Result<Ground> {
    tokio::task::spawn_blocking(move || {
        act(&mut ground)?;
        Ok(ground)
    })
    .await?
}
