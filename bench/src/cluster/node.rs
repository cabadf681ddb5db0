//! A process of the cluster: started, killed, stopped, continued.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::api::Api;
use crate::client::Request;
use crate::process::free_address;

/// How long a process may take until it is ready, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all processes are told.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) binary: PathBuf,
    pub(super) home: PathBuf,
    pub(super) database_url: String,
    pub(super) bootstrap: String,
    pub(super) claim_timeout: Duration,
    pub(super) session_timeout: Duration,
}

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Api,
    Worker,
}

/// A process. Killed when dropped.
pub(super) struct Node {
    place: Place,
    role: Role,
    name: String,
    address: SocketAddr,
    child: Option<Child>,
}

/// What a worker has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) conflicts: u64,
    pub(super) lost: u64,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.conflicts += other.conflicts;
        self.lost += other.lost;
    }
}

fn command(place: &Place, command: &str, name: &str) -> Result<Command> {
    let home = place.home.join(name);
    std::fs::create_dir_all(&home).with_context(|| format!("could not make {}", home.display()))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.home.join(format!("{name}.log")))
        .context("could not open a log")?;
    let seconds = |span: Duration| format!("{}ms", span.as_millis());
    let mut process = Command::new(&place.binary);
    process
        .arg(command)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUST_LOG", "info")
        .env("DATABASE_URL", &place.database_url)
        .env("KAFKA_BOOTSTRAP_SERVERS", &place.bootstrap)
        .env("MILLWORK_DATA_DIR", &home)
        .env(
            "MILLWORK_ENGINE_CLAIM_TIMEOUT",
            seconds(place.claim_timeout),
        )
        .env(
            "MILLWORK_KAFKA_SESSION_TIMEOUT",
            seconds(place.session_timeout),
        )
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    Ok(process)
}

/// Brings the database up to date.
pub(super) async fn migrate(place: &Place) -> Result<()> {
    let status = command(place, "migrate", "migrate")?.status().await;
    let status = status.with_context(|| format!("could not start {}", place.binary.display()))?;
    ensure!(
        status.success(),
        "the migration ended with {status}: see migrate.log"
    );
    Ok(())
}

impl Node {
    pub(super) fn start(place: &Place, role: Role, number: usize) -> Result<Self> {
        let mut node = Self {
            place: place.clone(),
            role,
            name: match role {
                Role::Api => format!("api-{number}"),
                Role::Worker => format!("worker-{number}"),
            },
            address: free_address()?,
            child: None,
        };
        node.start_again()?;
        Ok(node)
    }

    /// Starts it, at the same address as before.
    pub(super) fn start_again(&mut self) -> Result<()> {
        let role = match self.role {
            Role::Api => "api",
            Role::Worker => "worker",
        };
        let child = command(&self.place, role, &self.name)?
            .args(["--listen", &self.address.to_string()])
            .spawn()
            .with_context(|| format!("could not start {}", self.place.binary.display()))?;
        self.child = Some(child);
        Ok(())
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it says that all is well.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let request = Request::get("/health/ready").last();
        while Instant::now() < deadline {
            self.check_alive()?;
            let mut api = Api::new(self.address).with_patience(Duration::from_secs(2));
            if api
                .call(&request)
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "{} was not ready within {PATIENCE:?}: see {}.log",
            self.name,
            self.name
        )
    }

    /// An error where it has ended by itself.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("it was not started")?;
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended by itself ({status}): see {}.log",
                self.name,
                self.name
            ),
        }
    }

    /// `kill -9`; returns when it has gone.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.check_alive()?;
        let mut child = self.child.take().context("it was not started")?;
        child
            .kill()
            .await
            .with_context(|| format!("could not kill {}", self.name))
    }

    /// `SIGSTOP`: it does nothing any more, and does not know it.
    pub(super) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// `SIGCONT`: it goes on where it was.
    pub(super) fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// `SIGTERM`; returns when it has ended in good order.
    pub(super) async fn terminate(&mut self) -> Result<()> {
        if self.check_alive().is_err() {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().context("it was not started")?;
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        let status =
            ended.with_context(|| format!("{} did not end within {PATIENCE:?}", self.name))??;
        ensure!(
            status.success(),
            "{} ended with {status}: see {}.log",
            self.name,
            self.name
        );
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id);
        let pid = id
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} does not run", self.name))?;
        kill_process(pid, signal).with_context(|| format!("could not signal {}", self.name))
    }

    /// What it has counted since it was started.
    pub(super) async fn count(&self) -> Result<Counted> {
        let mut api = Api::new(self.address);
        let answer = api.call(&Request::get("/metrics").last()).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let count = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or(0)
        };
        Ok(Counted {
            conflicts: count("millwork_commit_conflicts_total "),
            lost: count("millwork_runs_lost_total "),
        })
    }
}
