//! How the machine fares with large runs: `cargo run --release -p millwork-core --example scale`.
//!
//! For each size it says what one decision costs at the beginning and at the end of a run, what reading the journal costs,
//! and how much memory the run takes.

#![expect(
    clippy::disallowed_methods,
    reason = "it is about how long things take and how much memory they need"
)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millwork_core::command::{AttemptReturned, Command};
use millwork_core::connector::{Catalog, Connector, TypeRef};
use millwork_core::decide::decide;
use millwork_core::digest::Digest;
use millwork_core::effect::Effect;
use millwork_core::event::{Event, Pin, Record, RunCreated};
use millwork_core::graph::{Graph, check};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::{Outcome, Suspension, Then, Until};
use millwork_core::retry::Chance;
use millwork_core::run::Run;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

struct Everything;

impl Catalog for Everything {
    fn resolve(&self, _: &TypeRef) -> Result<Connector, String> {
        Ok(Connector {
            digest: Digest::from_bytes([7; 32]),
            action: "run".into(),
            timeout: None,
            attempts_max: None,
        })
    }
}

fn main() {
    println!(
        "{:<34} {:>8} {:>11} {:>11} {:>11} {:>11} {:>9}",
        "run", "events", "first 10 %", "last 10 %", "worst", "fold", "memory"
    );
    for steps in [10, 100, 1_000] {
        let chain = (0..steps).map(
            |n| json!({"name": format!("s{n}"), "type": "x", "config": {"n": "${payload.n}"}}),
        );
        drive(
            &format!("chain of {steps}"),
            &json!({"name": "chain", "steps": chain.collect::<Vec<_>>()}),
            &json!({"n": 1}),
            0,
        );
    }
    let fan = |from: usize, to: usize| {
        let sources = (0..from).map(|n| json!({"name": format!("a{n}"), "type": "x", "needs": []}));
        let names: Vec<_> = (0..from).map(|n| format!("a{n}")).collect();
        let sinks = (0..to).map(|n| json!({"name": format!("b{n}"), "type": "x", "needs": names}));
        json!({"name": "fan", "steps": sources.chain(sinks).collect::<Vec<_>>()})
    };
    drive(
        "400 beside each other, then one",
        &fan(400, 1),
        &json!({}),
        0,
    );
    drive(
        "each of 500 waits for 500 others",
        &fan(500, 500),
        &json!({}),
        0,
    );
    for items in [100, 1_000, 10_000] {
        let list: Vec<_> = (0..items).map(|n| json!({"sku": n})).collect();
        let definition = json!({"name": "loop", "steps": [
            {"name": "each", "type": "x", "foreach": "${payload.items}", "config": {"sku": "${item.sku}", "of": "${payload.customer}"},
             "compensate": {"type": "x", "config": {"sku": "${item.sku}"}}},
            {"name": "last", "type": "x", "config": {"n": "${each | length}"}},
        ]});
        drive(
            &format!("foreach of {items}"),
            &definition,
            &json!({"items": list, "customer": "Ada"}),
            0,
        );
    }
    for events in [1_000, 10_000, 100_000] {
        let definition = json!({"name": "poll", "steps": [{"name": "poll", "type": "x"}]});
        drive(
            &format!("a poll of {events} events"),
            &definition,
            &json!({}),
            events / 2,
        );
    }
    let large = json!({"name": "large", "steps": (0..60).map(|n| json!({"name": format!("s{n}"), "type": "large"})).collect::<Vec<_>>()});
    drive("60 outputs of 1 MiB", &large, &json!({}), 0);
}

