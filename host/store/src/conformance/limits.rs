//! Limits: how many of a key are under way at once, and who is next. How many begin in a span of time is in `rates`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use super::sample::{
    advance, all_due, at, commit, commit_all, create_at, digest, end, journal, key, new_of, run,
    summary, unfinished, workflow, write,
};
use crate::limits::{
    Enter, Full, LimitKey, LimitKind, LimitQuery, LimitRow, Outcome, Passage, Passed, Rate, Slot,
    Variant, WhenFull,
};
use crate::{Commit, Committed, Due, Store};

/// What a run asks: a slot of which there are so many, at a time.
pub(super) fn ask(now: i64, slot: Option<(&str, u32)>) -> Enter {
    Enter {
        at: at(now),
        workflow: workflow(1),
        version: 1,
        slot: slot.map(|(key, limit)| Slot {
            key: key.to_owned(),
            limit,
        }),
        rate: None,
        priority: 3,
        queue_max: 100,
        when_full: WhenFull::Wait,
        waiting: Variant {
            records: vec!["waits".to_owned()],
            summary: summary(RunStatus::Pending),
            due_at: None,
        },
    }
}

/// A new run that asks to be let in.
pub(super) fn begin(number: u16, enter: Enter) -> Commit {
    Commit {
        due_at: Some(enter.at),
        passage: Some(Passage::Enter(Box::new(enter))),
        ..create_at(run(number), at(0))
    }
}

/// A run that exists, whose turn may have come.
pub(super) fn ask_again(number: u16, seq: u32, mut enter: Enter) -> Commit {
    enter.waiting.records = Vec::new();
    Commit {
        due_at: Some(enter.at),
        passage: Some(Passage::Enter(Box::new(enter))),
        ..advance(run(number), seq)
    }
}

pub(super) fn leave(number: u16, seq: u32, now: i64) -> Commit {
    Commit {
        passage: Some(Passage::Leave { at: at(now) }),
        ..end(run(number), seq, RunStatus::Success, at(now))
    }
}

pub(super) fn passed(outcome: Outcome, woken: &[(u16, i64)]) -> Committed {
    let woken = woken.iter().map(|(number, micros)| Due {
        at: at(*micros),
        run: run(*number),
    });
    Committed::Passed(Passed {
        outcome,
        woken: woken.collect(),
    })
}

pub(super) const IN: Outcome = Outcome::In;
pub(super) const WAITS: Outcome = Outcome::Waits { due_at: None };

pub(super) async fn limits(store: &dyn Store) -> Vec<LimitRow> {
    let query = LimitQuery {
        workflow: None,
        after: None,
        limit: 100,
    };
    store.list_limits(query).await.expect("the store lists")
}

pub(super) async fn held_and_waiting(store: &dyn Store) -> Vec<(String, u32, u32)> {
    let rows = limits(store).await.into_iter();
    rows.map(|row| (row.key.key, row.held, row.waiting))
        .collect()
}

/// Who finds no slot waits, and is not due; who ends makes the next one due.
pub async fn a_slot_is_held_until_the_run_ends(store: &dyn Store) {
    let answers = commit_all(
        store,
        vec![
            begin(1, ask(0, Some(("k", 2)))),
            begin(2, ask(1, Some(("k", 2)))),
            begin(3, ask(2, Some(("k", 2)))),
        ],
    );
    assert_eq!(
        answers.await,
        [passed(IN, &[]), passed(IN, &[]), passed(WAITS, &[])]
    );
    assert_eq!(journal(store, run(3)).await, ["waits"]);
    assert_eq!(all_due(store).await, [(at(0), run(1)), (at(1), run(2))]);
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 2, 1)]);

    assert_eq!(
        commit(store, leave(1, 1, 9)).await,
        passed(Outcome::Out, &[(3, 9)])
    );
    assert_eq!(all_due(store).await, [(at(1), run(2)), (at(9), run(3))]);
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 2, 0)]);
    // Taken up, it finds that it is in; and again, as after a crash.
    for seq in [1, 2] {
        let again = commit(store, ask_again(3, seq, ask(10, Some(("k", 2)))));
        assert_eq!(again.await, passed(IN, &[]));
    }
    write_passed(store, vec![leave(2, 1, 11), leave(3, 3, 12)]).await;
    assert_eq!(held_and_waiting(store).await, [], "nothing is left of it");
}

pub(super) async fn write_passed(store: &dyn Store, commits: Vec<Commit>) {
    for answer in commit_all(store, commits).await {
        assert!(matches!(answer, Committed::Passed(_)), "{answer:?}");
    }
}

