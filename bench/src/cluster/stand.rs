//! A small cluster to measure: one API and one worker, as processes over a PostgreSQL and a Kafka of their own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use millwork_servers::kafka::Kafka;
use millwork_servers::postgres::{Durability, Postgres};
use serde_json::json;
use tempfile::TempDir;

use super::node::{self, Node, Place, Role};
use super::{DATABASE, Ground};
use crate::api::Api;
use crate::process::ServerOptions;
use crate::report::Problems;
use crate::runs::await_finished;
use crate::triggers::delays_of_nothing;

/// As long as they are where nobody sets them.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(15);
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs that go before: several for each partition.
const FIRST_RUNS: usize = 50;

/// How long they may take.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// A cluster that runs. Its processes are killed and its servers ended when it is dropped.
pub struct Stand {
    // In this order: processes end before what they stand on.
    api: Node,
    worker: Node,
    ground: Ground,
    _home: TempDir,
}

impl Ground {
    /// Starts a PostgreSQL that writes as in earnest, with the database, and a Kafka.
    pub(super) async fn start() -> Result<Self> {
        tokio::task::spawn_blocking(|| {
            let postgres = Postgres::start(Durability::Durable)?;
            postgres.create_database(DATABASE, None)?;
            Ok(Self {
                postgres,
                kafka: Kafka::start()?,
            })
        })
        .await?
    }
}

impl Stand {
    /// Starts the servers, brings the database up to date, starts the processes and waits until they are ready.
    ///
    /// # Errors
    /// Where one of these does not work.
    pub async fn start(options: &ServerOptions) -> Result<Self> {
        let parent = options.work_dir.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&parent)
            .with_context(|| format!("could not make {}", parent.display()))?;
        let mut home = tempfile::Builder::new()
            .prefix("millwork-stand-")
            .tempdir_in(&parent)
            .with_context(|| format!("could not make a folder in {}", parent.display()))?;
        let ground = Ground::start().await?;
        let place = Place {
            binary: options.binary()?,
            home: home.path().to_owned(),
            database_url: ground.postgres.url(DATABASE),
            bootstrap: ground.kafka.bootstrap(),
            claim_timeout: CLAIM_TIMEOUT,
            session_timeout: SESSION_TIMEOUT,
        };
        let launched = launch(&place).await;
        // Logs that say why are kept.
        home.disable_cleanup(launched.is_err());
        let (api, worker) = launched.with_context(|| {
            format!(
                "the cluster did not start; logs are in {}",
                place.home.display()
            )
        })?;
        let stand = Self {
            api,
            worker,
            ground,
            _home: home,
        };
        stand.settle().await?;
        Ok(stand)
    }

    /// Has a few runs be carried out: a worker that is ready may still be waiting for its partitions, which takes a group that is
    /// new some seconds, and then the first runs of a measurement would wait as well.
    async fn settle(&self) -> Result<()> {
        let mut api = Api::new(self.address());
        let workflow = api.create_workflow(&delays_of_nothing(1)).await?;
        let mut runs = Vec::new();
        for _ in 0..FIRST_RUNS {
            runs.push(api.trigger(&workflow, &json!({})).await?);
        }
        let awaited = await_finished(self.address(), &runs, SETTLE_PATIENCE, |_| ()).await?;
        let mut problems = Problems::default();
        awaited.complain(&mut problems);
        ensure!(
            problems.is_empty(),
            "the cluster carries out no runs: {}",
            problems.first.join("; ")
        );
        Ok(())
    }

    /// Where its API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.api.address()
    }

    /// Ends the processes in good order, and then what they stand on.
    ///
    /// # Errors
    /// Where one of them does not end, or had ended by itself.
    pub async fn end(self) -> Result<()> {
        let Self {
            mut api,
            mut worker,
            ground,
            _home,
        } = self;
        for node in [&mut api, &mut worker] {
            node.check_alive()?;
            node.terminate().await?;
        }
        // Waits for the servers to end.
        tokio::task::spawn_blocking(move || drop(ground)).await?;
        Ok(())
    }
}

async fn launch(place: &Place) -> Result<(Node, Node)> {
    node::migrate(place).await?;
    let mut api = Node::start(place, Role::Api, 1)?;
    let mut worker = Node::start(place, Role::Worker, 1)?;
    api.ready().await?;
    worker.ready().await?;
    Ok((api, worker))
}
