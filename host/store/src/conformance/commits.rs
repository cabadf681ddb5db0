//! Commits: whole or not at all, in order, and each place in a journal once.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use millwork_core::run::RunStatus;

use super::sample::{
    advance, at, commit, commit_all, create, end, everything, journal, list, new_of, run, summary,
    unfinished, workflow, write,
};
use crate::{Commit, Committed, STRETCH_BYTES_MAX, Store, Stretch};

/// The records that were committed are those that are read.
pub async fn a_run_is_created_and_its_journal_read_back(store: &dyn Store) {
    let created = Commit {
        records: vec!["one".to_owned(), "two".to_owned()],
        ..create(run(1))
    };
    assert_eq!(commit(store, created).await, Committed::Written);
    assert_eq!(journal(store, run(1)).await, ["one", "two"]);
    assert!(journal(store, run(2)).await.is_empty());
}

/// `from` is the first position that is read.
pub async fn a_journal_is_read_from_a_position_on(store: &dyn Store) {
    let records = ["a", "b", "c"].map(str::to_owned).to_vec();
    write(
        store,
        vec![Commit {
            records,
            ..create(run(1))
        }],
    )
    .await;
    assert_eq!(store.load_journal(run(1), 1).await.unwrap(), ["b", "c"]);
    assert_eq!(store.load_journal(run(1), 2).await.unwrap(), ["c"]);
    assert!(store.load_journal(run(1), 3).await.unwrap().is_empty());
    assert!(
        store
            .load_journal(run(1), u32::MAX)
            .await
            .unwrap()
            .is_empty()
    );
}

/// With where the run stands.
pub async fn a_journal_is_read_stretch_by_stretch(store: &dyn Store) {
    let read = async |from, limit| store.read_journal(run(1), from, limit).await.unwrap();
    assert_eq!(read(0, 10).await, None);
    write(store, vec![create(run(1))]).await;
    for seq in 1..5 {
        write(store, vec![advance(run(1), seq)]).await;
    }
    let whole = journal(store, run(1)).await;
    let stretch = |records: &[String], has_more| Stretch {
        status: RunStatus::Running,
        records: records.to_vec(),
        has_more,
    };
    assert_eq!(read(0, 2).await, Some(stretch(&whole[..2], true)));
    assert_eq!(read(2, 2).await, Some(stretch(&whole[2..4], true)));
    assert_eq!(read(4, 2).await, Some(stretch(&whole[4..], false)));
    assert_eq!(read(0, 5).await, Some(stretch(&whole, false)));
    for from in [5, 900] {
        assert_eq!(read(from, 2).await, Some(stretch(&[], false)));
    }
    write(store, vec![end(run(1), 5, RunStatus::Failed, at(9))]).await;
    let ended = read(5, 9).await.unwrap();
    assert_eq!((ended.status, ended.records.len()), (RunStatus::Failed, 1));
}

/// One at least, however large.
pub async fn a_stretch_of_large_records_is_short(store: &dyn Store) {
    let large = |size: usize| "x".repeat(size);
    let most = STRETCH_BYTES_MAX;
    let sizes = [10, most, 20, most - 1, 30, 40];
    let mut created = create(run(1));
    created.records = sizes.map(large).to_vec();
    write(store, vec![created]).await;
    let mut from = 0;
    let mut lengths = Vec::new();
    loop {
        let stretch = store.read_journal(run(1), from, 100).await.unwrap();
        let stretch = stretch.expect("it is there");
        lengths.push(stretch.records.len());
        from += u32::try_from(stretch.records.len()).expect("few");
        if !stretch.has_more {
            break;
        }
    }
    assert_eq!(lengths, [2, 2, 2]);
}

/// Commits of any number of records follow each other.
pub async fn a_commit_goes_after_the_last_record(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    let three = ["x", "y", "z"].map(str::to_owned).to_vec();
    write(
        store,
        vec![Commit {
            records: three,
            ..advance(run(1), 1)
        }],
    )
    .await;
    write(store, vec![end(run(1), 4, RunStatus::Success, at(30))]).await;
    let begins = format!("{} begins", run(1));
    let ends = format!("{} at 4", run(1));
    assert_eq!(
        journal(store, run(1)).await,
        [begins.as_str(), "x", "y", "z", ends.as_str()]
    );
}

