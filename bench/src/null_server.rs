//! A server that does nothing: it reads a trigger and answers as if it had started a run.
//!
//! It is what Millwork is measured against. Same HTTP stack, same settings, same sizes; only the work is missing.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::{Child, Command};

use crate::client::Connection;

/// As long as every acknowledgement of a run.
const ANSWER: &str = r#"{"run_id":"00000000-0000-7000-8000-000000000000","status":"triggered"}"#;

/// Connections that wait to be accepted, as many as Millwork lets wait.
const BACKLOG: u32 = 4_096;

/// How long a connection may idle. What it is does not matter; that there is a timer for it does.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to start.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Where a null server listens.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// The address.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// Serves until the process is ended, and prints the address first.
///
/// # Errors
/// Where the address is taken.
pub async fn run(options: Options) -> Result<()> {
    let listener = listen(options.listen)
        .with_context(|| format!("could not listen on {}", options.listen))?;
    println!("{}", listener.local_addr()?);
    serve(listener).await
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener) -> Result<()> {
    let router = Router::new()
        .route("/api/v1/trigger", post(trigger))
        // It has nothing to get ready.
        .route(
            "/health/ready",
            get(|| async { Json(json!({"status": "ok"})) }),
        );
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .pipeline_flush(true);
    let service = TowerToHyperService::new(router);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http
            .serve_connection(TokioIo::new(stream), service.clone())
            .into_owned();
        // A client that goes away is no concern of a server that does nothing.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn trigger(Json(_): Json<Value>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}

/// A null server in a process of its own. Killed when dropped.
#[derive(Debug)]
pub struct NullServer {
    address: SocketAddr,
    _child: Child,
}

impl NullServer {
    /// Starts one from this tool's binary.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn launch(tool: &Path) -> Result<Self> {
        let mut child = Command::new(tool)
            .arg("null-server")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", tool.display()))?;
        let out = child
            .stdout
            .take()
            .context("the null server has no output")?;
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(out));
        let line = tokio::time::timeout(START_PATIENCE, lines.next_line());
        let line = line
            .await
            .context("the null server said nothing")??
            .context("the null server ended")?;
        let address = line
            .parse()
            .with_context(|| format!("the null server said {line:?}"))?;
        let deadline = Instant::now() + START_PATIENCE;
        while Connection::open(address).await.is_err() {
            if Instant::now() >= deadline {
                bail!("the null server does not listen on {address}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self {
            address,
            _child: child,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
