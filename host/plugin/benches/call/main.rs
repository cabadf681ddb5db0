//! What one plugin call costs, a fresh instance each, beside a bare call of the same component: the engine alone, with
//! the same settings, no limits, no log, no checks.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use millwork_core::digest::Digest;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::time::Timestamp;
use millwork_plugin::{Grants, Invocation, Options, Origin, PluginRuntime as _, Plugins};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

mod bare;

fn component(name: &str) -> &'static [u8] {
    let all = millwork_bundled::PLUGINS
        .iter()
        .chain(millwork_bundled::TEST_GUESTS);
    all.copied()
        .find(|bundled| bundled.name == name)
        .expect("it is built")
        .wasm
}

struct Subject {
    plugins: Arc<Plugins>,
    digest: Digest,
    action: String,
    config: Json,
}

impl Subject {
    fn new(runtime: &Runtime, name: &str, grants: &str, config: &Value) -> Self {
        let grants: Grants = toml::from_str(grants).expect("the grants are right");
        let plugins = Plugins::new(Options {
            grants,
            ..Options::default()
        })
        .expect("the sandbox starts");
        let loaded = runtime
            .block_on(plugins.load_bytes(Bytes::from_static(component(name)), Origin::Bundled))
            .expect("it loads");
        let action = loaded.manifest.actions[0].name.clone();
        Self {
            plugins: Arc::new(plugins),
            digest: loaded.digest,
            action,
            config: Json::from(config.clone()),
        }
    }

    fn call(&self) -> Invocation {
        Invocation {
            plugin: self.digest,
            action: self.action.clone(),
            config: self.config.clone(),
            timeout: Duration::from_secs(30),
            now: Timestamp::from_micros(1_795_384_000_000_000),
            run: RunId::from_bytes([7; 16]),
            trace: None,
            workflow: "order-paid".to_owned(),
            step: "fetch".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "018bcfe5-6800-7707-8707-070707070707/fetch".to_owned(),
            resumed: None,
        }
    }

    async fn run(&self, times: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..times {
            black_box(self.plugins.invoke(self.call()).await);
        }
        began.elapsed()
    }
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
}

fn calls(criterion: &mut Criterion) {
    let runtime = one_thread();
    let delay = Subject::new(&runtime, "delay", "", &json!({"duration": 5}));
    let reply = runtime.block_on(delay.plugins.invoke(delay.call()));
    assert!(
        matches!(reply.result, Ok(Outcome::Suspended(_))),
        "{reply:?}"
    );

    let bare = bare::Bare::new(component("delay"), "wait", r#"{"duration":5}"#);
    let bare = bare.expect("the engine takes it");
    assert!(runtime.block_on(bare.call()).expect("it answers"));
    criterion.bench_function("delay, bare", |bencher| {
        bencher.to_async(&runtime).iter(|| bare.call());
    });
    criterion.bench_function("delay", |bencher| {
        bencher
            .to_async(&runtime)
            .iter_custom(|times| delay.run(times));
    });

    let echo = Subject::new(&runtime, "misbehave", "", &json!({"text": "hello"}));
    criterion.bench_function("echo", |bencher| {
        bencher
            .to_async(&runtime)
            .iter_custom(|times| echo.run(times));
    });

    let config = json!({"url": "https://shop.example/orders/17", "method": "POST", "headers": {"X-A": "b"}, "body": {"sku": "a-1", "count": 2}});
    let denied = Subject::new(&runtime, "webhook", "[webhook]", &config);
    criterion.bench_function("webhook, denied", |bencher| {
        bencher
            .to_async(&runtime)
            .iter_custom(|times| denied.run(times));
    });
}

fn http(criterion: &mut Criterion) {
    let runtime = one_thread();
    let address = serve();
    let config = json!({"url": format!("http://{address}/orders/17"), "method": "POST", "body": {"sku": "a-1", "count": 2}});
    let webhook = Subject::new(
        &runtime,
        "webhook",
        "webhook = { http = [\"*\"], private_networks = [\"loopback\"] }",
        &config,
    );
    let reply = runtime.block_on(webhook.plugins.invoke(webhook.call()));
    assert!(
        matches!(reply.result, Ok(Outcome::Completed(_))),
        "{reply:?}"
    );
    criterion.bench_function("webhook, answered on loopback", |bencher| {
        bencher
            .to_async(&runtime)
            .iter_custom(|times| webhook.run(times));
    });
}

/// Two threads at work: the time is for one call of each.
fn two_threads(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let delay = Arc::new(Subject::new(&runtime, "delay", "", &json!({"duration": 5})));
    criterion.bench_function("delay, on two threads at once", |bencher| {
        bencher.to_async(&runtime).iter_custom(|times| {
            let workers = [(); 2].map(|()| {
                let delay = Arc::clone(&delay);
                tokio::spawn(async move { delay.run(times).await })
            });
            async move {
                let mut slowest = Duration::ZERO;
                for worker in workers {
                    slowest = slowest.max(worker.await.expect("nobody panics"));
                }
                slowest
            }
        });
    });
}

/// A server on a thread of its own that answers everything with a little JSON.
fn serve() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    listener.set_nonblocking(true).expect("it can be");
    std::thread::spawn(move || {
        one_thread().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    address
}

criterion_group!(benches, calls, http, two_threads);
criterion_main!(benches);
