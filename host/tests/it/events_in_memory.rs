//! Stories of runs that are followed while they go on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use millwork::engine::{Engine, Error, Follower, Happened};
use millwork_core::event::{Event, Seq};
use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use serde_json::json;

use crate::support::cluster::{Cluster, open};
use crate::support::harness::{Harness, workflow};

/// Everything that a follower is told up to the end, and how the run ended.
async fn to_the_end(mut follower: Follower) -> (Vec<Seq>, RunStatus) {
    let mut seqs = Vec::new();
    loop {
        let Happened {
            status, records, ..
        } = follower.next().await.expect("the run is there");
        if records.is_empty() {
            return (seqs, status);
        }
        seqs.extend(records.iter().map(|(seq, _)| *seq));
    }
}

async fn journal_length(engine: &Engine, run: RunId) -> Seq {
    let happened = engine.read_events(run, 0, 1_000).await;
    let records = happened.expect("it is there").records;
    Seq::try_from(records.len()).expect("few")
}

#[tokio::test]
async fn who_follows_a_run_is_told_of_each_event_when_it_happens_and_of_the_end() {
    let host = Harness::new();
    let nap = |name: &str| json!({"name": name, "type": "delay", "config": {"duration": 60}});
    let id = host.create(workflow(&json!([nap("a"), nap("b")]))).await;
    let run = host.trigger(id, json!({})).await;
    let mut follower = host.engine.follow(run, 0);
    let mut seen = Vec::new();
    for slept in 0..=2 {
        host.settle().await;
        while let Some(happened) = follower.next().now_or_never() {
            let happened = happened.expect("the run is there");
            if happened.records.is_empty() {
                assert_eq!((slept, happened.status), (2, RunStatus::Success));
                break;
            }
            seen.extend(happened.records.into_iter().map(|(_, record)| record.event));
        }
        let sleeps = seen
            .iter()
            .filter(|event| matches!(event, Event::StepSuspended { .. }));
        assert_eq!(sleeps.count(), (slept + 1).min(2), "after {slept} naps");
        host.clock.advance(Duration::from_secs(60));
    }
    assert!(matches!(seen.first(), Some(Event::RunCreated(_))));
    assert!(matches!(seen.last(), Some(Event::RunSucceeded { .. })));
}

#[tokio::test]
async fn many_may_follow_from_anywhere_and_each_is_told_what_is_behind() {
    let host = Harness::new();
    let steps: Vec<_> = (0..150)
        .map(|n| json!({"name": format!("s{n}"), "type": "echo", "config": {"n": n}}))
        .collect();
    let id = host.create(workflow(&json!(steps))).await;
    let run = host.trigger(id, json!({})).await;
    let followers = [0, 1, 77, 140].map(|from| (from, host.engine.follow(run, from)));
    let told = followers.map(async |(from, follower)| (from, to_the_end(follower).await));
    let told = futures::future::join_all(told).await;
    let length = journal_length(&host.engine, run).await;
    assert!(length > 150, "more than one stretch");
    for (from, (seqs, status)) in told {
        assert_eq!(seqs, (from..length).collect::<Vec<_>>());
        assert_eq!(status, RunStatus::Success);
    }
    // Who comes when all is over is told at once that there is nothing.
    let late = host.engine.follow(run, length).next().now_or_never();
    let late = late.expect("at once").expect("it is there");
    assert_eq!((late.records.len(), late.status), (0, RunStatus::Success));
    let unknown = host
        .engine
        .follow(RunId::from_bytes([9; 16]), 0)
        .next()
        .await;
    assert!(matches!(unknown, Err(Error::UnknownRun(_))));
}

#[tokio::test]
async fn a_run_is_followed_on_a_process_that_does_not_execute_it() {
    for hears_nothing in [false, true] {
        let cluster = Cluster::new();
        let (api, worker) = (cluster.api(), cluster.worker(open()));
        let nap = |name: &str| json!({"name": name, "type": "delay", "config": {"duration": 5}});
        let id = api.create(json!([nap("a"), nap("b")])).await;
        let run = api.trigger(id).await;
        let follower = api.engine.follow(run, 0);
        let told = tokio::spawn(to_the_end(follower));
        cluster
            .hub
            .loses_notices
            .store(hears_nothing, Ordering::Relaxed);
        // Nobody tells it of what another process writes: it looks, at the latest every two seconds.
        cluster.pass(Duration::from_secs(14)).await;
        let told = told.now_or_never().expect("it has ended");
        let (seqs, status) = told.expect("it does not panic");
        let length = journal_length(&worker.engine, run).await;
        assert_eq!(seqs, (0..length).collect::<Vec<_>>());
        assert_eq!(status, RunStatus::Success);
    }
}

#[tokio::test]
async fn a_journal_is_read_page_by_page() {
    let host = Harness::new();
    let steps: Vec<_> = (0..5)
        .map(|n| json!({"name": format!("s{n}"), "type": "echo"}))
        .collect();
    let id = host.create(workflow(&json!(steps))).await;
    let run = host.trigger(id, json!({})).await;
    host.succeeded(run).await;
    let mut seqs = Vec::new();
    let mut from = 0;
    loop {
        let happened = host.engine.read_events(run, from, 2).await;
        let happened = happened.expect("it is there");
        seqs.extend(happened.records.iter().map(|(seq, _)| *seq));
        if !happened.has_more {
            break;
        }
        from = seqs.last().expect("there was one") + 1;
    }
    let length = journal_length(&host.engine, run).await;
    assert_eq!(seqs, (0..length).collect::<Vec<_>>());
}
