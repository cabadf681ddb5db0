//! The load generator does what it says: how many it sends, when, and what it takes an answer's time to be.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millwork_bench::client::Request;
use millwork_bench::load::{self, Load, Tally, Until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How long the server does not answer.
const STALL: Duration = Duration::from_millis(1_000);

/// A server that answers at once, but for one stall of all its connections, `after` the first request.
async fn stalling_server(after: Duration, requests: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    let began = Arc::new(std::sync::OnceLock::new());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (began, requests) = (Arc::clone(&began), Arc::clone(&requests));
            tokio::spawn(async move {
                let mut buffer = [0; 1_024];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let age = began.get_or_init(Instant::now).elapsed();
                    if age >= after && age < after + STALL {
                        tokio::time::sleep(after + STALL - age).await;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn load_of(address: SocketAddr, connections: usize, span: Duration, rate: Option<f64>) -> Load {
    let request = Request::get("/").finish();
    Load {
        rate,
        ..Load::new(address, request, connections, Until::Elapsed(span))
    }
}

fn slower_than(tally: &Tally, span: Duration) -> usize {
    let slow = |micros: &&u32| Duration::from_micros(u64::from(**micros)) > span;
    tally.micros.iter().filter(slow).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_charged_to_every_request_that_was_due_in_it() {
    let requests = Arc::new(AtomicU64::new(0));
    let address = stalling_server(Duration::from_millis(500), Arc::clone(&requests)).await;
    // One connection alone: it can send the second of two requests only when the first is answered.
    let load = load_of(address, 1, Duration::from_secs(2), Some(100.0));
    let tally = load::carry_out(load).await.expect("it ends");
    assert_eq!((tally.errors, tally.answers), (0, 200));
    // 100 were due in the second in which nothing was answered; those of its first 0.9 s waited for a tenth at least.
    let slow = slower_than(&tally, Duration::from_millis(100));
    assert!((80..=200).contains(&slow), "{slow} of 200 were slow");
    assert!(tally.latency().max_ms > 900.0, "{:?}", tally.latency());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_sees_one_slow_answer_a_connection() {
    let address = stalling_server(Duration::from_millis(300), Arc::default()).await;
    let load = load_of(address, 3, Duration::from_millis(1_600), None);
    let tally = load::carry_out(load).await.expect("it ends");
    // As many as there are connections; a few more where this machine itself stalls.
    let slow = slower_than(&tally, Duration::from_millis(200));
    assert!((1..=9).contains(&slow), "{slow}: {:?}", tally.latency());
    assert!(tally.answers > 100, "{} answers", tally.answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_before_the_end_is_sent_though_the_server_stalls_over_it() {
    let requests = Arc::new(AtomicU64::new(0));
    let address = stalling_server(Duration::from_millis(200), Arc::clone(&requests)).await;
    let load = load_of(address, 2, Duration::from_millis(400), Some(50.0));
    let answered = Arc::clone(&load.answered);
    let tally = load::carry_out(load).await.expect("it ends");
    assert_eq!(tally.answers, 20);
    assert_eq!(answered.load(Ordering::SeqCst), 20);
    // And the one that showed what a right answer is.
    assert_eq!(requests.load(Ordering::SeqCst), 21);
    assert!(
        tally.elapsed >= Duration::from_millis(1_000),
        "{:?}",
        tally.elapsed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_take_turns() {
    let address = stalling_server(Duration::from_secs(60), Arc::default()).await;
    let requests = (0..3).map(|n| Request::get(&format!("/{n}")).finish());
    let load = Load {
        requests: requests.collect(),
        ..Load::new(address, Request::get("/").finish(), 4, Until::Requests(30))
    };
    let tally = load::carry_out(load).await.expect("it ends");
    assert_eq!((tally.answers, tally.errors), (30, 0));
    let none = Load {
        requests: Vec::new(),
        ..Load::new(address, Request::get("/").finish(), 4, Until::Requests(30))
    };
    let refusal = load::carry_out(none)
        .await
        .expect_err("there is nothing to send");
    assert!(refusal.to_string().contains("one request"), "{refusal:#}");
}
