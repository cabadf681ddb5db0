//! Random histories: whatever is done to a store, it tells the same as the plainest store there is.

mod workflows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use millwork_core::id::RunId;
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;

use super::sample::{advance, at, create_at, everything, key, new_of, run_at, workflow};
use crate::chance::Chance;
use crate::limits::{Enter, LimitQuery, Passage, Rate, Slot, Variant, WhenFull};
use crate::{Claim, Commit, Expected, Memory, Order, Renewal, RunQuery, Store, ValueKey};

use workflows::define;

const STEPS: usize = 400;
const SEEDS: std::ops::Range<u64> = 1..9;

/// Does the same to both, and compares every answer.
pub async fn random_histories_are_told_as_in_memory(store: &dyn Store) {
    // One after the other on the same store, in days of their own: it need not be empty for the second.
    for seed in SEEDS {
        let model = Memory::new();
        tell(seed, store, &model).await;
        // Away with it all: what is under way is ended first.
        let leftover = model.list_runs(everything()).await.unwrap();
        for row in leftover {
            let seq = u32::try_from(model.load_journal(row.run, 0).await.unwrap().len())
                .expect("few records");
            let summary = Summary {
                status: RunStatus::Success,
                completed_at: Some(at(0)),
                ..row.summary
            };
            store
                .commit(vec![Commit {
                    summary,
                    due_at: None,
                    passage: Some(Passage::Leave { at: at(0) }),
                    ..advance(row.run, seq)
                }])
                .await
                .unwrap();
        }
        store
            .remove_finished(at(i64::from(u32::MAX)), at(i64::from(u32::MAX)), 100_000)
            .await
            .unwrap();
        for number in 0..3 {
            // Unfinished runs of it are none any more.
            store
                .delete_workflow(workflow(number), at(0))
                .await
                .unwrap();
        }
        store.remove_deleted(at(1), 10).await.unwrap();
        for name in 0..KEYS {
            store
                .write_value(&value_key(name), None, Expected::Any)
                .await
                .unwrap();
        }
    }
}

const KEYS: u64 = 3;

fn value_key(name: u64) -> ValueKey {
    ValueKey {
        plugin: "p".to_owned(),
        workflow: "w".to_owned(),
        key: name.to_string(),
    }
}

async fn tell(seed: u64, store: &dyn Store, model: &dyn Store) {
    let mut chance = Chance::from_seed(seed);
    let same = |step: usize, what: &str, told: &dyn Debug, expected: &dyn Debug| {
        assert_eq!(
            format!("{told:?}"),
            format!("{expected:?}"),
            "{what} at step {step} of the history of seed {seed}"
        );
    };
    let counted: Vec<_> = (0..3)
        .map(|number| Some(workflow(number)))
        .chain([None])
        .collect();
    for step in 0..STEPS {
        let clock = i64::try_from(step).expect("few steps") * 300;
        match chance.below(15) {
            13..=14 => {
                let (what, told, expected) = define(&mut chance, clock, store, model).await;
                same(step, what, &told, &expected);
            }
            10..=12 => {
                let (what, told, expected) = share(&mut chance, clock, store, model).await;
                same(step, what, &told, &expected);
            }
            0..=5 => {
                let call: Vec<Commit> = (0..chance.below(5))
                    .map(|_| some_commit(&mut chance, clock))
                    .collect();
                let told = store.commit(call.clone()).await.unwrap();
                same(
                    step,
                    &format!("{call:#?}"),
                    &told,
                    &model.commit(call.clone()).await.unwrap(),
                );
                for Commit { run, .. } in call {
                    let from = u32::try_from(chance.below(3)).expect("small");
                    let told = store.load_journal(run, from).await.unwrap();
                    same(
                        step,
                        "a journal",
                        &told,
                        &model.load_journal(run, from).await.unwrap(),
                    );
                }
            }
            6 => {
                let query = some_query(&mut chance, clock);
                let told = store.list_runs(query.clone()).await.unwrap();
                same(
                    step,
                    &format!("{query:?}"),
                    &told,
                    &model.list_runs(query).await.unwrap(),
                );
            }
            7 => {
                let limit = usize::try_from(chance.below(20)).expect("small");
                let all = model
                    .list_due(None, at(i64::from(u32::MAX)), 100)
                    .await
                    .unwrap();
                let after = all
                    .get(usize::try_from(chance.below(8)).expect("small"))
                    .copied();
                let before = at(some_time(&mut chance, clock));
                let told = store.list_due(after, before, limit).await.unwrap();
                same(
                    step,
                    "what is due",
                    &told,
                    &model.list_due(after, before, limit).await.unwrap(),
                );
            }
            8 => {
                write_some_value(&mut chance, store, model, |told, expected| {
                    same(step, "a value", told, expected);
                })
                .await;
            }
            _ => {
                let limit = usize::try_from(chance.below(4)).expect("small");
                let before = at(some_time(&mut chance, clock) - 30_000);
                let told = store
                    .remove_finished(before, at(clock), limit)
                    .await
                    .unwrap();
                same(
                    step,
                    "a removal",
                    &told,
                    &model
                        .remove_finished(before, at(clock), limit)
                        .await
                        .unwrap(),
                );
            }
        }
        same_limits(step, &mut chance, store, model, &same).await;
        same(
            step,
            "the count",
            &store.count_runs(counted.clone()).await.unwrap(),
            &model.count_runs(counted.clone()).await.unwrap(),
        );
    }
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let all = RunQuery {
            order,
            ..everything()
        };
        let told = store.list_runs(all.clone()).await.unwrap();
        same(
            STEPS,
            "all runs",
            &told,
            &model.list_runs(all).await.unwrap(),
        );
    }
}

