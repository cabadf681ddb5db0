//! A small HTTP server on loopback that does what its path says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    /// Where `/elsewhere` leads.
    elsewhere: Mutex<String>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Two servers at the same port: one at an address of this machine that tests grant, one at an address that they do not.
    pub(crate) async fn start_two() -> (Self, Self) {
        let granted = Self::start_at("127.0.0.2:0").await;
        let private = format!("127.0.0.1:{}", granted.address.port());
        (granted, Self::start_at(&private).await)
    }

    async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Says where `/elsewhere` leads from now on.
    pub(crate) fn lead_to(&self, location: &str) {
        location.clone_into(&mut self.seen.elsewhere.lock().expect("nobody panicked"));
    }

    /// The heads and bodies of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().expect("nobody panicked").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
    while let Some(request) = read(&mut stream).await {
        seen.requests
            .lock()
            .expect("nobody panicked")
            .push(request.clone());
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let answered = match path.as_str() {
            "/elsewhere" => {
                let location = seen.elsewhere.lock().expect("nobody panicked").clone();
                redirect(&mut stream, "302", &location).await
            }
            "/echo" => echo(&mut stream, &request).await,
            path => answer(&mut stream, path).await,
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let head = text[..end].to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|n| n.parse().ok())
                .unwrap_or(0_usize);
            if bytes.len() >= end + 4 + length {
                return Some(text);
            }
        }
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
        // Somebody speaks TLS, and gets an answer that is none.
        if bytes[0] == 0x16 {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
    }
}

async fn redirect(stream: &mut TcpStream, status: &str, location: &str) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}

/// Sends back what it was sent, in a header and, in two parts, in the body.
async fn echo(stream: &mut TcpStream, request: &str) -> std::io::Result<()> {
    let told = request.lines().find(|line| line.starts_with("x-token: "));
    let told = told.unwrap_or_default().trim_start_matches("x-token: ");
    let length = request.len();
    let head = format!("HTTP/1.1 200 OK\r\nx-told: {told}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let cut = request.find("xyzzy").map_or(length / 2, |at| at + 3);
    stream.write_all(&request.as_bytes()[..cut]).await?;
    stream.flush().await?;
    tokio::task::yield_now().await;
    stream.write_all(&request.as_bytes()[cut..]).await
}

async fn answer(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    let (word, rest) = path[1..]
        .split_once('/')
        .unwrap_or_else(|| (&path[1..], ""));
    match word {
        "redirect" => {
            let (status, location) = rest.split_once('/').unwrap_or(("302", rest));
            redirect(stream, status, location).await
        }
        // Answers, and hangs up.
        "once" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nonce")
                .await?;
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        "nowhere" => {
            stream
                .write_all(b"HTTP/1.1 302 Elsewhere\r\ncontent-length: 0\r\n\r\n")
                .await
        }
        "announced" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\nx")
                .await
        }
        "endless" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await?;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        "headers" => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nx-much: {}\r\ncontent-length: 0\r\n\r\n",
                "x".repeat(100_000)
            );
            stream.write_all(head.as_bytes()).await
        }
        "silent" => std::future::pending().await,
        "garbage" => stream.write_all(b"this is not HTTP\r\n\r\n").await,
        "broken" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                .await?;
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        word => {
            let body = format!("{{\"you\":\"{word}\"}}");
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await
        }
    }
}