/// Drives a run to its end, each attempt coming back at once; one of a poll first sleeps and is called again so often.
fn drive(name: &str, definition: &Value, payload: &Value, sleeps: usize) {
    let graph = graph(definition);
    let before = resident_bytes();
    let created = RunCreated {
        workflow: WorkflowId::from_parts(START, [1; 10]),
        version: 1,
        payload: Json::from(payload),
        plugins: graph
            .plugins()
            .into_iter()
            .map(|name| (name.to_owned(), pin(name)))
            .collect(),
        bounds: None,
        origin: None,
        deadline: None,
        parent: None,
        labels: std::collections::BTreeMap::new(),
        trace: None,
    };
    let id = RunId::from_parts(START, [2; 10]);
    let first = Record {
        at: START,
        event: Event::RunCreated(Arc::new(created)),
    };
    let mut run = Run::fold(id, [&first]).expect("it begins");
    let mut journal = vec![first.encode()];
    let large = Json::from(json!("x".repeat(1 << 20)));
    let small = Json::from(json!({"ok": true}));
    let mut took = Vec::new();
    let mut under_way: VecDeque<(StepKey, u32, u32, bool)> = VecDeque::new();
    let mut slept = 0;
    let mut next = Some(Command::TakeUp);
    let mut now = START;
    loop {
        let command = match next.take() {
            Some(command) => command,
            None => match under_way.pop_front() {
                None => break,
                Some((step, attempt, round, is_large)) => {
                    let sleeps_now = slept < sleeps;
                    slept += usize::from(sleeps_now);
                    let result = if sleeps_now {
                        next = Some(Command::Wake);
                        Outcome::Suspended(Suspension {
                            until: Until::After(Duration::ZERO),
                            state: Vec::new(),
                            then: Then::CallAgain,
                        })
                    } else {
                        Outcome::Completed(if is_large {
                            large.clone()
                        } else {
                            small.clone()
                        })
                    };
                    Command::CompleteAttempt(Box::new(AttemptReturned {
                        step,
                        attempt,
                        round,
                        started_at: now,
                        result: Ok(result),
                        log: Vec::new(),
                        chance: Chance::from_random([0; 4]),
                    }))
                }
            },
        };
        now = now.after(Duration::from_micros(1));
        let begin = Instant::now();
        let decision = decide(&graph, &mut run, command, now).expect("it fits");
        took.push(begin.elapsed());
        journal.extend(decision.records.iter().map(Record::encode));
        for effect in decision.effects {
            if let Effect::InvokePlugin(invoke) = effect {
                let is_large = invoke.pin.action == "large";
                under_way.push_back((invoke.step, invoke.attempt, invoke.round, is_large));
            }
        }
    }
    assert!(run.status().is_finished(), "{name}: {:?}", run.status());
    let memory =
        resident_bytes().saturating_sub(before + journal.iter().map(String::len).sum::<usize>());
    let begin = Instant::now();
    let records: Vec<Record> = journal
        .iter()
        .map(|text| Record::decode(text).expect("we wrote it"))
        .collect();
    let again = Run::fold(id, &records).expect("it begins");
    let fold = begin.elapsed();
    assert_eq!(again, run, "the journal tells another run");
    let tenth = (took.len() / 10).max(1);
    // The first decision works everything out, and the last may end a run.
    let mean = |of: &[Duration]| {
        of.iter().sum::<Duration>() / u32::try_from(of.len().max(1)).expect("few")
    };
    let course = &took[1..took.len().max(2) - 1];
    let (early, late) = (
        mean(&course[..tenth.min(course.len())]),
        mean(&course[course.len() - tenth.min(course.len())..]),
    );
    let worst = took.iter().max().copied().unwrap_or_default();
    println!(
        "{name:<34} {:>8} {early:>11.1?} {late:>11.1?} {worst:>11.1?} {fold:>11.1?} {:>6} MB",
        journal.len(),
        memory >> 20
    );
}

fn graph(definition: &Value) -> Graph {
    let checked = check(definition, &Everything, &Arc::new(json!({})));
    checked
        .graph
        .unwrap_or_else(|| panic!("{:?}", checked.problems))
}

fn pin(action: &str) -> Pin {
    Pin {
        digest: Digest::from_bytes([7; 32]),
        action: action.into(),
        timeout_ms: None,
        attempts_max: None,
    }
}

/// What the process takes of the machine's memory, on Linux; nothing elsewhere.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
