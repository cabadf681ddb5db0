//! The memory of a thousand calls at once, each of which waits for the answer of a slow server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millwork_plugin::Options;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::subject::{Subject, frozen, read};

/// Components with an action that sends a request.
pub(crate) const SUBJECTS: [&str; 2] = ["webhook", "witness-js"];

const CALLS: usize = 1_000;

/// Measures one component, and prints a line of it.
pub(crate) fn measure(name: &str) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime starts").block_on(async {
        let server = SlowServer::start().await;
        let url = format!("http://{}/", server.address);
        let (action, config) = match name {
            "webhook" => ("send", json!({"url": url, "method": "GET"})),
            _ => ("http", json!({ "url": url })),
        };
        let subject = subject(name, action, &config).await;
        // The first call, alone: what is made once is made.
        let first = tokio::spawn({
            let subject = Arc::clone(&subject);
            async move { subject.call().await }
        });
        server.until(1).await;
        server.answer();
        first.await.expect("it works");

        let before = Memory::now();
        server.hold();
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let subject = Arc::clone(&subject);
                tokio::spawn(async move { subject.call().await })
            })
            .collect();
        server.until(1 + CALLS).await;
        let during = Memory::now();
        server.answer();
        for call in calls {
            call.await.expect("every call works");
        }
        println!(
            "{name}: {CALLS} calls that wait: {} MiB resident, {} MiB before, {:.0} KiB a call; at most {} MiB",
            during.resident_kib / 1_024,
            before.resident_kib / 1_024,
            (during.resident_kib - before.resident_kib) as f64 / CALLS as f64,
            Memory::now().most_kib / 1_024,
        );
    });
}

async fn subject(name: &str, action: &str, config: &Value) -> Arc<Subject> {
    let grant = format!("{name} = {{ http = [\"*\"], private_networks = [\"loopback\"] }}");
    let options = Options {
        grants: toml::from_str(&grant).expect("the grants are right"),
        ..Options::default()
    };
    let mut subject = Subject::with(read(&frozen(name)), options).await;
    subject.aim(action, config);
    Arc::new(subject)
}

/// A server that answers when it is told to.
struct SlowServer {
    address: SocketAddr,
    /// Requests that have come.
    asked: Arc<AtomicUsize>,
    answering: watch::Sender<bool>,
}

impl SlowServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(AtomicUsize::new(0));
        let (answering, answers) = watch::channel(false);
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let accepted = listener.accept().await;
                let (mut stream, _) =
                    accepted.expect("there are files enough: `ulimit -n` says how many");
                let (count, mut answers) = (Arc::clone(&count), answers.clone());
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        count.fetch_add(1, Ordering::SeqCst);
                        let told = answers.wait_for(|answering| *answering).await.is_ok();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                        if !told || stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked,
            answering,
        }
    }

    fn answer(&self) {
        self.answering.send_replace(true);
    }

    fn hold(&self) {
        self.answering.send_replace(false);
    }

    /// Waits until so many requests have come in all.
    async fn until(&self, count: usize) {
        let beat = std::time::Duration::from_millis(10);
        for _ in 0..6_000 {
            if self.asked.load(Ordering::SeqCst) >= count {
                return;
            }
            pause(beat).await;
        }
        panic!(
            "{} of {count} requests came",
            self.asked.load(Ordering::SeqCst)
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement is in real time")]
async fn pause(span: std::time::Duration) {
    tokio::time::sleep(span).await;
}

/// What this process holds, as Linux says.
struct Memory {
    resident_kib: u64,
    most_kib: u64,
}

impl Memory {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
            number.expect("Linux says how much")
        };
        Self {
            resident_kib: field("VmRSS:"),
            most_kib: field("VmHWM:"),
        }
    }
}
