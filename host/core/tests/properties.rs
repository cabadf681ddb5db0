//! What holds for every workflow and every history: random graphs, random answers, random clocks, crashes anywhere.
//!
//! A failure prints the smallest history that shows it. Tell it as a story in `scenarios/`, then mend what it shows.
//! `PROPTEST_CASES=100000 cargo test -p millwork-core --test properties` looks longer.

#[path = "support/host.rs"]
mod host;
#[path = "support/plugins.rs"]
mod plugins;
#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use host::{Host, Ordered};
use millwork_core::command::{Command, Signal};
use millwork_core::decide::{Decision, Rejection};
use millwork_core::definition::Delivery;
use millwork_core::effect::Effect;
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use millwork_core::retry::Chance;
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use world::START;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises(workflow in any_workflow(), moves in prop::collection::vec(any_move(), 0..60)) {
        let mut host = Host::of(workflow);
        host.decide(Command::TakeUp).expect("a fresh run can be taken up");
        for step in moves {
            make(&mut host, step);
        }
        finish(&mut host);
    }

    /// However often somebody looks, whatever he asks, and wherever his clock is set between the looks.
    #[test]
    fn timers_are_never_early(
        span in 1..10_000_000_u64,
        looks in prop::collection::vec((0..20_000_000_u64, any::<bool>()), 1..20),
    ) {
        let mut host = Host::of(json!({"name": "sleep", "steps": [{"name": "nap", "type": "delay"}]}));
        host.decide(Command::TakeUp).expect("a fresh run can be taken up");
        let nap = host.under_way.keys().next().cloned().expect("it has one step");
        let due = START.after(Duration::from_micros(span));
        let then = Then::Complete(Json::null());
        let sleep = Outcome::Suspended(Suspension { until: Until::At(due), state: Vec::new(), then });
        host.answer(&nap, Ok(sleep), Chance::from_random([0; 4])).expect("it was under way");
        for (offset, crash) in looks {
            host.now = START.after(Duration::from_micros(offset));
            if crash {
                host.crash();
            }
            let looked = host.decide(if crash { Command::TakeUp } else { Command::Wake });
            let rings = looked.is_ok_and(|decision| !decision.records.is_empty());
            prop_assert_eq!(rings, host.now >= due, "it is {:?}, and the timer is due at {:?}", host.now, due);
            if rings {
                break;
            }
        }
    }
}

/// What may happen to a run next.
#[derive(Clone, Debug)]
enum Move {
    /// An attempt that is under way comes back.
    Answer {
        which: Index,
        result: Result<Outcome, Failure>,
        chance: [u8; 4],
    },
    /// An attempt comes back that is not under way: one from before, one of a step that has not begun, a made-up one.
    AnswerStale {
        step: Index,
        attempt: u32,
        iteration: Option<u32>,
    },
    RecordStart {
        step: Index,
        attempt: u32,
    },
    /// Time passes, and the host does what has come due.
    Pass(Duration),
    /// Time passes up to the next timer exactly, or to the microsecond before it.
    PassToTimer {
        just_before: bool,
    },
    /// The clock is set back. Nothing may ring early for it.
    SetBack(Duration),
    /// The host dies; the next one takes the run up.
    Crash,
    /// Somebody else advanced the run: the host reads it again, and keeps the attempts that it is making.
    Resync,
    /// Somebody sends a signal; the same key is the same signal.
    Signal {
        key: u8,
    },
    Cancel,
}