/// Of two writers who would both advance a run, the slower finds its place taken.
pub async fn a_place_that_is_taken_conflicts_and_nothing_of_the_commit_is_written(
    store: &dyn Store,
) {
    write(store, vec![create(run(1)), advance(run(1), 1)]).await;
    let before = store.list_runs(everything()).await.unwrap();
    for seq in [0, 1] {
        // Its later records would find room: they must not be written either.
        let records = vec!["late".to_owned(); 3];
        let late = Commit {
            records,
            ..end(run(1), seq.max(1), RunStatus::Failed, at(99))
        };
        assert_eq!(commit(store, late).await, Committed::Conflict);
    }
    assert_eq!(journal(store, run(1)).await.len(), 2);
    assert_eq!(store.list_runs(everything()).await.unwrap(), before);
    assert_eq!(unfinished(store).await, 1);
}

/// A journal has no holes.
pub async fn a_gap_before_the_place_conflicts(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    for seq in [2, 3, u32::MAX] {
        assert_eq!(
            commit(store, advance(run(1), seq)).await,
            Committed::Conflict
        );
    }
    assert_eq!(journal(store, run(1)).await.len(), 1);
}

/// Records of one commit stand one behind the other like those of several, and nobody goes on between them.
pub async fn what_was_written_together_has_no_place_within(store: &dyn Store) {
    let records = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let created = Commit {
        records: records(&["a", "b", "c"]),
        ..create(run(1))
    };
    let advanced = |seq, texts| Commit {
        records: records(texts),
        ..advance(run(1), seq)
    };
    write(store, vec![created]).await;
    write(
        store,
        vec![advanced(3, &["d"]), advanced(4, &["e", "f", "g"])],
    )
    .await;
    for seq in 1..=8 {
        let answer = match seq {
            7 => continue,
            _ => commit(store, advanced(seq, &["x", "y"])).await,
        };
        assert_eq!(answer, Committed::Conflict, "{seq}");
    }
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    for (from, place) in (0..).zip(0..=all.len()) {
        let read = store.load_journal(run(1), from).await.unwrap();
        assert_eq!(read, all[place..], "{from}");
        let stretch = store.read_journal(run(1), from, 2).await.unwrap();
        let stretch = stretch.expect("the run is there");
        let end = all.len().min(place + 2);
        assert_eq!(stretch.records, all[place..end], "{from}");
        assert_eq!(stretch.has_more, end < all.len(), "{from}");
    }
    let row = &store.list_runs(everything()).await.unwrap()[0];
    assert_eq!(row.first_record, "a");
    write(store, vec![advanced(7, &["h"])]).await;
}

/// `new` with the id of a run that is there.
pub async fn a_run_that_exists_is_not_created_again(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    let mut again = create(run(1));
    again.records = vec!["again".to_owned()];
    new_of(&mut again).workflow = workflow(2);
    assert_eq!(commit(store, again).await, Committed::Conflict);
    assert_eq!(journal(store, run(1)).await, [format!("{} begins", run(1))]);
    assert_eq!(
        store.list_runs(everything()).await.unwrap()[0].workflow,
        workflow(1)
    );
}

/// The first record of a run is the one that creates it.
pub async fn a_run_that_does_not_exist_is_not_advanced(store: &dyn Store) {
    assert_eq!(commit(store, advance(run(1), 1)).await, Committed::Conflict);
    assert!(journal(store, run(1)).await.is_empty());
    assert!(list(store, everything()).await.is_empty());
}

/// No records; `new` elsewhere than at zero; zero without `new`.
pub async fn a_commit_that_breaks_the_rules_of_its_form_conflicts(store: &dyn Store) {
    write(store, vec![create(run(1))]).await;
    let empty = Commit {
        records: Vec::new(),
        ..advance(run(1), 1)
    };
    let empty_new = Commit {
        records: Vec::new(),
        ..create(run(2))
    };
    let new_in_the_middle = Commit {
        first_seq: 1,
        ..create(run(1))
    };
    let new_nowhere = Commit {
        first_seq: 1,
        ..create(run(2))
    };
    let zero_without_new = advance(run(2), 0);
    for commit in [
        empty,
        empty_new,
        new_in_the_middle,
        new_nowhere,
        zero_without_new,
    ] {
        assert_eq!(commit_all(store, vec![commit]).await, [Committed::Conflict]);
    }
    assert_eq!(journal(store, run(1)).await.len(), 1);
    assert_eq!(list(store, everything()).await, [run(1)]);
}

/// A later commit of a call sees what an earlier one wrote.
pub async fn commits_of_one_call_are_taken_in_their_order(store: &dyn Store) {
    let call = vec![
        create(run(1)),
        advance(run(1), 1),
        create(run(2)),
        advance(run(1), 2),
        advance(run(1), 2),
        end(run(1), 3, RunStatus::Success, at(30)),
    ];
    let written = [true, true, true, true, false, true];
    let expected = written.map(|written| {
        if written {
            Committed::Written
        } else {
            Committed::Conflict
        }
    });
    assert_eq!(commit_all(store, call).await, expected);
    assert_eq!(journal(store, run(1)).await.len(), 4);
    let rows = store.list_runs(everything()).await.unwrap();
    assert_eq!(
        rows.iter()
            .map(|row| row.summary.status)
            .collect::<Vec<_>>(),
        [RunStatus::Pending, RunStatus::Success]
    );
}

