//! Stories of runs, and how the API shows them.

use std::sync::Arc;

use millwork_core::event::Record;
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::run::Run;
use serde_json::{Value, json};

use super::RunDocument;

/// Three steps in a row, and one beside them.
fn graph() -> Graph {
    let definition = json!({
        "name": "order-paid",
        "steps": [
            {"name": "fetch", "type": "webhook"},
            {"name": "cool-off", "type": "delay"},
            {"name": "tell", "type": "webhook"},
            {"name": "count", "type": "webhook", "needs": []},
        ],
    });
    Graph::load(&definition, &Arc::new(json!({}))).expect("the definition holds")
}

/// Folds a journal of which the first record is this one.
fn run(events: &[Value]) -> Run {
    let created = json!({"run-created": {
        "workflow": "018bcfe5-6800-7707-8707-07070707abcd",
        "version": 1,
        "payload": {"order_id": 7},
        "plugins": {},
    }});
    let records = [&created].into_iter().chain(events).zip(0_i64..);
    let records: Vec<_> = records
        .map(|(event, second)| {
            let at = 1_795_384_000_000_000 + second * 1_000_000;
            Record::decode(&json!({"v": 1, "at": at, "event": event}).to_string())
                .expect("it is a record")
        })
        .collect();
    Run::fold(RunId::from_bytes([1; 16]), &records).expect("the journal begins with the creation")
}

