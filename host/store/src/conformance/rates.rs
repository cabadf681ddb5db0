//! Rates: how many of a key begin in a span of time.

use std::time::Duration;

use super::limits::{
    IN, WAITS, ask, ask_again, begin, held_and_waiting, leave, limits, passed, write_passed,
};
use super::sample::{all_due, at, commit, commit_all, run};
use crate::Store;
use crate::limits::{Enter, LimitKind, Outcome, Rate, Slot};

fn ask_rate(now: i64, limit: u32, per: u64) -> Enter {
    Enter {
        rate: Some(Rate {
            key: "r".to_owned(),
            limit,
            per: Duration::from_micros(per),
        }),
        ..ask(now, None)
    }
}

fn waits_until(micros: i64) -> Outcome {
    Outcome::Waits {
        due_at: Some(at(micros)),
    }
}

/// Exactly, wherever the span begins.
pub async fn a_rate_lets_so_many_begin_in_any_span(store: &dyn Store) {
    // Two in any hundred microseconds.
    let enter = |now| ask_rate(now, 2, 100);
    let answers = commit_all(
        store,
        vec![
            begin(1, enter(0)),
            begin(2, enter(60)),
            begin(3, enter(61)),
            begin(4, enter(62)),
        ],
    );
    assert_eq!(
        answers.await,
        [
            passed(IN, &[]),
            passed(IN, &[]),
            passed(waits_until(100), &[]),
            passed(WAITS, &[]),
        ]
    );
    let turn = store.find_turn(run(4)).await.unwrap().unwrap();
    assert_eq!((turn.position, turn.limit.next_at), (2, Some(at(100))));
    // Too soon: it is told again when to come.
    let early = commit(store, ask_again(3, 1, enter(99))).await;
    assert_eq!(early, passed(waits_until(100), &[]));
    // In time, and the next one hears when its time is.
    let third = commit(store, ask_again(3, 1, enter(100))).await;
    assert_eq!(third, passed(IN, &[(4, 160)]));
    assert!(all_due(store).await.contains(&(at(160), run(4))));
    // Who ends makes no room: what counts is beginning.
    let left = commit(store, leave(1, 1, 101)).await;
    assert_eq!(left, passed(Outcome::Out, &[]));
    let fourth = commit(store, ask_again(4, 1, enter(160))).await;
    assert_eq!(fourth, passed(IN, &[]));
    assert_eq!(
        commit(store, begin(5, enter(161))).await,
        passed(waits_until(200), &[])
    );
}

/// The next one's time has not changed by that.
pub async fn who_gives_up_waiting_for_a_rate_lets_the_next_one_know(store: &dyn Store) {
    let enter = |now| ask_rate(now, 1, 100);
    let all = vec![begin(1, enter(0)), begin(2, enter(1)), begin(3, enter(2))];
    write_passed(store, all).await;
    let left = commit(store, leave(2, 1, 50)).await;
    assert_eq!(left, passed(Outcome::Out, &[(3, 100)]));
    assert!(all_due(store).await.contains(&(at(100), run(3))));
}

/// So that neither bound is passed by those who wait for the other.
pub async fn a_run_takes_its_slot_first_and_holds_it_while_it_waits_for_its_rate(
    store: &dyn Store,
) {
    let enter = |now| Enter {
        slot: Some(Slot {
            key: "s".to_owned(),
            limit: 2,
        }),
        ..ask_rate(now, 1, 100)
    };
    let answers = commit_all(
        store,
        vec![begin(1, enter(0)), begin(2, enter(1)), begin(3, enter(2))],
    );
    assert_eq!(
        answers.await,
        [
            passed(IN, &[]),
            passed(waits_until(100), &[]),
            passed(WAITS, &[])
        ]
    );
    let expected = [("s".to_owned(), 2, 1), ("r".to_owned(), 0, 1)];
    assert_eq!(held_and_waiting(store).await, expected);
    // A slot is free: the third one goes on to wait behind the second.
    let left = commit(store, leave(1, 1, 50)).await;
    assert_eq!(left, passed(Outcome::Out, &[]));
    let turn = store.find_turn(run(3)).await.unwrap().unwrap();
    assert_eq!((turn.limit.key.kind, turn.position), (LimitKind::Rate, 2));
    // The second gives up: its slot is free, and the rate is the third one's.
    let left = commit(store, leave(2, 1, 60)).await;
    assert_eq!(left, passed(Outcome::Out, &[(3, 100)]));
    let third = commit(store, ask_again(3, 1, enter(100))).await;
    assert_eq!(third, passed(IN, &[]));
}

/// Their keys are as many as customers.
pub async fn rates_that_are_idle_are_forgotten(store: &dyn Store) {
    let enter = |now| ask_rate(now, 2, 100);
    let all = vec![begin(1, enter(0)), begin(2, enter(50)), begin(3, enter(60))];
    write_passed(store, all).await;
    let forget = async |now| {
        store.remove_finished(at(-1), at(now), 10).await.unwrap();
        limits(store).await.len()
    };
    assert_eq!(forget(500).await, 1, "somebody waits");
    write_passed(store, vec![ask_again(3, 1, enter(500))]).await;
    assert_eq!(
        forget(599).await,
        1,
        "its last start is less than a span old"
    );
    assert_eq!(forget(600).await, 0);
    let turn = commit(store, begin(4, enter(601))).await;
    assert_eq!(turn, passed(IN, &[]));
}