/// Each commit is atomic by itself, and no more than that.
pub async fn a_conflict_does_not_touch_the_other_commits_of_its_call(store: &dyn Store) {
    let call = vec![
        create(run(1)),
        advance(run(9), 5),
        create(run(2)),
        create(run(1)),
        create(run(3)),
    ];
    let answers = commit_all(store, call).await;
    let written: Vec<bool> = answers
        .iter()
        .map(|answer| *answer == Committed::Written)
        .collect();
    assert_eq!(written, [true, false, true, false, true]);
    assert_eq!(list(store, everything()).await, [run(3), run(2), run(1)]);
}

/// Nothing in, nothing out.
pub async fn a_call_without_commits_is_answered(store: &dyn Store) {
    assert!(commit_all(store, Vec::new()).await.is_empty());
}

/// So a caller that was told of an error may try again.
pub async fn a_commit_that_got_through_conflicts_with_itself(store: &dyn Store) {
    for step in [
        create(run(1)),
        advance(run(1), 1),
        end(run(1), 2, RunStatus::Success, at(30)),
    ] {
        assert_eq!(commit(store, step.clone()).await, Committed::Written);
        assert_eq!(commit(store, step).await, Committed::Conflict);
    }
    assert_eq!(journal(store, run(1)).await.len(), 3);
    assert_eq!(unfinished(store).await, 0);
}

/// The fence, from many tasks: each reads where the run stands and tries to take the next place.
pub async fn of_many_writers_exactly_one_takes_each_place(store: &dyn Store) {
    const WRITERS: usize = 16;
    const PLACES: usize = 40;
    write(store, vec![create(run(1))]).await;
    let written = AtomicUsize::new(0);
    let (written, store_of) = (&written, store);
    let writers = (0..WRITERS).map(|writer| async move {
        loop {
            let next = journal(store_of, run(1)).await.len();
            if next > PLACES {
                return;
            }
            let seq = u32::try_from(next).expect("few records");
            let records = vec![format!("{writer} took {seq}")];
            match commit(
                store_of,
                Commit {
                    records,
                    ..advance(run(1), seq)
                },
            )
            .await
            {
                Committed::Written => _ = written.fetch_add(1, Ordering::Relaxed),
                Committed::Conflict => {}
                other => panic!(
                    "there is neither a key nor a version to look at, and no limit: {other:?}"
                ),
            }
        }
    });
    join_all(writers).await;
    let journal = journal(store, run(1)).await;
    assert_eq!(journal.len(), written.load(Ordering::Relaxed) + 1);
    for (seq, record) in journal.iter().enumerate().skip(1) {
        assert!(
            record.ends_with(&format!("took {seq}")),
            "record {seq} is {record:?}"
        );
    }
}

/// Payloads and outputs may be large.
pub async fn a_record_of_a_mebibyte_is_kept(store: &dyn Store) {
    let large = "é".repeat(512 * 1024);
    write(
        store,
        vec![Commit {
            records: vec![large.clone(), large.clone()],
            ..create(run(1))
        }],
    )
    .await;
    write(
        store,
        vec![Commit {
            records: vec![large.clone()],
            ..advance(run(1), 2)
        }],
    )
    .await;
    assert!(
        journal(store, run(1))
            .await
            .iter()
            .all(|record| *record == large)
    );
    let rows = store.list_runs(everything()).await.unwrap();
    assert!(rows[0].first_record == large);
}

/// Nothing is quoted, folded or cut short.
pub async fn records_keep_every_character(store: &dyn Store) {
    let odd = [
        "{\"a\":\"'\\u0000';--\"}",
        "",
        "\r\n\t",
        "Ǆ\u{301}\u{202e}\u{10ffff}",
        "%s ? $1 :x",
    ];
    let mut created = Commit {
        records: odd.map(str::to_owned).to_vec(),
        summary: summary(RunStatus::Failed),
        ..create(run(1))
    };
    created.summary.error = Some(odd[3].to_owned());
    write(store, vec![created]).await;
    assert_eq!(journal(store, run(1)).await, odd);
    assert_eq!(
        store.list_runs(everything()).await.unwrap()[0]
            .summary
            .error
            .as_deref(),
        Some(odd[3])
    );
}
