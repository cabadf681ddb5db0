//! A plugin that misbehaves does not hold up its neighbours, and a call that nobody waits for ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millwork_plugin::{Limits, Options, PluginRuntime as _};
use serde_json::json;

use crate::support::Guest;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_keep_their_pace_beside_an_endless_loop_that_dies_at_its_deadline() {
    let guest = Arc::new(Guest::limited(Limits::default()).await);
    let loops = [(); 3].map(|()| {
        let guest = Arc::clone(&guest);
        tokio::spawn(async move {
            let mut call = guest.call("spin", &json!({}));
            call.timeout = Duration::from_millis(500);
            guest
                .plugins
                .invoke(call)
                .await
                .result
                .expect_err("it never ends")
                .code
        })
    });
    let (began, mut calls, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < Duration::from_millis(400) {
        let call = Instant::now();
        guest.is_well().await;
        calls += 1;
        slowest = slowest.max(call.elapsed());
    }
    // Three loops on two threads: every call waits for some ticks of two milliseconds, and none for a loop to end.
    assert!(calls > 10, "{calls} calls, the slowest took {slowest:?}");
    assert!(
        slowest < Duration::from_millis(300),
        "the slowest of {calls} calls took {slowest:?}"
    );
    for endless in loops {
        assert_eq!(endless.await.expect("it was caught"), "plugin-timeout");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn dropping_a_call_interrupts_it_and_frees_its_place() {
    let guest = Guest::limited(Limits {
        calls_in_flight_max: 1,
        ..Limits::default()
    })
    .await;
    for action in ["spin", "sleep"] {
        let call = guest.plugins.invoke(guest.call(action, &json!({})));
        assert!(
            tokio::time::timeout(Duration::from_millis(50), call)
                .await
                .is_err(),
            "{action} never ends"
        );
        guest.is_well().await;
    }
}

#[tokio::test]
async fn calls_past_the_limit_wait_for_their_turn() {
    let limits = Limits {
        calls_in_flight_max: 4,
        calls_in_flight_per_plugin_max: 2,
        ..Limits::default()
    };
    let guest = Guest::load(Options {
        limits,
        ..Options::default()
    })
    .await;
    let began = Instant::now();
    let calls = (0..6).map(|_| {
        let mut call = guest.call("sleep", &json!({}));
        call.timeout = Duration::from_millis(100);
        guest.plugins.invoke(call)
    });
    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply.result.expect_err("it sleeps").code, "plugin-timeout");
    }
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "two at a time: {:?}",
        began.elapsed()
    );
}
