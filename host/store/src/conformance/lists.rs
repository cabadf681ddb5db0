//! Lists of runs: complete, in order, exact in their filters.

use millwork_core::id::RunId;
use millwork_core::run::{RunStatus, Summary};

use super::sample::{
    advance, at, commit, create, create_at, end, everything, list, new_of, run, run_at, summary,
    unfinished, workflow, write,
};
use crate::{Commit, Order, OverTime, RunQuery, RunRow, Store};

/// All columns of a row, at each turn of a run's life; also where a commit changes only one of them.
pub async fn a_row_tells_what_was_committed_last(store: &dyn Store) {
    let mut created = create(run(1));
    new_of(&mut created).version = 4_000_000_000;
    let mut row = RunRow {
        run: run(1),
        workflow: workflow(1),
        version: 4_000_000_000,
        created_at: at(0),
        summary: created.summary.clone(),
        due_at: created.due_at,
        first_record: created.records[0].clone(),
    };
    write(store, vec![created]).await;
    assert_eq!(store.list_runs(everything()).await.unwrap(), [row.clone()]);

    let pending = summary(RunStatus::Pending);
    let running = summary(RunStatus::Running);
    let with_error = Summary {
        error: Some("a word".to_owned()),
        ..running.clone()
    };
    let paused = Summary {
        status: RunStatus::Paused,
        ..with_error.clone()
    };
    let ended = Summary {
        status: RunStatus::Cancelled,
        completed_at: Some(at(77)),
        ..running.clone()
    };
    let turns = [
        (pending, Some(at(0))),
        (running.clone(), Some(at(0))),
        (running, Some(at(5))),
        (with_error.clone(), Some(at(5))),
        (with_error, None),
        (paused, Some(at(6))),
        (ended.clone(), None),
        (ended, None),
    ];
    for (seq, (summary, due_at)) in (1..).zip(turns) {
        write(
            store,
            vec![Commit {
                summary: summary.clone(),
                due_at,
                ..advance(run(1), seq)
            }],
        )
        .await;
        row.summary = summary;
        row.due_at = due_at;
        assert_eq!(
            store.list_runs(everything()).await.unwrap(),
            [row.clone()],
            "after record {seq}"
        );
    }
}

/// Whatever the order in which they were committed.
pub async fn the_newest_come_first_unless_asked_otherwise(store: &dyn Store) {
    let early = run_at(1_000, 1);
    let middle = run_at(2_000, 1);
    let late = run_at(3_000, 0);
    for run in [middle, late, early] {
        write(store, vec![create(run)]).await;
    }
    assert_eq!(list(store, everything()).await, [late, middle, early]);
    let oldest_first = RunQuery {
        order: Order::OldestFirst,
        ..everything()
    };
    assert_eq!(list(store, oldest_first).await, [early, middle, late]);
}

/// Over every kind of filter, both ways: all pages together are the list.
pub async fn pages_follow_each_other_without_gap_or_overlap(store: &dyn Store) {
    some_runs(store).await;
    for query in some_queries() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let whole = list(
                store,
                RunQuery {
                    order,
                    ..query.clone()
                },
            )
            .await;
            for limit in [1, 3, 7] {
                let mut pages = Vec::new();
                let mut after = None;
                loop {
                    let page = list(
                        store,
                        RunQuery {
                            order,
                            limit,
                            after,
                            ..query.clone()
                        },
                    )
                    .await;
                    assert!(page.len() <= limit);
                    pages.extend_from_slice(&page);
                    if page.len() < limit {
                        break;
                    }
                    after = page.last().copied();
                }
                assert_eq!(pages, whole, "pages of {limit} of {query:?}, {order:?}");
            }
        }
    }
}

/// Against the plain truth: every row looked at.
pub async fn a_list_is_filtered_by_workflow_and_status(store: &dyn Store) {
    let all = some_runs(store).await;
    for query in some_queries() {
        let expected: Vec<RunId> = all
            .iter()
            .rev()
            .filter(|(_, workflow, status)| {
                query.workflow.is_none_or(|wanted| workflow == &wanted)
                    && (query.statuses.is_empty() || query.statuses.contains(status))
            })
            .map(|(run, ..)| *run)
            .collect();
        assert_eq!(list(store, query.clone()).await, expected, "{query:?}");
    }
}

/// It is a set.
pub async fn a_status_named_twice_is_listed_once(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    let query = RunQuery {
        statuses: vec![RunStatus::Pending, RunStatus::Pending],
        ..everything()
    };
    assert_eq!(list(store, query).await, [run(1)]);
}