/// A commit that may fit, and often does not: few runs and low numbers, so that they meet.
fn some_commit(chance: &mut Chance, clock: i64) -> Commit {
    let number = chance.below(40);
    let created = i64::try_from(number).expect("small") * 700;
    let run = run_at(created, u16::try_from(number).expect("small"));
    let mut commit = if chance.below(3) == 0 {
        let mut commit = create_at(run, at(created));
        let new = new_of(&mut commit);
        new.workflow = workflow(u8::try_from(chance.below(3)).expect("small"));
        new.is_newest = chance.below(2) == 0;
        new.version = u32::try_from(chance.below(4)).expect("small");
        if chance.below(3) == 0 {
            let name = chance.below(6).to_string();
            let fingerprint = u8::try_from(chance.below(2)).expect("small");
            new.idempotency = Some(key(&name, fingerprint, at(some_time(chance, created))));
        }
        commit
    } else {
        advance(run, u32::try_from(chance.below(6)).expect("small"))
    };
    commit.records = (0..chance.below(4))
        .map(|_| format!("record {}", chance.next()))
        .collect();
    commit.keeps_due = chance.below(4) == 0;
    let status = RunStatus::ALL[usize::try_from(chance.below(6)).expect("small")];
    commit.summary = Summary {
        status,
        started_at: (chance.below(2) == 0).then(|| at(some_time(chance, clock))),
        // Only what is finished has an end; when, and whether it moves, is open.
        completed_at: status
            .is_finished()
            .then(|| at(i64::try_from(chance.below(4)).expect("small") * 10_000)),
        error: (chance.below(4) == 0).then(|| format!("error {}", chance.below(3))),
    };
    commit.due_at = (chance.below(3) > 0).then(|| at(some_time(chance, clock)));
    commit.passage = some_passage(chance, clock, &commit);
    commit
}

/// Who has ended leaves; of the others a few ask to be let in.
fn some_passage(chance: &mut Chance, clock: i64, commit: &Commit) -> Option<Passage> {
    let at = at(clock);
    if commit.summary.status.is_finished() {
        return commit.new.is_none().then_some(Passage::Leave { at });
    }
    if chance.below(3) > 0 {
        return None;
    }
    let mut below = |bound| u32::try_from(chance.below(bound)).expect("small");
    let version = below(40) / 39 + 1;
    let slot = (below(4) > 0).then(|| Slot {
        key: below(3).to_string(),
        limit: version + 1,
    });
    let rate = (slot.is_none() || below(3) == 0).then(|| Rate {
        key: below(2).to_string(),
        limit: version * 3,
        per: Duration::from_micros(2_000),
    });
    let variant = |status, due_at| Variant {
        records: vec![format!("a variant: {status}")],
        summary: Summary {
            completed_at: None,
            status,
            ..commit.summary.clone()
        },
        due_at,
    };
    let mut waiting = variant(RunStatus::Pending, (below(5) == 0).then_some(at));
    if commit.new.is_none() && below(2) == 0 {
        waiting.records = Vec::new();
    }
    let when_full = match below(6) {
        0 => WhenFull::Refuse,
        1 => WhenFull::Instead(variant(RunStatus::Paused, None)),
        _ => WhenFull::Wait,
    };
    let new = commit.new.as_ref();
    let workflow = new.map_or_else(|| workflow(1), |new| new.workflow);
    Some(Passage::Enter(Box::new(Enter {
        at,
        workflow,
        version,
        slot,
        rate,
        priority: u8::try_from(below(3)).expect("small"),
        queue_max: below(6),
        when_full,
        waiting,
    })))
}

/// What is told of limits.
async fn same_limits(
    step: usize,
    chance: &mut Chance,
    store: &dyn Store,
    model: &dyn Store,
    same: &impl Fn(usize, &str, &dyn Debug, &dyn Debug),
) {
    let all = LimitQuery {
        workflow: None,
        after: None,
        limit: 100,
    };
    let told = store.list_limits(all.clone()).await.unwrap();
    let expected = model.list_limits(all).await.unwrap();
    same(step, "the limits", &told, &expected);
    let number = u16::try_from(chance.below(40)).expect("small");
    let run = run_at(i64::from(number) * 700, number);
    let told = store.find_turn(run).await.unwrap();
    same(step, "a turn", &told, &model.find_turn(run).await.unwrap());
    let (key, kept) = (chance.below(3).to_string(), u32::from(number) / 20);
    let told = store.list_outdone(workflow(1), &key, kept, 3).await;
    let expected = model.list_outdone(workflow(1), &key, kept, 3).await;
    same(step, "the outdone", &told.unwrap(), &expected.unwrap());
}

