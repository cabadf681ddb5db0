//! The server: accepts connections, speaks HTTP/1.1 on each, and ends without cutting anybody off who can be served in time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::telemetry::HTTP_CONNECTIONS;

/// Connections that the operating system holds until they are accepted. Thousands may come at once.
const BACKLOG: u32 = 4_096;

/// How long to wait before accepting again when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that listens, and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    idle_timeout: Duration,
    shutdown_timeout: Duration,
}

impl Server {
    /// Listens; inside a runtime. From here on connections queue up.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub fn bind(config: &config::Server) -> io::Result<Self> {
        raise_open_files_limit();
        let address = config.listen;
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restart must not wait for the last connections of the process before to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self {
            listener,
            idle_timeout: config.idle_timeout,
            shutdown_timeout: config.shutdown_timeout,
        })
    }

    /// The address that it listens on, with the port that was found where port 0 was asked for.
    ///
    /// # Errors
    /// Where the operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `closing`, and then what is under way, for a bounded time.
    pub async fn serve(self, router: Router, closing: CancellationToken) {
        let Self {
            listener,
            idle_timeout,
            shutdown_timeout,
        } = self;
        let mut http = Builder::new(TokioExecutor::new()).http1_only();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(idle_timeout)
            .pipeline_flush(true);
        let service = TowerToHyperService::new(router);
        let connections = GracefulShutdown::new();
        while let Some(stream) = closing.run_until_cancelled(accept(&listener)).await {
            let connection = http
                .serve_connection(TokioIo::new(stream), service.clone())
                .into_owned();
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                let _open = Open::new();
                // A client that goes away, or sends what is no HTTP, is no event of ours.
                if let Err(error) = connection.await {
                    tracing::trace!(error, "a connection ended");
                }
            });
        }
        drop(listener);
        let open = connections.count();
        if tokio::time::timeout(shutdown_timeout, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!(
                connections.open = open,
                "requests were still under way after {shutdown_timeout:?}; they are cut off"
            );
        }
    }
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer is one write: there is nothing that a delay could join.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::trace!(
                        error = &error as &dyn std::error::Error,
                        "could not set TCP_NODELAY"
                    );
                }
                return stream;
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not accept a connection"
                );
                // What is missing (a file descriptor, memory) comes back when a connection ends.
                let _ = tokio::time::timeout(ACCEPT_PAUSE, std::future::pending::<()>()).await;
            }
        }
    }
}

/// Whether the error is of the one connection, which has gone already.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Counts an open connection.
struct Open(metrics::Gauge);

impl Open {
    fn new() -> Self {
        let gauge = metrics::gauge!(HTTP_CONNECTIONS);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Raises the number of files that this process may open to what it may raise it to: each connection is one.
fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        Ok(()) => tracing::debug!(
            before = current,
            after = maximum,
            "raised the limit of open files"
        ),
        Err(error) => tracing::warn!(
            limit = current,
            error = &error as &dyn std::error::Error,
            "could not raise the limit of open files"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    struct Served {
        url: String,
        closing: CancellationToken,
        served: JoinHandle<()>,
    }

    /// Serves one route that begins, and then ends when it is told to.
    fn serve(began: &Arc<Notify>, end: &Arc<Notify>, shutdown_timeout: Duration) -> Served {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = config::Server {
            listen,
            shutdown_timeout,
            ..config::Server::default()
        };
        let server = Server::bind(&config).expect("a port is free");
        let url = format!("http://{}/", server.local_addr().expect("it listens"));
        let (began, end) = (Arc::clone(began), Arc::clone(end));
        let handler = async move || {
            began.notify_one();
            end.notified().await;
            "done"
        };
        let closing = CancellationToken::new();
        let served =
            tokio::spawn(server.serve(Router::new().route("/", get(handler)), closing.clone()));
        Served {
            url,
            closing,
            served,
        }
    }

    #[tokio::test]
    async fn a_request_that_is_under_way_is_finished_and_no_new_one_is_taken() {
        let (began, end) = <(Arc<Notify>, Arc<Notify>)>::default();
        let Served {
            url,
            closing,
            served,
        } = serve(&began, &end, Duration::from_secs(30));
        let request = tokio::spawn(reqwest::get(url.clone()));
        began.notified().await;
        closing.cancel();
        // Whatever comes in between is not answered either: this route waits.
        let hurried = reqwest::Client::builder().timeout(Duration::from_millis(500));
        let hurried = hurried.build().expect("a client can be made");
        assert!(hurried.get(&url).send().await.is_err());
        end.notify_one();
        let answer = request
            .await
            .expect("it does not panic")
            .expect("it is answered");
        assert_eq!(answer.text().await.expect("it is text"), "done");
        served.await.expect("it ends");
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_holds_nobody_up_for_longer_than_the_limit() {
        let (began, end) = <(Arc<Notify>, Arc<Notify>)>::default();
        let Served {
            url,
            closing,
            served,
        } = serve(&began, &end, Duration::from_millis(20));
        tokio::spawn(reqwest::get(url));
        began.notified().await;
        closing.cancel();
        served.await.expect("it ends");
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_happens_is_closed_at_once() {
        let (began, end) = <(Arc<Notify>, Arc<Notify>)>::default();
        let Served {
            url,
            closing,
            served,
        } = serve(&began, &end, Duration::from_secs(30));
        let client = reqwest::Client::new();
        end.notify_one();
        client.get(&url).send().await.expect("it is answered");
        closing.cancel();
        served.await.expect("it ends");
    }
}