/// From is in, before is out, and two runs of one millisecond are told apart.
pub async fn bounds_of_time_are_exact_to_the_microsecond(store: &dyn Store) {
    let times = [0, 1, 999, 1_000, 1_001, 2_500];
    let runs = times.map(|micros| run_at(micros, u16::try_from(micros).expect("small")));
    for (run, micros) in runs.iter().zip(times) {
        write(store, vec![create_at(*run, at(micros))]).await;
    }
    let from = |micros| RunQuery {
        created_from: Some(at(micros)),
        order: Order::OldestFirst,
        ..everything()
    };
    assert_eq!(list(store, from(0)).await, runs);
    assert_eq!(list(store, from(1)).await, runs[1..]);
    assert_eq!(list(store, from(999)).await, runs[2..]);
    assert_eq!(list(store, from(1_001)).await, runs[4..]);
    assert!(list(store, from(2_501)).await.is_empty());
    let before = |micros, query| RunQuery {
        created_before: Some(at(micros)),
        ..query
    };
    assert_eq!(list(store, before(2_501, from(0))).await, runs);
    assert_eq!(list(store, before(1_001, from(0))).await, runs[..4]);
    assert_eq!(list(store, before(1_001, from(1))).await, runs[1..4]);
    assert_eq!(list(store, before(1, from(0))).await, runs[..1]);
    assert!(list(store, before(0, from(0))).await.is_empty());
    assert!(list(store, before(999, from(1_000))).await.is_empty());
    let with_cursor = RunQuery {
        after: Some(runs[1]),
        ..before(1_001, from(0))
    };
    assert_eq!(list(store, with_cursor).await, runs[2..4]);
    let of_a_status = RunQuery {
        statuses: vec![RunStatus::Pending],
        ..before(1_001, from(1))
    };
    assert_eq!(list(store, of_a_status).await, runs[1..4]);
}

/// No runs, no room, and no cursor beyond the last.
pub async fn a_list_of_nothing_is_empty(store: &dyn Store) {
    assert!(list(store, everything()).await.is_empty());
    write(store, vec![create(run(1))]).await;
    assert!(
        list(
            store,
            RunQuery {
                limit: 0,
                ..everything()
            }
        )
        .await
        .is_empty()
    );
    for (edge, order) in [(0, Order::NewestFirst), (255, Order::OldestFirst)] {
        let after = Some(RunId::from_bytes([edge; 16]));
        assert!(
            list(
                store,
                RunQuery {
                    after,
                    order,
                    ..everything()
                }
            )
            .await
            .is_empty()
        );
    }
}

/// Paused runs are not finished; finished ones no longer count, and conflicts never do.
pub async fn unfinished_runs_are_counted(store: &dyn Store) {
    let count = async || unfinished(store).await;
    assert_eq!(count().await, 0);
    write(store, vec![create(run(1)), create(run(2)), create(run(3))]).await;
    assert_eq!(count().await, 3);
    let paused = Commit {
        summary: summary(RunStatus::Paused),
        ..advance(run(1), 1)
    };
    write(
        store,
        vec![
            paused,
            end(run(2), 1, RunStatus::Success, at(9)),
            advance(run(3), 1),
        ],
    )
    .await;
    assert_eq!(count().await, 2);
    store
        .commit(vec![end(run(3), 1, RunStatus::Failed, at(9))])
        .await
        .unwrap();
    assert_eq!(count().await, 2);
    // A run may begin and end in one commit.
    write(
        store,
        vec![Commit {
            summary: summary(RunStatus::Success),
            due_at: None,
            ..create(run(4))
        }],
    )
    .await;
    assert_eq!(count().await, 2);
}

/// Of each workflow and of all together, through every change; and what is removed is not counted any more.
pub async fn counts_follow_every_change(store: &dyn Store) {
    let count = async |of: Option<u8>| {
        let counts = store.count_runs(vec![of.map(workflow)]).await.unwrap();
        counts[0].iter().map(|(_, count)| count).collect::<Vec<_>>()
    };
    assert_eq!(count(None).await, [0; 6]);
    let of = |number, id| {
        let mut commit = create(run(number));
        new_of(&mut commit).workflow = workflow(id);
        commit
    };
    write(store, vec![of(1, 1), of(2, 1), of(3, 2)]).await;
    assert_eq!(count(None).await, [3, 0, 0, 0, 0, 0]);
    // Several changes of one run in one call.
    let paused = Commit {
        summary: summary(RunStatus::Paused),
        ..advance(run(2), 1)
    };
    write(
        store,
        vec![
            advance(run(1), 1),
            advance(run(1), 2),
            paused,
            advance(run(3), 1),
        ],
    )
    .await;
    assert_eq!(count(None).await, [0, 2, 0, 0, 1, 0]);
    assert_eq!(count(Some(1)).await, [0, 1, 0, 0, 1, 0]);
    write(store, vec![end(run(1), 3, RunStatus::Failed, at(9))]).await;
    assert_eq!(
        commit(store, advance(run(3), 7)).await,
        crate::Committed::Conflict
    );
    // One that had ended goes on.
    write(store, vec![advance(run(1), 4)]).await;
    write(store, vec![end(run(1), 5, RunStatus::Success, at(9))]).await;
    let both = store.count_runs(vec![Some(workflow(2)), None, Some(workflow(3))]);
    let both = both.await.unwrap();
    assert_eq!(both[0].of(RunStatus::Running), 1);
    assert_eq!(
        (both[1].of(RunStatus::Success), both[1].unfinished()),
        (1, 2)
    );
    assert_eq!(both[2], crate::RunCounts::default());
    assert_eq!(store.remove_finished(at(99), at(0), 9).await.unwrap(), 1);
    assert_eq!(count(None).await, [0, 1, 0, 0, 1, 0]);
    assert_eq!(count(Some(1)).await, [0, 0, 0, 0, 1, 0]);
}