fn make(host: &mut Host, step: Move) {
    match step {
        Move::Answer {
            which,
            result,
            chance,
        } => {
            let under_way: Vec<Ordered> = host.under_way.keys().cloned().collect();
            if let Some(ordered) = (!under_way.is_empty()).then(|| which.get(&under_way)) {
                host.answer(ordered, result, Chance::from_random(chance))
                    .expect("it was under way");
            }
        }
        Move::AnswerStale {
            step,
            attempt,
            iteration,
        } => {
            let Some(name) = host.pick(step) else { return };
            let key = StepKey {
                name: name.into(),
                iteration,
            };
            if iteration.is_some() || !host.is_under_way(&key, attempt) {
                let refused = host.return_attempt(
                    &key,
                    attempt,
                    Ok(Outcome::Completed(Json::null())),
                    Chance::from_random([0; 4]),
                );
                assert!(
                    refused.is_err(),
                    "an attempt that is not under way was taken for one that is: {key} #{attempt}"
                );
            }
        }
        Move::RecordStart { step, attempt } => {
            let Some(name) = host.pick(step) else { return };
            let key = StepKey::of(name);
            let is_under_way = host.is_under_way(&key, attempt);
            let recorded = host.decide(Command::RecordStart {
                step: key,
                attempt,
                round: 0,
            });
            assert_eq!(
                recorded.is_ok(),
                is_under_way,
                "only what is under way can be recorded"
            );
        }
        Move::Pass(span) => pass(host, span),
        Move::PassToTimer { just_before } => {
            if let Some(due) = host.world.live.wake_at() {
                let span = due.since(host.now);
                pass(
                    host,
                    if just_before {
                        span.saturating_sub(Duration::from_micros(1))
                    } else {
                        span
                    },
                );
            }
        }
        Move::SetBack(span) => {
            let micros = i64::try_from(span.as_micros()).expect("it is short");
            host.now = millwork_core::time::Timestamp::from_micros(host.now.as_micros() - micros);
            wake(host);
        }
        Move::Crash => crash(host),
        Move::Resync => resync(host),
        Move::Signal { key } => {
            let signal = Signal {
                name: "approved".to_owned(),
                payload: Json::from(json!(key)),
                key: (key > 0).then(|| key.to_string()),
            };
            match host.decide(Command::Signal(signal)) {
                // Whoever sends it only writes it down; whoever drives the run looks.
                Ok(decision) => {
                    assert_eq!(decision.effects, []);
                    look_again(host);
                }
                Err(rejection) => assert!(matches!(rejection, Rejection::Finished { .. })),
            }
        }
        Move::Cancel => {
            if host.decide(Command::Cancel { reason: None }).is_ok() {
                assert_eq!(host.world.live.status(), RunStatus::Cancelled);
            }
        }
    }
    if host.world.live.status().is_finished() {
        refuses_everything(host);
    }
}

fn pass(host: &mut Host, span: Duration) {
    host.now = host.now.after(span);
    wake(host);
}

fn wake(host: &mut Host) {
    let due: Vec<StepKey> = host.world.live.due(host.now).cloned().collect();
    if let Ok(decision) = host.decide(Command::Wake) {
        assert_eq!(
            due.is_empty(),
            decision.records.is_empty(),
            "a wake does what is due, and nothing else"
        );
        assert_eq!(
            host.world.live.due(host.now).count(),
            0,
            "what was due is still due"
        );
    }
}

/// After a crash exactly the attempts that were under way are ordered again; of those that may run only once, none.
fn crash(host: &mut Host) {
    let lost: BTreeSet<Ordered> = host.under_way.keys().cloned().collect();
    let only_once = lost
        .iter()
        .any(|ordered| host.node(&ordered.step).delivery == Delivery::AtMostOnce);
    let nothing_due = host.world.live.due(host.now).next().is_none();
    host.crash();
    let Ok(decision) = host.decide(Command::TakeUp) else {
        return;
    };
    if only_once {
        assert_eq!(
            host.world.live.status(),
            RunStatus::Failed,
            "nobody knows what came of an attempt that may run once"
        );
        return;
    }
    let again: BTreeSet<Ordered> = host.under_way.keys().cloned().collect();
    if nothing_due {
        assert_eq!(decision.records, [], "taking a run up is no event");
        assert_eq!(
            again, lost,
            "other attempts were ordered again than were lost"
        );
    } else if !host.world.live.status().is_finished() {
        assert!(
            again.is_superset(&lost),
            "an attempt was lost: {lost:?}, of which {again:?} were ordered again"
        );
    }
}

