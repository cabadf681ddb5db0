//! Idempotency keys: two triggers with the same key are one run.

use futures::future::join_all;

use super::sample::{
    advance, at, commit, commit_all, create, create_at, create_with_key, digest, everything, key,
    list, new_of, run, run_at, unfinished, workflow, write,
};
use crate::{Committed, Store};

/// The second trigger writes nothing and is told of the first one's run.
pub async fn a_key_makes_one_run(store: &dyn Store) {
    let order = || key("order-1", 7, at(1_000_000));
    write(store, vec![create_with_key(run(1), order())]).await;
    let replayed = Committed::Replayed {
        run: run(1),
        fingerprint: digest(7),
    };
    assert_eq!(
        commit(store, create_with_key(run(2), order())).await,
        replayed
    );
    assert_eq!(list(store, everything()).await, [run(1)]);
    assert!(store.load_journal(run(2), 0).await.unwrap().is_empty());
    assert_eq!(unfinished(store).await, 1);
    // Another key is another run.
    write(
        store,
        vec![create_with_key(run(3), key("order-2", 7, at(1_000_000)))],
    )
    .await;
}

/// So the caller can tell a repetition from a mistake.
pub async fn a_replay_tells_the_fingerprint_of_the_first_request(store: &dyn Store) {
    write(
        store,
        vec![create_with_key(run(1), key("k", 1, at(1_000_000)))],
    )
    .await;
    let other = create_with_key(run(2), key("k", 2, at(2_000_000)));
    assert_eq!(
        commit(store, other).await,
        Committed::Replayed {
            run: run(1),
            fingerprint: digest(1)
        }
    );
}

/// Two workflows may use the same key.
pub async fn a_key_counts_within_its_workflow(store: &dyn Store) {
    write(
        store,
        vec![create_with_key(run(1), key("k", 1, at(1_000_000)))],
    )
    .await;
    let mut other = create_with_key(run(2), key("k", 1, at(1_000_000)));
    new_of(&mut other).workflow = workflow(2);
    write(store, vec![other]).await;
}

/// A key counts up to the time of its expiry, and from then on no more.
pub async fn an_expired_key_is_given_to_the_new_run(store: &dyn Store) {
    write(store, vec![create_with_key(run(1), key("k", 1, at(1_000)))]).await;
    let later = |number, micros| {
        let mut later = create_at(run_at(micros, number), at(micros));
        new_of(&mut later).idempotency = Some(key("k", 2, at(micros + 1_000)));
        later
    };
    assert_eq!(
        commit(store, later(2, 999)).await,
        Committed::Replayed {
            run: run(1),
            fingerprint: digest(1)
        }
    );
    write(store, vec![later(3, 1_000)]).await;
    let replayed = Committed::Replayed {
        run: run_at(1_000, 3),
        fingerprint: digest(2),
    };
    assert_eq!(commit(store, later(4, 1_999)).await, replayed);
}

/// Whole or not at all: the key goes with its run.
pub async fn a_key_is_not_taken_by_a_commit_that_conflicts(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    let conflicting = create_with_key(run(1), key("k", 1, at(1_000_000)));
    assert_eq!(commit(store, conflicting).await, Committed::Conflict);
    write(
        store,
        vec![create_with_key(run(2), key("k", 2, at(1_000_000)))],
    )
    .await;
}

/// The place in the journal is looked at before the key.
pub async fn a_run_that_exists_conflicts_also_where_its_own_key_made_it(store: &dyn Store) {
    let created = create_with_key(run(1), key("k", 1, at(1_000_000)));
    write(store, vec![created.clone(), advance(run(1), 1)]).await;
    assert_eq!(commit(store, created).await, Committed::Conflict);
}

/// The first commit of a call is seen by the second.
pub async fn two_commits_of_one_call_with_the_same_key_make_one_run(store: &dyn Store) {
    let order = || key("k", 1, at(1_000_000));
    let call = vec![
        create_with_key(run(1), order()),
        create_with_key(run(2), order()),
        create(run(3)),
    ];
    let replayed = Committed::Replayed {
        run: run(1),
        fingerprint: digest(1),
    };
    assert_eq!(
        commit_all(store, call).await,
        [Committed::Written, replayed, Committed::Written]
    );
}

/// However many ask at once.
pub async fn of_many_writers_exactly_one_takes_a_key(store: &dyn Store) {
    let writers = (0..32).map(|number| {
        commit(
            store,
            create_with_key(run(number), key("k", 1, at(1_000_000))),
        )
    });
    let answers = join_all(writers).await;
    let runs = list(store, everything()).await;
    let [made] = runs[..] else {
        panic!("one run is made, and not {runs:?}")
    };
    for answer in &answers {
        match answer {
            Committed::Written => {}
            Committed::Replayed { run, .. } => assert_eq!(*run, made),
            other => panic!("the runs are all different, and nothing limits them: {other:?}"),
        }
    }
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == Committed::Written)
            .count(),
        1
    );
}
