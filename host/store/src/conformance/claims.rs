//! Claims: who sees to a run, where several processes share the store.

use std::collections::BTreeSet;

use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use super::sample::{all_due, at, create, end, run, summary, write};
use crate::{Claim, Commit, Due, Renewal, Store};

/// Runs that are due one after the other, from zero on, ten microseconds apart.
async fn due_runs(store: &dyn Store, count: u16) {
    let create = |number: u16| Commit {
        due_at: Some(at(i64::from(number) * 10)),
        ..create(run(number))
    };
    write(store, (0..count).map(create).collect()).await;
}

fn claim(before: Timestamp, until: Timestamp, limit: usize) -> Claim {
    Claim {
        among: None,
        before,
        until,
        limit,
    }
}

fn among(runs: &[RunId], before: Timestamp, until: Timestamp) -> Claim {
    Claim {
        among: Some(runs.to_vec()),
        ..claim(before, until, 1_000)
    }
}

/// With the times at which they were due.
pub async fn what_is_claimed_is_due_later(store: &dyn Store) {
    due_runs(store, 4).await;
    let claimed = store.claim_due(claim(at(20), at(99), 10)).await.unwrap();
    let due = |micros, number| Due {
        at: at(micros),
        run: run(number),
    };
    assert_eq!(claimed, [due(0, 0), due(10, 1)]);
    let expected = [
        (at(20), run(2)),
        (at(30), run(3)),
        (at(99), run(0)),
        (at(99), run(1)),
    ];
    assert_eq!(all_due(store).await, expected);
    assert!(
        store
            .claim_due(claim(at(20), at(99), 10))
            .await
            .unwrap()
            .is_empty()
    );
    let again = store.claim_due(claim(at(100), at(200), 10)).await.unwrap();
    assert_eq!(again, [due(20, 2), due(30, 3), due(99, 0), due(99, 1)]);
}

/// The soonest due first.
pub async fn no_more_are_claimed_than_were_asked_for(store: &dyn Store) {
    due_runs(store, 10).await;
    for expected in [[0, 1, 2], [3, 4, 5], [6, 7, 8]] {
        let claimed = store.claim_due(claim(at(500), at(999), 3)).await.unwrap();
        let runs: Vec<_> = claimed.iter().map(|due| due.run).collect();
        assert_eq!(runs, expected.map(run));
    }
    assert!(
        store
            .claim_due(claim(at(500), at(999), 0))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Who has had a hint asks for one run by name.
pub async fn named_runs_are_claimed_where_they_are_due(store: &dyn Store) {
    due_runs(store, 3).await;
    write(
        store,
        vec![Commit {
            due_at: None,
            ..create(run(7))
        }],
    )
    .await;
    let asked = [run(2), run(7), run(1), run(8)];
    let claimed = store
        .claim_due(among(&asked, at(20), at(99)))
        .await
        .unwrap();
    assert_eq!(
        claimed,
        [Due {
            at: at(10),
            run: run(1)
        }]
    );
    let again = store.claim_due(among(&asked, at(20), at(99))).await;
    assert!(again.unwrap().is_empty());
    assert!(
        store
            .claim_due(among(&[], at(20), at(99)))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Whoever moved it has the run.
pub async fn a_claim_is_renewed_by_who_has_it(store: &dyn Store) {
    due_runs(store, 3).await;
    let renewal = |number, from, to| Renewal {
        run: run(number),
        from: at(from),
        to: Some(at(to)),
    };
    let renewals = vec![renewal(0, 0, 50), renewal(1, 0, 50), renewal(9, 0, 50)];
    assert_eq!(store.renew(renewals).await.unwrap(), [true, false, false]);
    assert_eq!(
        store
            .renew(vec![renewal(2, 20, 5), renewal(0, 50, 60)])
            .await
            .unwrap(),
        [true, true]
    );
    let expected = [(at(5), run(2)), (at(10), run(1)), (at(60), run(0))];
    assert_eq!(all_due(store).await, expected);
    let over = Renewal {
        to: None,
        ..renewal(2, 5, 0)
    };
    assert_eq!(store.renew(vec![over]).await.unwrap(), [true]);
    assert_eq!(all_due(store).await, expected[1..]);
    assert_eq!(store.renew(vec![over]).await.unwrap(), [false]);
    assert!(store.renew(Vec::new()).await.unwrap().is_empty());
}

/// Only what has ended can have nothing left to do.
pub async fn finished_runs_are_settled_and_others_are_not(store: &dyn Store) {
    due_runs(store, 2).await;
    let ended = Commit {
        due_at: Some(at(5)),
        ..end(run(0), 1, RunStatus::Success, at(4))
    };
    write(store, vec![ended]).await;
    assert_eq!(
        all_due(store).await,
        [(at(5), run(0)), (at(10), run(1))],
        "its end is yet to be told"
    );
    store.settle(vec![run(0), run(1), run(9)]).await.unwrap();
    assert_eq!(all_due(store).await, [(at(10), run(1))]);
    store.settle(vec![run(0)]).await.unwrap();
    store.settle(Vec::new()).await.unwrap();
}

/// Else its end would never be told.
pub async fn a_finished_run_with_something_left_to_do_is_not_removed(store: &dyn Store) {
    let ended = |number, due_at| Commit {
        due_at,
        summary: crate::conformance::sample::summary(RunStatus::Success),
        ..create(run(number))
    };
    assert!(summary(RunStatus::Success).completed_at.is_some());
    write(store, vec![ended(1, Some(at(30))), ended(2, None)]).await;
    let remove = async || store.remove_finished(at(1_000), at(0), 10).await.unwrap();
    assert_eq!(remove().await, 1);
    assert!(!store.load_journal(run(1), 0).await.unwrap().is_empty());
    store.settle(vec![run(1)]).await.unwrap();
    assert_eq!(remove().await, 1);
    assert!(store.load_journal(run(1), 0).await.unwrap().is_empty());
}

/// Many at once, each asking for a few at a time until there is nothing left.
pub async fn of_many_claimers_each_run_goes_to_one(store: &dyn Store) {
    due_runs(store, 200).await;
    let claimer = async |number: u16| {
        let mut mine = Vec::new();
        loop {
            let until = at(1_000_000 + i64::from(number));
            let claimed = store.claim_due(claim(at(10_000), until, 7)).await.unwrap();
            if claimed.is_empty() {
                return mine;
            }
            mine.extend(claimed.into_iter().map(|due| due.run));
        }
    };
    let all = futures::future::join_all((0..4).map(claimer)).await;
    let runs: Vec<RunId> = all.into_iter().flatten().collect();
    assert_eq!(runs.len(), 200, "none is left, and none was given twice");
    assert_eq!(runs.iter().collect::<BTreeSet<_>>().len(), 200);
}