/// Of those who wait.
pub async fn the_first_priority_is_let_in_first_and_then_who_waits_longest(store: &dyn Store) {
    let ask_with = |now, priority| Enter {
        priority,
        ..ask(now, Some(("k", 1)))
    };
    write_passed(store, vec![begin(1, ask_with(0, 5))]).await;
    for (number, now, priority) in [(2, 10, 3), (3, 11, 4), (4, 12, 1), (5, 13, 3)] {
        let answer = commit(store, begin(number, ask_with(now, priority))).await;
        assert_eq!(answer, passed(WAITS, &[]));
    }
    for (number, position) in [(4, 1), (2, 2), (5, 3), (3, 4)] {
        let turn = store.find_turn(run(number)).await.unwrap().unwrap();
        assert_eq!((turn.position, turn.limit.waiting), (position, 4));
    }
    let mut seq = 1;
    for (leaving, next) in [(1, 4), (4, 2), (2, 5), (5, 3)] {
        let left = commit(store, leave(leaving, seq, 20)).await;
        assert_eq!(left, passed(Outcome::Out, &[(next, 20)]));
        assert_eq!(store.find_turn(run(next)).await.unwrap(), None);
        seq = 1;
    }
}

/// Nothing of it is there afterwards.
pub async fn a_run_that_may_not_wait_is_refused_whole(store: &dyn Store) {
    let refusing = |number: u16| {
        let enter = Enter {
            when_full: WhenFull::Refuse,
            ..ask(5, Some(("k", 1)))
        };
        let mut commit = begin(number, enter);
        new_of(&mut commit).idempotency = Some(key("once", 1, at(1_000)));
        commit
    };
    assert_eq!(commit(store, refusing(1)).await, passed(IN, &[]));
    let full = Full {
        key: LimitKey {
            workflow: workflow(1),
            kind: LimitKind::Concurrency,
            key: "k".to_owned(),
        },
        limit: 1,
        waiting: 0,
    };
    // The key of the run that is in answers first.
    let replayed = Committed::Replayed {
        run: run(1),
        fingerprint: digest(1),
    };
    assert_eq!(commit(store, refusing(2)).await, replayed);
    let mut other = refusing(2);
    new_of(&mut other).idempotency = Some(key("twice", 1, at(1_000)));
    assert_eq!(
        commit(store, other.clone()).await,
        Committed::Full(full.clone())
    );
    assert!(journal(store, run(2)).await.is_empty());
    write_passed(store, vec![leave(1, 1, 9)]).await;
    // Its key has not been taken.
    assert_eq!(commit(store, other).await, passed(IN, &[]));
}

/// As who says that a new one is to be cancelled then.
pub async fn something_else_may_be_written_where_no_slot_is_free(store: &dyn Store) {
    let enter = Enter {
        when_full: WhenFull::Instead(Variant {
            records: vec!["begins".to_owned(), "ends".to_owned()],
            summary: summary(RunStatus::Cancelled),
            due_at: None,
        }),
        ..ask(5, Some(("k", 1)))
    };
    assert_eq!(
        commit(store, begin(1, enter.clone())).await,
        passed(IN, &[])
    );
    assert_eq!(
        commit(store, begin(2, enter)).await,
        passed(Outcome::Instead, &[])
    );
    assert_eq!(journal(store, run(2)).await, ["begins", "ends"]);
    assert_eq!(unfinished(store).await, 1);
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 1, 0)]);
}

/// A bound for everything.
pub async fn no_more_wait_than_may(store: &dyn Store) {
    let enter = Enter {
        queue_max: 2,
        ..ask(0, Some(("k", 1)))
    };
    let begin_all = (1..=3).map(|number| begin(number, enter.clone())).collect();
    write_passed(store, begin_all).await;
    let Committed::Full(full) = commit(store, begin(4, enter.clone())).await else {
        panic!("the queue is full")
    };
    assert_eq!((full.limit, full.waiting), (1, 2));
    // One more place, since one of them has come in.
    write_passed(store, vec![leave(1, 1, 9), begin(4, enter)]).await;
}

/// Nobody waits behind who is not there.
pub async fn a_run_that_ends_while_it_waits_gives_up_its_place(store: &dyn Store) {
    let begin_all = (1..=3).map(|number| begin(number, ask(number.into(), Some(("k", 1)))));
    write_passed(store, begin_all.collect()).await;
    let left = commit(store, leave(2, 1, 9)).await;
    assert_eq!(left, passed(Outcome::Out, &[]));
    let left = commit(store, leave(1, 1, 10)).await;
    assert_eq!(left, passed(Outcome::Out, &[(3, 10)]));
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 1, 0)]);
}