fn resync(host: &mut Host) {
    let nothing_due = host.world.live.due(host.now).next().is_none();
    if let Some(decision) = look_again(host)
        && nothing_due
    {
        assert_eq!(
            (decision.records, decision.effects),
            (Vec::new(), Vec::new()),
            "all of it was under way here"
        );
    }
}

/// The host reads the run again, and keeps the attempts that it is making.
fn look_again(host: &mut Host) -> Option<Decision> {
    let under_way = host.under_way.keys();
    let under_way = under_way.map(|ordered| ordered.step.clone()).collect();
    host.world.crash();
    host.decide(Command::Resync { under_way }).ok()
}

fn refuses_everything(host: &mut Host) {
    let steps: Vec<StepKey> = host
        .world
        .graph
        .nodes()
        .iter()
        .map(|node| StepKey::of(std::sync::Arc::clone(&node.name)))
        .collect();
    let mut commands = vec![
        Command::TakeUp,
        Command::Wake,
        Command::Cancel { reason: None },
        Command::Resync {
            under_way: steps.clone(),
        },
    ];
    commands.extend(steps.iter().map(|step| Command::RecordStart {
        step: step.clone(),
        attempt: 1,
        round: 0,
    }));
    for command in commands {
        let refused = host
            .decide(command)
            .expect_err("a run that has ended does nothing");
        assert!(matches!(refused, Rejection::Finished { .. }), "{refused}");
    }
    for step in &steps {
        let late = host.return_attempt(
            step,
            1,
            Ok(Outcome::Completed(Json::null())),
            Chance::from_random([0; 4]),
        );
        assert!(late.is_err(), "a run that has ended took an answer");
    }
    assert_eq!(
        host.world.live.wake_at(),
        None,
        "a run that has ended never wakes"
    );
}

/// Every run ends, once each attempt is answered and time passes; but for one that waits for a signal for ever.
fn finish(host: &mut Host) {
    // A sleep ends, a retry is the last at some time, a step is done once: this is far more than it takes.
    let enough = 10 * (1 + host.world.graph.nodes().len());
    for _ in 0..enough {
        if host.world.live.status().is_finished() {
            return refuses_everything(host);
        }
        let next = host.under_way.keys().next().cloned();
        match (next, host.world.live.wake_at()) {
            (Some(ordered), _) => {
                let output = Ok(Outcome::Completed(Json::from(json!({"n": 1}))));
                host.answer(&ordered, output, Chance::from_random([0; 4]))
                    .expect("it was under way");
            }
            (None, Some(due)) => pass(host, due.since(host.now)),
            (None, None) => {
                let waits_for_ever = |phase: &Phase| matches!(phase, Phase::Suspended { wait, .. } if wait.due().is_none());
                assert!(
                    host.world
                        .live
                        .steps()
                        .any(|(_, step)| waits_for_ever(&step.phase)),
                    "nothing is left to wait for"
                );
                let ended = host
                    .decide(Command::Cancel { reason: None })
                    .expect("it has not ended");
                assert_eq!(ended.effects, [Effect::StopAttempts]);
            }
        }
    }
    panic!("the run does not end: {:#?}", host.world.live);
}

fn any_move() -> impl Strategy<Value = Move> {
    let millis = |most: u64| (0..=most).prop_map(Duration::from_millis);
    prop_oneof![
        12 => (any::<Index>(), any_result(), any::<[u8; 4]>()).prop_map(|(which, result, chance)| Move::Answer { which, result, chance }),
        2 => (any::<Index>(), 0..4_u32, prop::option::weighted(0.2, 0..2_u32))
            .prop_map(|(step, attempt, iteration)| Move::AnswerStale { step, attempt, iteration }),
        2 => (any::<Index>(), 0..4_u32).prop_map(|(step, attempt)| Move::RecordStart { step, attempt }),
        3 => millis(5_000).prop_map(Move::Pass),
        3 => any::<bool>().prop_map(|just_before| Move::PassToTimer { just_before }),
        1 => millis(2_000).prop_map(Move::SetBack),
        2 => Just(Move::Crash),
        1 => Just(Move::Resync),
        2 => (0..5_u8).prop_map(|key| Move::Signal { key }),
        1 => prop::option::weighted(0.1, Just(Move::Cancel)).prop_map(|cancel| cancel.unwrap_or(Move::Pass(Duration::ZERO))),
    ]
}

