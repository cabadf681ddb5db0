//! Messages on topics start runs: once each, whatever is read twice, and what nothing can be made of is put aside.

use std::sync::Arc;
use std::time::Duration;

use millwork::clock::Clock as _;
use millwork::engine::Error;
use millwork_bus::source::Message;
use millwork_core::event::Origin;
use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_store::{Order, RunQuery, RunRow};
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Process, open};
use crate::support::harness::{Harness, breathe};
use crate::support::topics::Topics;

const ORDERS: &str = "orders";

fn by_message(filter: Option<&str>) -> Value {
    json!({
        "name": "orders",
        "input": {"type": "object", "properties": {"message": {"type": "object"}}},
        "triggers": [{"type": "kafka", "topic": ORDERS, "filter": filter}],
        "steps": [{"name": "a", "type": "gate", "config": {"total": "${payload.message.total}", "from": "${payload.key}"}}],
    })
}

/// A process that reads topics.
fn reading(cluster: &Cluster) -> (Process, Arc<Topics>) {
    let process = cluster.worker(open());
    let topics = Arc::new(Topics::default());
    process.engine.start_reading(Arc::clone(&topics) as _);
    (process, topics)
}

fn message(cluster: &Cluster, offset: i64, payload: &str) -> Message {
    Message {
        topic: ORDERS.to_owned(),
        partition: 3,
        offset,
        at: Some(cluster.clock.now()),
        key: Some(b"ada".to_vec()),
        payload: payload.as_bytes().to_vec(),
        headers: vec![("from".to_owned(), b"the shop".to_vec())],
    }
}

#[tokio::test]
async fn a_run_belongs_to_the_trace_of_its_message() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let workflow = create(&process, by_message(None)).await;
    until_followed(&topics).await;
    for (offset, header) in [(1, TRACE), (2, "of somebody who does not know the form")] {
        let mut message = message(&cluster, offset, r#"{"total": 1}"#);
        let header = header.as_bytes().to_vec();
        message.headers.push(("traceparent".to_owned(), header));
        topics.write(message);
        until_done(&topics, offset).await;
    }
    let mut traces = Vec::new();
    for row in runs(&process, workflow).await {
        let trace = process.run(row.run).await.run.created().trace;
        traces.push(trace.map(|trace| trace.to_string()));
    }
    traces.sort();
    assert_eq!(traces, [None, Some(TRACE.to_owned())]);
}

async fn create(process: &Process, definition: Value) -> WorkflowId {
    let created = process.engine.create_workflow(definition).await;
    created.expect("the definition holds")
}

async fn runs(process: &Process, workflow: WorkflowId) -> Vec<RunRow> {
    let all = RunQuery {
        workflow: Some(workflow),
        statuses: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::OldestFirst,
        limit: 1_000,
    };
    process.engine.list_runs(all).await.expect("memory answers")
}

/// Lets everybody do what there is to be done, until a message is done with.
async fn until_done(topics: &Topics, offset: i64) {
    for _ in 0..10_000 {
        if topics.done().contains(&offset) {
            return;
        }
        breathe().await;
    }
    panic!("message {offset} is not done with: {:?}", topics.aside());
}

async fn until_followed(topics: &Topics) {
    for _ in 0..10_000 {
        if topics.followed() == [ORDERS] {
            return;
        }
        breathe().await;
    }
    panic!("nobody reads the topic: {:?}", topics.followed());
}