fn shown(events: &[Value]) -> Value {
    let text = serde_json::to_string(&RunDocument::of(&run(events), &graph())).expect("it is JSON");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Where the run and each of its steps stand, and what each waits for.
fn told(events: &[Value]) -> String {
    let shown = shown(events);
    let wait = |of: &Value| match &of["waiting_for"] {
        Value::Null => String::new(),
        wait => format!(" waits for {wait}"),
    };
    let mut lines = vec![format!("{}{}", shown["status"], wait(&shown))];
    for (name, step) in shown["step_results"].as_object().expect("there are steps") {
        lines.push(format!(
            "  {name}: {} {}{}",
            step["status"],
            step["attempt"],
            wait(step)
        ));
    }
    lines.join("\n")
}

fn succeeded(step: &str) -> Value {
    json!({"step-succeeded": {"step": step, "attempt": 1, "started_at": 1_795_384_000_500_000_i64, "output": {"status_code": 200}}})
}

fn suspended(step: &str, wait: &Value) -> Value {
    json!({"step-suspended": {"step": step, "attempt": 1, "started_at": 1_795_384_000_500_000_i64, "wait": wait, "then": "call-again"}})
}

fn retrying(step: &str) -> Value {
    let failure =
        json!({"kind": "retryable", "code": "http-503", "message": "Service Unavailable"});
    json!({"step-retry-scheduled": {"step": step, "attempt": 1, "started_at": 1_795_384_000_500_000_i64, "failure": failure, "due": 1_795_384_009_000_000_i64}})
}

#[test]
fn a_run_that_has_not_begun_is_pending_and_so_are_its_steps() {
    insta::assert_json_snapshot!(shown(&[]), @r#"
    {
      "uuid": "01010101-0101-0101-0101-010101010101",
      "id": "01010101-0101-0101-0101-010101010101",
      "workflow_id": "018bcfe5-6800-7707-8707-07070707abcd",
      "workflow_version": 1,
      "status": "pending",
      "payload": {
        "order_id": 7
      },
      "created_at": "2026-11-22T21:46:40.000000Z",
      "started_at": null,
      "completed_at": null,
      "output": null,
      "error": null,
      "failure": null,
      "waiting_for": null,
      "step_results": {
        "fetch": {
          "step_name": "fetch",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        },
        "cool-off": {
          "step_name": "cool-off",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        },
        "tell": {
          "step_name": "tell",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        },
        "count": {
          "step_name": "count",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        }
      }
    }
    "#);
}

#[test]
fn a_step_whose_needs_are_done_is_in_its_first_attempt() {
    insta::assert_snapshot!(told(&[succeeded("fetch")]), @r#"
    "running"
      fetch: "success" 1
      cool-off: "running" 1
      tell: "pending" 0
      count: "running" 1
    "#);
}

#[test]
fn a_run_waits_for_what_ends_first_once_nothing_of_it_is_under_way() {
    let time = json!({"time": {"due": 1_795_384_060_000_000_i64}});
    let one_works = [succeeded("fetch"), suspended("cool-off", &time)];
    insta::assert_snapshot!(told(&one_works), @r#"
    "running"
      fetch: "success" 1
      cool-off: "running" 1 waits for {"kind":"time","until":"2026-11-22T21:47:40.000000Z","step":"cool-off"}
      tell: "pending" 0
      count: "running" 1
    "#);
    let both_wait = [
        succeeded("fetch"),
        suspended("cool-off", &time),
        retrying("count"),
    ];
    insta::assert_snapshot!(told(&both_wait), @r#"
    "running" waits for {"kind":"retry","until":"2026-11-22T21:46:49.000000Z","step":"count","attempt":2,"failure":{"code":"http-503","message":"Service Unavailable"}}
      fetch: "success" 1
      cool-off: "running" 1 waits for {"kind":"time","until":"2026-11-22T21:47:40.000000Z","step":"cool-off"}
      tell: "pending" 0
      count: "running" 1 waits for {"kind":"retry","until":"2026-11-22T21:46:49.000000Z","step":"count","attempt":2,"failure":{"code":"http-503","message":"Service Unavailable"}}
    "#);
}

#[test]
fn a_signal_without_a_deadline_is_waited_for_after_everything_else() {
    let signal = json!({"signal": {"name": "approved"}});
    insta::assert_snapshot!(told(&[suspended("fetch", &signal), succeeded("count")]), @r#"
    "running" waits for {"kind":"signal","until":null,"step":"fetch","signal":"approved"}
      fetch: "running" 1 waits for {"kind":"signal","until":null,"step":"fetch","signal":"approved"}
      cool-off: "pending" 0
      tell: "pending" 0
      count: "success" 1
    "#);
    insta::assert_snapshot!(told(&[suspended("fetch", &signal), retrying("count")]), @r#"
    "running" waits for {"kind":"retry","until":"2026-11-22T21:46:49.000000Z","step":"count","attempt":2,"failure":{"code":"http-503","message":"Service Unavailable"}}
      fetch: "running" 1 waits for {"kind":"signal","until":null,"step":"fetch","signal":"approved"}
      cool-off: "pending" 0
      tell: "pending" 0
      count: "running" 1 waits for {"kind":"retry","until":"2026-11-22T21:46:49.000000Z","step":"count","attempt":2,"failure":{"code":"http-503","message":"Service Unavailable"}}
    "#);
}

#[test]
fn a_failed_run_says_why_and_what_never_began_stays_pending() {
    let failure = json!({"kind": "permanent", "code": "http-404", "message": "not found"});
    let log =
        json!([{"at": 1_795_384_000_600_000_i64, "level": "warn", "message": "no such order"}]);
    let events = [
        json!({"step-failed": {"step": "fetch", "attempt": 2, "started_at": 1_795_384_000_500_000_i64, "failure": failure, "log": log}}),
        json!({"step-cancelled": {"step": "count"}}),
        json!({"run-failed": {"step": "fetch", "code": "http-404", "message": "not found"}}),
    ];
    insta::assert_json_snapshot!(shown(&events), @r#"
    {
      "uuid": "01010101-0101-0101-0101-010101010101",
      "id": "01010101-0101-0101-0101-010101010101",
      "workflow_id": "018bcfe5-6800-7707-8707-07070707abcd",
      "workflow_version": 1,
      "status": "failed",
      "payload": {
        "order_id": 7
      },
      "created_at": "2026-11-22T21:46:40.000000Z",
      "started_at": "2026-11-22T21:46:40.500000Z",
      "completed_at": "2026-11-22T21:46:43.000000Z",
      "output": null,
      "error": "step \"fetch\" failed: not found",
      "failure": {
        "step": "fetch",
        "code": "http-404",
        "message": "not found"
      },
      "waiting_for": null,
      "step_results": {
        "fetch": {
          "step_name": "fetch",
          "status": "failed",
          "attempt": 2,
          "started_at": "2026-11-22T21:46:40.500000Z",
          "completed_at": "2026-11-22T21:46:41.000000Z",
          "output": null,
          "error": "not found",
          "failure": {
            "code": "http-404",
            "message": "not found"
          },
          "log": [
            {
              "at": "2026-11-22T21:46:40.600000Z",
              "level": "warn",
              "message": "no such order"
            }
          ]
        },
        "cool-off": {
          "step_name": "cool-off",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        },
        "tell": {
          "step_name": "tell",
          "status": "pending",
          "attempt": 0,
          "started_at": null,
          "completed_at": null,
          "output": null,
          "error": null
        },
        "count": {
          "step_name": "count",
          "status": "cancelled",
          "attempt": 1,
          "started_at": null,
          "completed_at": "2026-11-22T21:46:42.000000Z",
          "output": null,
          "error": null
        }
      }
    }
    "#);
}

#[test]
fn a_skipped_step_has_no_output() {
    let events = [
        json!({"step-skipped": {"step": "fetch"}}),
        succeeded("cool-off"),
        succeeded("tell"),
        succeeded("count"),
        json!({"run-succeeded": {}}),
    ];
    let shown = shown(&events);
    assert_eq!(shown["status"], "success");
    assert_eq!(shown["step_results"]["fetch"]["status"], "skipped");
    assert_eq!(shown["step_results"]["fetch"]["output"], Value::Null);
    assert_eq!(
        shown["step_results"]["tell"]["output"],
        json!({"status_code": 200})
    );
    let names: Vec<_> = shown["step_results"]
        .as_object()
        .expect("there are steps")
        .keys()
        .collect();
    assert_eq!(names, ["fetch", "cool-off", "tell", "count"]);
}