fn any_result() -> impl Strategy<Value = Result<Outcome, Failure>> {
    prop_oneof![
        6 => (0..3_i32).prop_map(|n| Ok(Outcome::Completed(Json::from(json!({"n": n}))))),
        3 => any_suspension().prop_map(|suspension| Ok(Outcome::Suspended(suspension))),
        2 => any_failure().prop_map(Err),
    ]
}

fn any_suspension() -> impl Strategy<Value = Suspension> {
    let span = (0..3_000_u64).prop_map(Duration::from_millis);
    let until = prop_oneof![
        3 => span.clone().prop_map(Until::After),
        1 => (0..20_000_u64).prop_map(|millis| Until::At(START.after(Duration::from_millis(millis)))),
        1 => prop::option::weighted(0.8, span)
            .prop_map(|timeout| Until::Signal { name: "approved".to_owned(), timeout }),
    ];
    let then = prop_oneof![
        Just(Then::CallAgain),
        Just(Then::Complete(Json::from(json!({"n": 2}))))
    ];
    (until, any::<[u8; 2]>(), then).prop_map(|(until, state, then)| Suspension {
        until,
        state: state.to_vec(),
        then,
    })
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let kind = prop_oneof![
        8 => Just(FailureKind::Retryable),
        2 => prop::option::of(0..3_000_u64).prop_map(|after_ms| FailureKind::RateLimited { after_ms }),
        2 => Just(FailureKind::Timeout),
        1 => prop::sample::select(vec![FailureKind::Permanent, FailureKind::Cancelled, FailureKind::OutcomeUnknown]),
    ];
    kind.prop_map(|kind| Failure::new(kind, "some-code", "something went wrong"))
}

/// A workflow of a few steps, in any order: each needs some of those that were drawn before it.
fn any_workflow() -> impl Strategy<Value = Value> {
    let step = (
        any::<[bool; 8]>(),
        0..12_u8,
        0..12_u8,
        1..4_u32,
        any::<bool>(),
        0..6_u8,
    );
    (prop::collection::vec(step, 0..9), any::<bool>(), any::<[u8; 9]>()).prop_map(|(drawn, in_order, places)| {
        let mut steps = Vec::new();
        for (rank, (needs, condition, config, attempts, jitter, delivery)) in drawn.into_iter().enumerate() {
            let before: Vec<usize> = (0..rank).filter(|&index| needs[index % needs.len()]).collect();
            let of_before = |text: &str| before.first().map(|index| text.replace('X', &format!("s{index}")));
            let mut step = json!({
                "name": format!("s{rank}"),
                "type": "webhook",
                "retry": {"max_attempts": attempts, "initial": "1s", "jitter": if jitter { "full" } else { "none" }},
                "delivery": if delivery == 0 { "at-most-once" } else { "at-least-once" },
                "if": match condition {
                    0 => Some("false".to_owned()),
                    1 => Some("payload.yes".to_owned()),
                    2 | 3 => of_before("X.n != 1"),
                    _ => None,
                },
                "config": match config {
                    0 => json!({"run": "${run.id}", "all": "${steps}"}),
                    // Where the step that it names was skipped or gave no such thing, this fails the run.
                    1 => json!({"n": of_before("${X.n}")}),
                    2..5 => json!({"whole": of_before("${X}")}),
                    _ => json!({"plain": true}),
                },
            });
            // Without `needs` it waits for the one above it, which is why the order has to be the drawn one.
            if !in_order || delivery > 1 {
                step["needs"] = before.iter().map(|index| format!("s{index}")).collect();
            } else if rank > 0 {
                step["if"] = Value::Null;
                step["config"] = json!({});
            }
            steps.push((if in_order { 0 } else { places[rank] }, step));
        }
        steps.sort_by_key(|(place, _)| *place);
        json!({"name": "any", "steps": steps.into_iter().map(|(_, step)| step).collect::<Vec<_>>()})
    })
}