#[tokio::test]
async fn a_message_starts_one_run_however_often_it_is_read() {
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let workflow = create(&process, by_message(Some("${message.total > 10}"))).await;
    until_followed(&topics).await;
    for (offset, total) in [(1, 11), (2, 9), (3, 12), (1, 11), (4, 1)] {
        topics.write(message(
            &cluster,
            offset,
            &format!(r#"{{"total": {total}}}"#),
        ));
        until_done(&topics, offset).await;
    }
    let started = runs(&process, workflow).await;
    assert_eq!(started.len(), 2, "{started:?}");
    let first = async |run| {
        let view = process.run(run).await;
        matches!(
            view.run.created().origin,
            Some(Origin::Kafka { offset: 1, .. })
        )
    };
    let run = match first(started[0].run).await {
        true => started[0].run,
        false => started[1].run,
    };
    cluster
        .until("the run ends", async || {
            process.run(run).await.run.status().is_finished()
        })
        .await;
    let view = process.run(run).await;
    assert_eq!(view.run.status(), RunStatus::Success);
    let origin = Origin::Kafka {
        topic: ORDERS.to_owned(),
        partition: 3,
        offset: 1,
    };
    assert_eq!(view.run.created().origin, Some(origin));
    assert_eq!(
        *view.run.created().payload.value(),
        json!({"message": {"total": 11}, "key": "ada", "headers": {"from": "the shop"}})
    );
    assert_eq!(topics.aside(), []);
}

#[tokio::test]
async fn what_nothing_can_be_made_of_is_put_aside_and_the_next_goes_on() {
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let workflow = create(&process, by_message(Some("${message.total - 10 > 0}"))).await;
    until_followed(&topics).await;
    for (offset, payload) in [
        (1, "{"),
        (2, r#"{"total": "many"}"#),
        (3, r#"{"total": 11}"#),
    ] {
        topics.write(message(&cluster, offset, payload));
        until_done(&topics, offset).await;
    }
    assert_eq!(runs(&process, workflow).await.len(), 1);
    let aside = topics.aside();
    let reasons: Vec<_> = aside
        .iter()
        .map(|(offset, reason)| (*offset, reason.replace(&workflow.to_string(), "W")))
        .collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0]
            .1
            .starts_with("workflow W: the message is no JSON: EOF"),
        "{reasons:?}"
    );
    assert!(
        reasons[1]
            .1
            .starts_with("workflow W: the filter has no value: "),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_message_after_an_update_starts_a_run_of_the_new_version_or_none() {
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let workflow = create(&process, by_message(None)).await;
    until_followed(&topics).await;
    // Another process changes it; this one has not looked since.
    let other = cluster.api();
    let update = async |definition| {
        let updated = other.engine.update_workflow(workflow, definition, None);
        updated.await.expect("it holds")
    };
    update(by_message(Some("${message.total > 10}"))).await;
    for (offset, total) in [(1, 11), (2, 9)] {
        let payload = format!(r#"{{"total": {total}}}"#);
        topics.write(message(&cluster, offset, &payload));
        until_done(&topics, offset).await;
    }
    let versions = async || {
        let runs = runs(&process, workflow).await;
        runs.iter().map(|run| run.version).collect::<Vec<_>>()
    };
    assert_eq!(versions().await, [2], "the new filter counts");
    let mut without = by_message(None);
    without["triggers"] = json!([]);
    update(without).await;
    topics.write(message(&cluster, 3, r#"{"total": 12}"#));
    until_done(&topics, 3).await;
    assert_eq!(versions().await, [2]);
    assert_eq!(topics.aside(), []);
}

#[tokio::test]
async fn a_payload_that_its_workflow_does_not_take_is_put_aside() {
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let workflow = create(&process, by_message(None)).await;
    until_followed(&topics).await;
    topics.write(message(&cluster, 1, "7"));
    until_done(&topics, 1).await;
    assert_eq!(runs(&process, workflow).await.len(), 0);
    let aside = topics.aside();
    assert!(
        aside[0].1.contains("the payload does not hold"),
        "{aside:?}"
    );
}

#[tokio::test]
async fn what_was_written_long_before_the_workflow_was_made_starts_nothing() {
    let cluster = Cluster::new();
    let (process, topics) = reading(&cluster);
    let old = message(&cluster, 1, r#"{"total": 11}"#);
    cluster.clock.advance(Duration::from_secs(3_600));
    let workflow = create(&process, by_message(None)).await;
    until_followed(&topics).await;
    topics.write(old);
    until_done(&topics, 1).await;
    assert_eq!(runs(&process, workflow).await.len(), 0);
    assert_eq!(topics.aside(), []);
}

#[tokio::test]
async fn a_host_without_kafka_refuses_a_workflow_that_waits_for_a_topic() {
    let harness = Harness::new();
    let document = json!({
        "name": "orders", "steps": [{"name": "a", "type": "echo"}],
        "triggers": [{"type": "kafka", "topic": ORDERS}],
    });
    let Err(Error::InvalidDefinition(problems)) = harness.engine.create_workflow(document).await
    else {
        panic!("it was taken")
    };
    assert_eq!(problems[0].path, "/triggers/0/type");
    assert!(problems[0].message.contains("bus = "), "{problems:?}");
}
