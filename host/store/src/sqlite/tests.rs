//! What only a file can do: be opened again, be in use, be full, be somebody else's.

use std::path::Path;
use std::sync::mpsc;

use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;
use rusqlite::Connection;

use super::{FILE_NAME, Options, Sqlite};
use crate::conformance::sample::unfinished;
use crate::{
    Commit, Committed, Due, Error, Expected, NewRun, Order, RunQuery, Store, ValueKey, Written,
};

fn open(directory: &Path) -> Sqlite {
    Sqlite::open(directory, Options::default()).expect("the store opens")
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_795_384_000_000_000 + micros)
}

fn run(number: u8) -> RunId {
    RunId::from_parts(at(0), [number; 10])
}

fn commit(run: RunId, first_seq: Seq, status: RunStatus) -> Commit {
    let new = NewRun {
        workflow: WorkflowId::from_parts(at(0), [1; 10]),
        version: 1,
        is_newest: false,
        created_at: at(0),
        idempotency: None,
        labels: crate::Labels::new(),
    };
    Commit {
        run,
        first_seq,
        records: vec![format!("{run} at {first_seq}")],
        summary: Summary {
            status,
            started_at: None,
            completed_at: status.is_finished().then(|| at(9)),
            error: None,
        },
        due_at: (!status.is_finished()).then(|| at(5)),
        keeps_due: false,
        passage: None,
        new: (first_seq == 0).then_some(new),
    }
}

fn everything() -> RunQuery {
    RunQuery {
        workflow: None,
        statuses: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::NewestFirst,
        limit: 100,
    }
}

/// Changes the database behind the store's back.
fn tamper(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join(FILE_NAME)).expect("the file opens");
    connection
        .execute_batch(sql)
        .expect("the statements are right");
}

/// An error with its sources, as the log shows it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn everything_is_there_when_the_store_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let key = ValueKey {
        plugin: "p".to_owned(),
        workflow: "w".to_owned(),
        key: "k".to_owned(),
    };
    let store = open(directory.path());
    let call = vec![
        commit(run(1), 0, RunStatus::Pending),
        commit(run(1), 1, RunStatus::Running),
        commit(run(2), 0, RunStatus::Pending),
        commit(run(2), 1, RunStatus::Success),
    ];
    assert_eq!(
        store.commit(call).await.unwrap(),
        [const { Committed::Written }; 4]
    );
    let Written::Version(first) = store
        .write_value(&key, Some(vec![1]), Expected::Absent)
        .await
        .unwrap()
    else {
        panic!("the value is written")
    };
    assert_eq!(
        store.write_value(&key, None, Expected::Any).await.unwrap(),
        Written::Deleted
    );
    let rows = store.list_runs(everything()).await.unwrap();
    drop(store);

    let store = open(directory.path());
    assert_eq!(store.list_runs(everything()).await.unwrap(), rows);
    assert_eq!(store.load_journal(run(1), 0).await.unwrap().len(), 2);
    assert_eq!(unfinished(&store).await, 1);
    let due = store.list_due(None, Timestamp::MAX, 10).await.unwrap();
    assert_eq!(
        due,
        [Due {
            at: at(5),
            run: run(1)
        }]
    );
    let Written::Version(second) = store
        .write_value(&key, Some(vec![2]), Expected::Absent)
        .await
        .unwrap()
    else {
        panic!("the value is written")
    };
    assert!(
        second > first,
        "a version is not given twice, not even after a restart"
    );
}

#[tokio::test]
async fn dropping_the_store_empties_the_write_ahead_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store
        .commit(vec![commit(run(1), 0, RunStatus::Pending)])
        .await
        .unwrap();
    store.load_journal(run(1), 0).await.unwrap();
    assert!(directory.path().join("millwork.db-wal").exists());
    drop(store);
    assert!(!directory.path().join("millwork.db-wal").exists());
}

#[test]
fn a_directory_in_use_is_refused_in_words_and_free_again_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let refused = Sqlite::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused:?}");
    assert!(
        refused
            .to_string()
            .contains("is in use by another millwork process"),
        "{refused}"
    );
    drop(store);
    open(directory.path());
}

#[test]
fn a_missing_directory_is_made_with_its_parents() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b");
    open(&deep);
    assert!(deep.join(FILE_NAME).exists());
}

#[test]
fn a_path_that_is_no_directory_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    std::fs::write(&file, "").unwrap();
    let refused = chain(&Sqlite::open(&file, Options::default()).unwrap_err());
    assert!(
        refused.starts_with("could not make the data directory: ") && refused.contains("/data"),
        "{refused}"
    );
}