fn some_query(chance: &mut Chance, clock: i64) -> RunQuery {
    let number = u16::try_from(chance.below(40)).expect("small");
    RunQuery {
        workflow: (chance.below(2) == 0)
            .then(|| workflow(u8::try_from(chance.below(3)).expect("small"))),
        statuses: RunStatus::ALL
            .into_iter()
            .filter(|_| chance.below(3) == 0)
            .collect(),
        labels: Vec::new(),
        created_from: (chance.below(3) == 0).then(|| at(some_time(chance, clock) / 4)),
        created_before: (chance.below(3) == 0).then(|| at(some_time(chance, clock))),
        after: (chance.below(3) == 0).then(|| run_at(i64::from(number) * 700, number)),
        order: if chance.below(2) == 0 {
            Order::NewestFirst
        } else {
            Order::OldestFirst
        },
        limit: usize::try_from(chance.below(30)).expect("small"),
    }
}

/// Somebody takes runs on, renews what may not be his, or notes that nothing is left to do. Says what, and what both answered.
async fn share(
    chance: &mut Chance,
    clock: i64,
    store: &dyn Store,
    model: &dyn Store,
) -> (&'static str, String, String) {
    let some_run = |chance: &mut Chance| {
        let number = u16::try_from(chance.below(40)).expect("small");
        run_at(i64::from(number) * 700, number)
    };
    let some_runs = |chance: &mut Chance| {
        let runs: BTreeSet<RunId> = (0..chance.below(6)).map(|_| some_run(chance)).collect();
        Vec::from_iter(runs)
    };
    match chance.below(3) {
        0 => {
            let before = some_time(chance, clock);
            let claim = Claim {
                among: (chance.below(2) == 0).then(|| some_runs(chance)),
                before: at(before),
                until: at(before + 5_000),
                limit: usize::try_from(chance.below(8)).expect("small"),
            };
            let told = store.claim_due(claim.clone()).await.unwrap();
            let expected = model.claim_due(claim).await.unwrap();
            ("a claim", format!("{told:?}"), format!("{expected:?}"))
        }
        1 => {
            let due = model.list_due(None, at(i64::from(u32::MAX)), 100);
            let due: BTreeMap<RunId, Timestamp> = due
                .await
                .unwrap()
                .iter()
                .map(|due| (due.run, due.at))
                .collect();
            let renewals = some_runs(chance).into_iter().map(|run| Renewal {
                run,
                // Half of them know where the run is.
                from: due
                    .get(&run)
                    .copied()
                    .filter(|_| chance.below(2) == 0)
                    .unwrap_or_else(|| at(clock)),
                to: (chance.below(8) > 0).then(|| at(some_time(chance, clock))),
            });
            let renewals: Vec<Renewal> = renewals.collect();
            let told = store.renew(renewals.clone()).await.unwrap();
            let expected = model.renew(renewals).await.unwrap();
            ("a renewal", format!("{told:?}"), format!("{expected:?}"))
        }
        _ => {
            let runs = some_runs(chance);
            store.settle(runs.clone()).await.unwrap();
            model.settle(runs).await.unwrap();
            let left = async |store: &dyn Store| {
                let due = store.list_due(None, at(i64::from(u32::MAX)), 100).await;
                format!("{:?}", due.unwrap())
            };
            ("what is left to do", left(store).await, left(model).await)
        }
    }
}

/// A time not far from now; often the same one.
fn some_time(chance: &mut Chance, clock: i64) -> i64 {
    clock + i64::try_from(chance.below(5)).expect("small") * 5_000
}

/// Versions are each store's own; what is compared is whether they stood in the way.
async fn write_some_value(
    chance: &mut Chance,
    store: &dyn Store,
    model: &dyn Store,
    same: impl Fn(&dyn Debug, &dyn Debug),
) {
    let key = value_key(chance.below(KEYS));
    let value = (chance.below(3) > 0).then(|| chance.next().to_le_bytes().to_vec());
    let lot = chance.below(4);
    let mut told = Vec::new();
    for store in [store, model] {
        let found = store.find_value(&key).await.unwrap();
        let version = found.as_ref().map_or(0, |found| found.version);
        let expected = match lot {
            0 => Expected::Any,
            1 => Expected::Absent,
            2 => Expected::Version(version),
            _ => Expected::Version(version + 1_000_000),
        };
        let written = store
            .write_value(&key, value.clone(), expected)
            .await
            .unwrap();
        let kind = match written {
            crate::Written::Version(after) => format!("written over {}", after > version),
            crate::Written::Deleted => "deleted".to_owned(),
            crate::Written::Conflict(found) => format!("conflict with {}", found.is_some()),
        };
        told.push((found.map(|found| found.bytes), kind));
    }
    same(&told[0], &told[1]);
}
