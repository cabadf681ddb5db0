//! Made-up histories, each with one thing wrong.

use std::sync::Arc;

use bytes::Bytes;
use millwork_core::event::RunCreated;
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
use millwork_core::outcome::Then;
use millwork_core::step::StepKey;
use serde_json::json;

use super::*;
use crate::sink::KEY_HEADER;

/// What happened in a made-up world.
struct World {
    history: History,
    acknowledged: BTreeMap<u64, String>,
    calls: Vec<Call>,
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + millis * 1_000)
}

fn record(millis: i64, event: Event) -> String {
    let at = at(millis);
    Record { at, event }.encode()
}

fn succeeded(millis: i64, step: &str, output: Value) -> String {
    let event = Event::StepSucceeded {
        step: StepKey::of(step),
        attempt: 1,
        started_at: at(millis - 1),
        output: Json::from(output),
        log: Vec::new(),
    };
    record(millis, event)
}

fn asleep(millis: i64, step: &str, until: i64) -> String {
    let event = Event::StepSuspended {
        step: StepKey::of(step),
        attempt: 1,
        started_at: at(millis),
        wait: Wait::Time { due: at(until) },
        state: Vec::new(),
        then: Then::Complete(Json::from(json!({}))),
        log: Vec::new(),
    };
    record(millis, event)
}

fn call(run: &str, step: &str, carried: &Value, answer: Value) -> Call {
    Call {
        at: crate::time::Timestamp::now(),
        method: "POST".to_owned(),
        path: "/cluster".to_owned(),
        headers: vec![(KEY_HEADER.to_owned(), format!("{run}/{step}"))],
        body: json!({"run": run, "step": step, "carried": carried}),
        raw_body: Bytes::new(),
        number: 1,
        status: 200,
        answer,
    }
}

/// Two runs, and nothing wrong.
fn sound() -> World {
    let mut world = World {
        history: History::default(),
        acknowledged: BTreeMap::new(),
        calls: Vec::new(),
    };
    for number in 0..2 {
        let run = RunId::from_parts(at(0), [number; 10]).to_string();
        let (first, second) = (json!({"call": number}), json!({"pass": number}));
        let created = Event::RunCreated(Arc::new(RunCreated {
            workflow: WorkflowId::from_parts(at(0), [9; 10]),
            version: 1,
            payload: Json::from(json!({})),
            plugins: BTreeMap::new(),
            bounds: None,
            origin: None,
            deadline: None,
            parent: None,
            labels: BTreeMap::new(),
            trace: None,
        }));
        let records = vec![
            record(0, created),
            asleep(1, STEPS[0], 20),
            succeeded(20, STEPS[0], json!({})),
            succeeded(30, CALL, json!({"response_data": first})),
            succeeded(40, PASS, json!({"response_data": second})),
            asleep(41, STEPS[3], 90),
            succeeded(90, STEPS[3], json!({})),
            record(90, Event::RunSucceeded { output: None }),
        ];
        world.history.runs.push(RunHistory {
            records,
            ..RunHistory::new(&run, "success", false)
        });
        world.history.announcements.push(Announcement {
            run_id: run.clone(),
            status: "success".to_owned(),
        });
        world
            .calls
            .push(call(&run, CALL, &json!("nothing"), first.clone()));
        world.calls.push(call(&run, PASS, &first, second));
        world.acknowledged.insert(u64::from(number), run);
    }
    world
}

fn look(world: &World) -> (Summary, Problems) {
    let mut problems = Problems::default();
    let summary = check(
        &world.history,
        &world.acknowledged,
        &world.calls,
        &mut problems,
    );
    (summary, problems)
}

/// What is said of a world in which one thing was changed.
fn complaint(change: impl FnOnce(&mut World)) -> String {
    let mut world = sound();
    change(&mut world);
    let (_, problems) = look(&world);
    assert!(!problems.is_empty(), "nothing was noticed");
    problems.first.join("\n")
}

#[test]
fn a_sound_world_is_sound_and_repetitions_are_counted() {
    let mut world = sound();
    world.calls.push(world.calls[0].clone());
    world
        .history
        .announcements
        .push(world.history.announcements[1].clone());
    let (summary, problems) = look(&world);
    assert!(problems.is_empty(), "{problems:?}");
    let expected = Summary {
        succeeded: 2,
        repeated_calls: 1,
        repeated_announcements: 1,
    };
    assert_eq!(summary, expected);
}

#[test]
fn everything_that_can_be_wrong_is_noticed() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 17] = [
        ("and it is not there", |w| {
            w.history.runs.remove(0);
            w.history.announcements.remove(0);
        }),
        ("and not just the last", |w| {
            w.history.runs[0]
                .records
                .push(record(91, Event::RunSucceeded { output: None }));
        }),
        ("and not just the last", |w| {
            w.history.runs[0].records.pop();
        }),
        ("has an event at", |w| w.history.runs[0].records.swap(2, 3)),
        ("has an event at", |w| {
            let again = w.history.runs[0].records[3].clone();
            w.history.runs[0].records.insert(4, again);
        }),
        ("only [", |w| {
            w.history.runs[0].records.remove(6);
        }),
        ("before", |w| {
            w.history.runs[0].records[2] = succeeded(19, STEPS[0], json!({}));
        }),
        ("which the sink did not give", |w| {
            w.calls[0].answer = json!("another");
        }),
        ("and what was committed is", |w| {
            w.calls[1].body["carried"] = json!("another");
        }),
        ("announced to nobody", |w| {
            w.history.announcements.remove(0);
        }),
        ("was announced as failed", |w| {
            w.history.announcements[0].status = "failed".to_owned();
        }),
        ("was announced and is not there", |w| {
            w.history.announcements[0].run_id = "nobody".to_owned();
        }),
        ("something left to do", |w| w.history.runs[0].is_due = true),
        ("its row says running", |w| {
            w.history.runs[0].status = "running".to_owned();
        }),
        ("a second key", |w| {
            let mut second = w.calls[0].clone();
            second.headers = vec![(KEY_HEADER.to_owned(), "other".to_owned())];
            w.calls.push(second);
        }),
        ("no trigger was answered with it", |w| {
            w.acknowledged.remove(&1);
        }),
        ("could not be understood", |w| w.history.dead_letters = 1),
    ];
    for (expected, change) in cases {
        let said = complaint(change);
        assert!(
            said.contains(expected),
            "expected {expected:?}, was told: {said}"
        );
    }
    let twice = complaint(|w| {
        let run = w.acknowledged[&0].clone();
        w.acknowledged.insert(7, run);
    });
    assert!(twice.contains("the answer to the triggers"), "{twice}");
}
