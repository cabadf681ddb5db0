//! What a command measures: a server of its own, one that runs already, or a small cluster of its own.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Result, ensure};

use crate::cluster::Stand;
use crate::process::{Millwork, Server as _, ServerOptions};

/// A command against a server: one of its own, or one that runs already.
#[derive(Debug, clap::Args)]
pub struct Against<O: clap::Args> {
    #[command(flatten)]
    server: ServerOptions,
    /// Use the server that listens here, in place of starting one.
    #[arg(long, value_name = "HOST:PORT", value_parser = resolve, conflicts_with_all = ["work_dir", "server_args"])]
    address: Option<SocketAddr>,
    /// The process of that server, for measurements of its memory.
    #[arg(long, requires = "address")]
    pid: Option<u32>,
    /// What the command is told.
    #[command(flatten)]
    pub options: O,
}

/// A server that is ready. What was started for the command ends with it.
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, where it is one and known.
    pub pid: Option<u32>,
    own: Own,
}

enum Own {
    /// It ran before, and goes on.
    Nothing,
    /// One process, killed when dropped.
    Server(#[expect(dead_code, reason = "held for its end")] Box<Millwork>),
    Cluster(Box<Stand>),
}

impl<O: clap::Args> Against<O> {
    /// Finds or starts what is to be measured.
    ///
    /// # Errors
    /// Where it cannot be started, or is asked to be two things at once.
    pub async fn target(&self, cluster: bool) -> Result<Target> {
        if let Some(address) = self.address {
            ensure!(
                !cluster,
                "--cluster starts a cluster, and --address names a server that runs already: leave one of them out"
            );
            return Ok(Target {
                address,
                pid: self.pid,
                own: Own::Nothing,
            });
        }
        if cluster {
            ensure!(
                self.server.server_args.is_empty(),
                "--server-arg is for `millwork serve`, and --cluster starts an api and a worker"
            );
            let stand = Stand::start(&self.server).await?;
            return Ok(Target {
                address: stand.address(),
                pid: None,
                own: Own::Cluster(Box::new(stand)),
            });
        }
        let server = Millwork::launch(&self.server).await?;
        Ok(Target {
            address: server.address(),
            pid: Some(server.pid()?),
            own: Own::Server(Box::new(server)),
        })
    }
}

impl Target {
    /// On what it stands, as figures name it.
    #[must_use]
    pub const fn store(&self) -> &'static str {
        match self.own {
            Own::Nothing => "given",
            Own::Server(_) => "sqlite",
            Own::Cluster(_) => "postgres+kafka",
        }
    }

    /// Ends what was started for the command.
    ///
    /// # Errors
    /// Where a process of a cluster does not end in good order.
    pub async fn end(self) -> Result<()> {
        match self.own {
            Own::Nothing | Own::Server(_) => Ok(()),
            Own::Cluster(stand) => stand.end().await,
        }
    }
}

/// Finds a host and port.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("{text:?} is no host with a port: {error}"))?;
    found
        .next()
        .ok_or_else(|| format!("{text:?} has no address"))
}
