//! What is due: timers, recovery and the backlog.

use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use super::sample::{advance, all_due, at, commit, create, end, run, write};
use crate::{Commit, Committed, Due, Store};

fn due_at(run: RunId, micros: i64) -> Commit {
    Commit {
        due_at: Some(at(micros)),
        ..create(run)
    }
}

/// Whatever the order in which they were created.
pub async fn the_soonest_come_first_and_ties_go_by_run(store: &dyn Store) {
    write(
        store,
        vec![
            due_at(run(1), 30),
            due_at(run(4), 10),
            due_at(run(3), 20),
            due_at(run(2), 20),
        ],
    )
    .await;
    let expected = [
        (at(10), run(4)),
        (at(20), run(2)),
        (at(20), run(3)),
        (at(30), run(1)),
    ];
    assert_eq!(all_due(store).await, expected);
}

/// Before is before, not at.
pub async fn only_what_is_due_before_the_bound_is_listed(store: &dyn Store) {
    write(store, vec![due_at(run(1), 10), due_at(run(2), 20)]).await;
    let before = async |micros| store.list_due(None, at(micros), 10).await.unwrap();
    assert!(before(10).await.is_empty());
    assert_eq!(before(11).await.len(), 1);
    assert_eq!(before(20).await.len(), 1);
    assert_eq!(before(21).await.len(), 2);
    write(
        store,
        vec![Commit {
            due_at: Some(Timestamp::from_micros(0)),
            ..create(run(3))
        }],
    )
    .await;
    assert_eq!(
        store.list_due(None, at(0), 10).await.unwrap().len(),
        1,
        "what is due since the epoch is due"
    );
}

/// A cursor needs no row: the run it names may have gone.
pub async fn pages_of_due_runs_follow_each_other(store: &dyn Store) {
    let created = (0..50).map(|number| due_at(run(number), i64::from(number % 5)));
    write(store, created.collect()).await;
    let whole = all_due(store).await;
    for limit in [1, 4, 50] {
        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let page = store.list_due(after, at(100), limit).await.unwrap();
            pages.extend(page.iter().map(|due| (due.at, due.run)));
            if page.len() < limit {
                break;
            }
            after = page.last().copied();
        }
        assert_eq!(pages, whole, "pages of {limit}");
    }
    let between = Some(Due {
        at: at(2),
        run: RunId::from_bytes([0; 16]),
    });
    assert_eq!(
        store.list_due(between, at(100), 100).await.unwrap().len(),
        30
    );
    assert!(store.list_due(None, at(100), 0).await.unwrap().is_empty());
}

/// Earlier or later; and a commit that conflicts moves nothing.
pub async fn a_run_moves_when_it_is_due_at_another_time(store: &dyn Store) {
    write(store, vec![due_at(run(1), 10)]).await;
    for (seq, micros) in [(1, 50), (2, 5), (3, 5)] {
        write(
            store,
            vec![Commit {
                due_at: Some(at(micros)),
                ..advance(run(1), seq)
            }],
        )
        .await;
        assert_eq!(all_due(store).await, [(at(micros), run(1))]);
    }
    let late = Commit {
        due_at: Some(at(99)),
        ..advance(run(1), 3)
    };
    assert_eq!(commit(store, late).await, Committed::Conflict);
    assert_eq!(all_due(store).await, [(at(5), run(1))]);
}

/// It waits for a signal, or is finished.
pub async fn a_run_with_nothing_to_do_is_not_listed(store: &dyn Store) {
    write(
        store,
        vec![
            create(run(1)),
            create(run(2)),
            Commit {
                due_at: None,
                ..create(run(3))
            },
        ],
    )
    .await;
    write(
        store,
        vec![Commit {
            due_at: None,
            ..advance(run(1), 1)
        }],
    )
    .await;
    write(store, vec![end(run(2), 1, RunStatus::Success, at(9))]).await;
    assert!(all_due(store).await.is_empty());
    write(
        store,
        vec![Commit {
            due_at: Some(at(7)),
            ..advance(run(1), 2)
        }],
    )
    .await;
    assert_eq!(all_due(store).await, [(at(7), run(1))]);
}