/// Whoever is not written holds nothing.
pub async fn a_commit_that_conflicts_takes_no_slot(store: &dyn Store) {
    write_passed(store, vec![begin(1, ask(0, Some(("k", 1))))]).await;
    write_passed(store, vec![leave(1, 1, 1)]).await;
    let conflicts = vec![
        begin(1, ask(2, Some(("k", 1)))),
        ask_again(1, 7, ask(2, Some(("k", 1)))),
        ask_again(9, 1, ask(2, Some(("k", 1)))),
    ];
    for answer in commit_all(store, conflicts).await {
        assert_eq!(answer, Committed::Conflict);
    }
    assert_eq!(held_and_waiting(store).await, []);
    // A run that is begun anew asks anew.
    let again = commit(store, ask_again(1, 2, ask(3, Some(("k", 1))))).await;
    assert_eq!(again, passed(IN, &[]));
    // Who leaves at a place that is taken has not left.
    assert_eq!(commit(store, leave(1, 2, 4)).await, Committed::Conflict);
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 1, 0)]);
}

/// And keys of one kind do not touch those of the other.
pub async fn keys_count_within_their_workflow(store: &dyn Store) {
    let elsewhere = |number| {
        let enter = Enter {
            workflow: workflow(2),
            ..ask(0, Some(("k", 1)))
        };
        begin(number, enter)
    };
    write_passed(store, vec![begin(1, ask(0, Some(("k", 1)))), elsewhere(2)]).await;
    let rate = Enter {
        rate: Some(Rate {
            key: "k".to_owned(),
            limit: 1,
            per: Duration::from_secs(1),
        }),
        ..ask(0, Some(("other", 1)))
    };
    assert_eq!(commit(store, begin(3, rate)).await, passed(IN, &[]));
    let keys = limits(store).await.into_iter().map(|row| row.key);
    let keys: Vec<_> = keys.map(|key| (key.workflow, key.kind, key.key)).collect();
    let (one, two) = (workflow(1), workflow(2));
    let of = |workflow, kind, key: &str| (workflow, kind, key.to_owned());
    let expected = [
        of(one, LimitKind::Concurrency, "k"),
        of(one, LimitKind::Concurrency, "other"),
        of(one, LimitKind::Rate, "k"),
        of(two, LimitKind::Concurrency, "k"),
    ];
    assert_eq!(keys, expected);
    let page = |after, workflow| LimitQuery {
        workflow,
        after,
        limit: 1,
    };
    let mut after = None;
    for (workflow, kind, key) in &expected {
        let rows = store.list_limits(page(after, None)).await.unwrap();
        assert_eq!(
            (rows[0].key.workflow, rows[0].key.kind, &rows[0].key.key),
            (*workflow, *kind, key)
        );
        after = rows.into_iter().next().map(|row| row.key);
    }
    assert_eq!(store.list_limits(page(after, None)).await.unwrap(), []);
    let of_two = store.list_limits(page(None, Some(two))).await.unwrap();
    assert_eq!(of_two.len(), 1);
}

/// An older run that comes later does not set it back.
pub async fn what_the_newest_version_says_of_a_limit_holds(store: &dyn Store) {
    let enter = |version, limit| Enter {
        version,
        ..ask(5, Some(("k", limit)))
    };
    let all = (1..=4).map(|number| begin(number, enter(1, 1))).collect();
    write_passed(store, all).await;
    // Two more may come in, and those who wait come first.
    let newer = commit(store, begin(5, enter(2, 3))).await;
    assert_eq!(newer, passed(WAITS, &[(2, 5), (3, 5)]));
    let older = commit(store, begin(6, enter(1, 100))).await;
    assert_eq!(older, passed(WAITS, &[]));
    assert_eq!(held_and_waiting(store).await, [("k".to_owned(), 3, 3)]);
    // And the other way: nobody is let in before enough have left.
    write_passed(store, vec![begin(7, enter(3, 2))]).await;
    let left = commit(store, leave(1, 1, 9)).await;
    assert_eq!(left, passed(Outcome::Out, &[]));
    let left = commit(store, leave(2, 1, 9)).await;
    assert_eq!(left, passed(Outcome::Out, &[(4, 9)]));
}