/// Each run in the stretch in which it was created, in the state that it has; the newest, where there are too many.
pub async fn runs_are_counted_over_time(store: &dyn Store) {
    let all = some_runs(store).await;
    // They were created at 0, 1000, …, 14000, four at a time.
    let over_time = OverTime {
        workflow: None,
        from: at(1_000),
        before: at(13_000),
        stretches: 5,
        runs_max: 1_000,
    };
    for workflow in [
        None,
        Some(workflow(1)),
        Some(workflow(2)),
        Some(workflow(3)),
    ] {
        let query = OverTime {
            workflow,
            ..over_time
        };
        let counted = store.count_over_time(query).await.unwrap();
        assert_eq!(counted.counted_from, at(1_000));
        assert_eq!(counted.stretch.as_micros(), 2_400);
        assert_eq!(counted.counts.len(), 5);
        for (place, counts) in (0..).zip(&counted.counts) {
            for (status, count) in counts.iter() {
                let expected = (0_i64..).zip(&all).filter(|(number, (_, of, is))| {
                    let created = number / 4 * 1_000;
                    (1_000..13_000).contains(&created)
                        && (created - 1_000) / 2_400 == place
                        && workflow.is_none_or(|workflow| workflow == *of)
                        && *is == status
                });
                assert_eq!(
                    usize::try_from(count).unwrap(),
                    expected.count(),
                    "{query:?}, {place}, {status}"
                );
            }
        }
    }
    let few = OverTime {
        runs_max: 10,
        ..over_time
    };
    let counted = store.count_over_time(few).await.unwrap();
    assert_eq!(counted.counted_from, at(10_000));
    let counts = counted
        .counts
        .iter()
        .map(|counts| counts.iter().map(|(_, count)| count).sum::<u64>());
    assert_eq!(counts.collect::<Vec<_>>(), [0, 0, 0, 2, 8]);
    let nothing = OverTime {
        from: at(20_000),
        before: at(30_000),
        ..over_time
    };
    let counted = store.count_over_time(nothing).await.unwrap();
    assert_eq!(counted.counts, [crate::RunCounts::default(); 5]);
}

/// Sixty runs of two workflows in all states, several to a millisecond.
async fn some_runs(store: &dyn Store) -> Vec<(RunId, millwork_core::id::WorkflowId, RunStatus)> {
    let mut all = Vec::new();
    for number in 0..60_u16 {
        let micros = i64::from(number / 4) * 1_000;
        let run = run_at(micros, number);
        let workflow = workflow(if number % 7 < 5 { 1 } else { 2 });
        let status = RunStatus::ALL[usize::from(number) % 6];
        let mut created = create_at(run, at(micros));
        new_of(&mut created).workflow = workflow;
        write(store, vec![created]).await;
        if status != RunStatus::Pending {
            write(
                store,
                vec![Commit {
                    summary: summary(status),
                    ..advance(run, 1)
                }],
            )
            .await;
        }
        all.push((run, workflow, status));
    }
    all
}

/// Every filter by workflow, with no status, each status, and several.
fn some_queries() -> Vec<RunQuery> {
    let mut statuses = vec![
        Vec::new(),
        RunStatus::ALL.to_vec(),
        vec![RunStatus::Failed, RunStatus::Running],
    ];
    statuses.extend(RunStatus::ALL.map(|status| vec![status]));
    let workflows = [
        None,
        Some(workflow(1)),
        Some(workflow(2)),
        Some(workflow(3)),
    ];
    let queries = workflows.into_iter().flat_map(|workflow| {
        statuses.iter().map(move |statuses| RunQuery {
            workflow,
            statuses: statuses.clone(),
            ..everything()
        })
    });
    queries.collect()
}
