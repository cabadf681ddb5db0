//! A server that does nothing: it reads a trigger and answers as if it had started a run.
//!
//! It is what Millwork is measured against. Same HTTP stack, same settings, same sizes; only the work is missing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::client::Connection;

/// As long as every acknowledgement of a run.
const ANSWER: &str = r#"{"run_id":"00000000-0000-7000-8000-000000000000","status":"triggered"}"#;

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
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("could not listen on {}", options.listen))?;
    println!("{}", listener.local_addr()?);
    serve(listener).await
}

async fn serve(listener: TcpListener) -> Result<()> {
    let router = Router::new()
        .route("/api/v1/trigger", post(trigger))
        // It has nothing to get ready.
        .route(
            "/health/ready",
            get(|| async { Json(json!({"status": "ok"})) }),
        );
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A client that goes away is no concern of a server that does nothing.
            drop(
                Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
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