/// Holders and those who wait, the oldest first.
pub async fn who_is_outdone_by_newer_runs_is_listed(store: &dyn Store) {
    let begin_all = (1..=5).map(|number| begin(number, ask(number.into(), Some(("k", 2)))));
    write_passed(store, begin_all.collect()).await;
    let outdone = async |kept, limit| {
        let outdone = store.list_outdone(workflow(1), "k", kept, limit).await;
        outdone.unwrap()
    };
    assert_eq!(outdone(2, 10).await, [1, 2, 3].map(run));
    assert_eq!(outdone(2, 2).await, [1, 2].map(run));
    assert_eq!(outdone(5, 10).await, []);
    let elsewhere = store.list_outdone(workflow(2), "k", 0, 10).await;
    assert_eq!(elsewhere.unwrap(), []);
}

/// What is said to a run that waits must not make it due.
pub async fn a_run_that_waits_is_written_to_and_goes_on_waiting(store: &dyn Store) {
    write_passed(
        store,
        vec![
            begin(1, ask(0, Some(("k", 1)))),
            begin(2, ask(1, Some(("k", 1)))),
        ],
    )
    .await;
    let told = Commit {
        keeps_due: true,
        due_at: None,
        ..advance(run(2), 1)
    };
    write(store, vec![told]).await;
    assert_eq!(all_due(store).await, [(at(0), run(1))]);
    // Its journal has gone on, and its place is the same.
    let again = commit(store, ask_again(2, 2, ask(5, Some(("k", 1))))).await;
    assert_eq!(again, passed(WAITS, &[]));
    assert_eq!(journal(store, run(2)).await.len(), 2);
}

/// Many writers, each of which begins runs, takes up whose turn has come, and ends them.
pub async fn of_many_writers_no_more_are_in_than_may(store: &dyn Store) {
    const LIMIT: u32 = 3;
    const EACH: u16 = 12;
    let under_way = AtomicU32::new(0);
    let most = AtomicU32::new(0);
    let note_in = || {
        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
    };
    let writer = async |writer: u16| {
        for turn in 0..EACH {
            let number = writer * EACH + turn + 1;
            let now = i64::from(number);
            let begun = commit(store, begin(number, ask(now, Some(("k", LIMIT))))).await;
            let Committed::Passed(Passed { outcome, .. }) = begun else {
                panic!("not {begun:?}")
            };
            if outcome != Outcome::In {
                // Somebody who leaves makes it due; nobody else looks at it.
                while !all_due(store)
                    .await
                    .iter()
                    .any(|(_, due)| *due == run(number))
                {
                    tokio::task::yield_now().await;
                }
                let again = ask_again(number, 1, ask(now, Some(("k", LIMIT))));
                assert_eq!(commit(store, again).await, passed(IN, &[]));
                note_in();
                under_way.fetch_sub(1, Ordering::SeqCst);
                write_passed(store, vec![leave(number, 2, now)]).await;
            } else {
                note_in();
                under_way.fetch_sub(1, Ordering::SeqCst);
                write_passed(store, vec![leave(number, 1, now)]).await;
            }
        }
    };
    futures::future::join_all((0..6).map(writer)).await;
    assert!(most.load(Ordering::SeqCst) <= LIMIT);
    assert_eq!(held_and_waiting(store).await, [], "no slot is lost");
    assert_eq!(unfinished(store).await, 0, "nobody was forgotten");
}

/// Several keys at once, in opposite orders: nobody waits for ever.
pub async fn writers_of_many_keys_do_not_stand_in_each_others_way(store: &dyn Store) {
    let keys: Vec<String> = (0..8).map(|key| format!("key {key}")).collect();
    let writer = async |writer: u16| {
        for turn in 0..6_u16 {
            let first = (writer * 6 + turn) * 8 + 1;
            let mut batch: Vec<_> = (first..)
                .zip(&keys)
                .map(|(number, key)| begin(number, ask(number.into(), Some((key, 100)))))
                .collect();
            if writer % 2 == 1 {
                batch.reverse();
            }
            write_passed(store, batch).await;
            let leaving = (first..first + 8).rev().map(|number| leave(number, 1, 9));
            write_passed(store, leaving.collect()).await;
        }
    };
    futures::future::join_all((0..4).map(writer)).await;
    assert_eq!(held_and_waiting(store).await, []);
    let due: BTreeSet<(Timestamp, RunId)> = all_due(store).await.into_iter().collect();
    assert_eq!(due, BTreeSet::new());
}