#[test]
fn a_database_of_a_later_host_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path());
    tamper(directory.path(), "PRAGMA user_version = 42");
    let refused = Sqlite::open(directory.path(), Options::default()).unwrap_err();
    assert!(
        matches!(refused, Error::Newer { found: 42, .. }),
        "{refused:?}"
    );
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    tamper(directory.path(), "CREATE TABLE theirs (x)");
    let refused = Sqlite::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the database in the store is damaged: it is not one of Millwork's"
    );
    tamper(directory.path(), "INSERT INTO theirs VALUES (1)");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE_NAME), "hello".repeat(1_000)).unwrap();
    let refused = Sqlite::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused:?}");
    assert!(
        refused.to_string().contains("file is not a database"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_store_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let limit_pages = async |pages: u32| {
        store
            .writer
            .submit("limit the file", 0, move |session| {
                session
                    .connection
                    .pragma_update(None, "max_page_count", pages)
            })
            .await
            .unwrap();
    };
    store
        .commit(vec![commit(run(1), 0, RunStatus::Pending)])
        .await
        .unwrap();
    limit_pages(1).await;
    let large = Commit {
        records: vec!["x".repeat(100_000)],
        ..commit(run(1), 1, RunStatus::Running)
    };
    let refused = store
        .commit(vec![large.clone(), commit(run(2), 0, RunStatus::Pending)])
        .await
        .unwrap_err();
    let refused = chain(&refused);
    assert!(
        refused.starts_with("could not commit: database or disk is full"),
        "{refused}"
    );
    assert_eq!(store.load_journal(run(1), 0).await.unwrap().len(), 1);
    assert!(store.load_journal(run(2), 0).await.unwrap().is_empty());
    assert_eq!(unfinished(&store).await, 1);
    limit_pages(u32::MAX - 1).await;
    assert_eq!(
        store.commit(vec![large]).await.unwrap(),
        [Committed::Written]
    );
    assert_eq!(store.load_journal(run(1), 0).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_written_does_not_harm_those_that_share_its_transaction() {
    let directory = tempfile::tempdir().unwrap();
    // A record without its run: what no host writes, and what creating that run stumbles over.
    open(directory.path());
    let orphan: String = run(9)
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    tamper(
        directory.path(),
        &format!("INSERT INTO journal (run, seq, record) VALUES (x'{orphan}', 0, 'orphan')"),
    );
    let store = open(directory.path());

    // The writer is held until all three calls wait, so that they share a transaction.
    let (release, released) = mpsc::channel::<()>();
    let held = store.writer.submit("hold the writer", 0, move |_| {
        let _ = released.recv();
        Ok(())
    });
    let good = store.commit(vec![commit(run(1), 0, RunStatus::Pending)]);
    let bad = store.commit(vec![
        commit(run(2), 0, RunStatus::Pending),
        commit(run(9), 0, RunStatus::Pending),
    ]);
    let late = store.commit(vec![
        commit(run(3), 0, RunStatus::Pending),
        commit(run(1), 1, RunStatus::Running),
    ]);
    let ((), (), good, bad, late) = tokio::join!(
        async { held.await.unwrap() },
        async move {
            tokio::task::yield_now().await;
            release.send(()).unwrap();
        },
        good,
        bad,
        late
    );
    assert_eq!(good.unwrap(), [Committed::Written]);
    assert_eq!(late.unwrap(), [Committed::Written, Committed::Written]);
    assert!(
        chain(&bad.unwrap_err()).contains("UNIQUE constraint failed: journal.run, journal.seq")
    );
    assert!(
        store.load_journal(run(2), 0).await.unwrap().is_empty(),
        "nothing of the call is written"
    );
    assert_eq!(unfinished(&store).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_does_not_wait_for_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store
        .commit(vec![commit(run(1), 0, RunStatus::Pending)])
        .await
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    let held = store.writer.submit("hold the writer", 0, move |session| {
        session.connection.execute("DELETE FROM journal", [])?;
        let _ = released.recv();
        Ok(())
    });
    let ((), ()) = tokio::join!(async { held.await.unwrap() }, async {
        assert_eq!(store.load_journal(run(1), 0).await.unwrap().len(), 1);
        assert_eq!(store.list_runs(everything()).await.unwrap().len(), 1);
        release.send(()).unwrap();
    });
    assert!(store.load_journal(run(1), 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_row_is_told_as_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store
        .commit(vec![commit(run(1), 0, RunStatus::Pending)])
        .await
        .unwrap();
    tamper(directory.path(), "UPDATE runs SET status = 'asleep'");
    let error = store.list_runs(everything()).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(
        error.to_string().contains("\"asleep\" is not a status"),
        "{error}"
    );
    let error = store
        .commit(vec![commit(run(1), 1, RunStatus::Running)])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}
