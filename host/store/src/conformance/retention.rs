//! The removal of what has been kept long enough.

use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use super::sample::{
    advance, all_due, at, commit, create, create_with_key, digest, end, everything, journal, key,
    list, run, summary, unfinished, write,
};
use crate::{Commit, Committed, Store};

async fn remove(store: &dyn Store, before: Timestamp, limit: usize) -> usize {
    store
        .remove_finished(before, at(0), limit)
        .await
        .expect("the store removes runs")
}

/// Before is before, not at.
pub async fn old_runs_go_in_batches_the_first_finished_first(store: &dyn Store) {
    for (number, status) in (0..10).zip(
        [RunStatus::Success, RunStatus::Failed, RunStatus::Cancelled]
            .into_iter()
            .cycle(),
    ) {
        // Those created last finish first.
        let completed_at = at(100 - i64::from(number));
        write(
            store,
            vec![
                create(run(number)),
                end(run(number), 1, status, completed_at),
            ],
        )
        .await;
    }
    assert_eq!(remove(store, at(91), 10).await, 0);
    assert_eq!(remove(store, at(96), 3).await, 3);
    assert_eq!(
        list(store, everything()).await,
        [6, 5, 4, 3, 2, 1, 0].map(run)
    );
    assert_eq!(remove(store, at(96), 3).await, 2);
    assert_eq!(list(store, everything()).await, [4, 3, 2, 1, 0].map(run));
    assert_eq!(remove(store, at(96), 3).await, 0);
    assert_eq!(remove(store, at(100), 0).await, 0);
    assert_eq!(remove(store, at(100), 10).await, 4);
    assert_eq!(list(store, everything()).await, [run(0)]);
}

/// However old they are.
pub async fn runs_under_way_stay(store: &dyn Store) {
    let paused = Commit {
        summary: summary(RunStatus::Paused),
        due_at: None,
        ..create(run(3))
    };
    write(
        store,
        vec![create(run(1)), create(run(2)), advance(run(2), 1), paused],
    )
    .await;
    write(
        store,
        vec![create(run(4)), end(run(4), 1, RunStatus::Success, at(5))],
    )
    .await;
    assert_eq!(remove(store, Timestamp::MAX, 100).await, 1);
    assert_eq!(list(store, everything()).await, [3, 2, 1].map(run));
    assert_eq!(journal(store, run(2)).await.len(), 2);
    assert_eq!(unfinished(store).await, 3);
    write(store, vec![advance(run(2), 2)]).await;
}

/// Not in its journal, in no list; a late writer finds nothing to advance.
pub async fn a_removed_run_leaves_nothing_behind(store: &dyn Store) {
    write(
        store,
        vec![create(run(1)), end(run(1), 1, RunStatus::Success, at(5))],
    )
    .await;
    // Not what a host writes, but nothing may be left of it either.
    write(store, vec![end(run(1), 2, RunStatus::Success, at(6))]).await;
    assert_eq!(remove(store, at(7), 100).await, 1);
    assert!(journal(store, run(1)).await.is_empty());
    assert!(list(store, everything()).await.is_empty());
    assert!(all_due(store).await.is_empty());
    assert_eq!(commit(store, advance(run(1), 3)).await, Committed::Conflict);
    assert_eq!(remove(store, Timestamp::MAX, 100).await, 0);
}

/// A key outlives its run, since its promise was about time.
pub async fn expired_keys_are_forgotten_and_others_are_not(store: &dyn Store) {
    let short = create_with_key(run(1), key("short", 1, at(50)));
    let long = create_with_key(run(2), key("long", 1, at(51)));
    write(store, vec![short, long]).await;
    for number in [1, 2] {
        write(store, vec![end(run(number), 1, RunStatus::Success, at(5))]).await;
    }
    assert_eq!(store.remove_finished(at(6), at(50), 100).await.unwrap(), 2);
    // Created at zero, when neither key had expired: the one that is gone is given anew, the other is not.
    write(
        store,
        vec![create_with_key(run(3), key("short", 2, at(50)))],
    )
    .await;
    let long = create_with_key(run(4), key("long", 2, at(50)));
    assert_eq!(
        commit(store, long).await,
        Committed::Replayed {
            run: run(2),
            fingerprint: digest(1)
        }
    );
}
