//! What only PostgreSQL has: a server that goes away, other processes, a schema that others bring up to date.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::Row as _;

use millwork_servers::postgres::{Durability, Postgres as Server, Stop};

use super::*;
use crate::conformance::sample::{advance, create, run};

/// One server for all tests of this process; its databases are copies of one that is up to date.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(Durability::Fast).unwrap();
    server.create_database("template", None).unwrap();
    // Tests have runtimes of their own, and this is no place to wait in one of them.
    let url = server.url("template");
    let migrated = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(Postgres::migrate(&options(&url)))
    });
    migrated.join().unwrap().unwrap();
    server
});

fn options(url: &str) -> Options {
    Options::from_url(url, 8).unwrap()
}

fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A database of one's own.
fn database(template: Option<&str>) -> Options {
    let name = name();
    SERVER.create_database(&name, template).unwrap();
    options(&SERVER.url(&name))
}

/// An empty store.
pub(crate) async fn store() -> Postgres {
    Postgres::open(&database(Some("template"))).await.unwrap()
}

#[tokio::test]
async fn many_processes_may_migrate_at_once() {
    let options = database(None);
    let migrate = || {
        let options = options.clone();
        tokio::spawn(async move { Postgres::migrate(&options).await })
    };
    let all: Vec<_> = std::iter::repeat_with(migrate).take(8).collect();
    for migrated in all {
        let known = u32::try_from(migrate::MIGRATIONS.len()).unwrap();
        assert_eq!(migrated.await.unwrap().unwrap(), known);
    }
    Postgres::open(&options).await.unwrap();
}

#[tokio::test]
async fn a_database_that_nobody_has_brought_up_to_date_is_refused() {
    let refused = Postgres::open(&database(None)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Older { found: 0, .. }),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("run `millwork migrate`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_of_a_later_host_is_refused() {
    let options = database(Some("template"));
    let store = Postgres::open(&options).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations SELECT 42, 'later', now(), true, '\\x00', 0")
        .execute(&store.pool)
        .await
        .unwrap();
    for refused in [
        Postgres::open(&options).await.unwrap_err(),
        Postgres::migrate(&options).await.unwrap_err(),
    ] {
        assert!(
            matches!(refused, Error::Newer { found: 42, .. }),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn two_processes_that_advance_the_same_runs_share_the_places_out() {
    let options = database(Some("template"));
    let first = Postgres::open(&options).await.unwrap();
    let second = Postgres::open(&options).await.unwrap();
    let runs: Vec<_> = (0..50).map(run).collect();
    first
        .commit(runs.iter().map(|run| create(*run)).collect())
        .await
        .unwrap();
    let mut written = 0;
    for seq in 1..20 {
        let forward = runs.iter().map(|run| advance(*run, seq));
        let backward = runs.iter().rev().map(|run| advance(*run, seq));
        let (one, other) = tokio::join!(
            first.commit(forward.collect()),
            second.commit(backward.collect())
        );
        let mut other = other.unwrap();
        other.reverse();
        for (one, other) in one.unwrap().into_iter().zip(other) {
            let winners = [&one, &other]
                .into_iter()
                .filter(|answer| **answer == Committed::Written);
            assert_eq!(winners.count(), 1, "{one:?} and {other:?} at {seq}");
            written += 1;
        }
    }
    assert_eq!(written, 50 * 19);
    // Both have written into the counts beside each other.
    let counts = first.count_runs(vec![None]).await.unwrap();
    assert_eq!(counts[0].unfinished(), 50);
}

#[tokio::test]
async fn a_commit_that_cannot_be_written_does_not_take_others_with_it() {
    let store = store().await;
    let mut broken = create(run(1));
    broken.new.as_mut().unwrap().created_at = Timestamp::MAX;
    sqlx::query("ALTER TABLE runs ADD CONSTRAINT sane CHECK (created_at < '9000-01-01')")
        .execute(&store.pool)
        .await
        .unwrap();
    let answers = store
        .commit(vec![create(run(0)), broken, create(run(2))])
        .await;
    let expected = [Committed::Written, Committed::Conflict, Committed::Written];
    assert_eq!(answers.unwrap(), expected);
}

#[tokio::test]
async fn characters_that_postgresql_cannot_keep_are_kept() {
    let store = store().await;
    let mut commit = create(run(1));
    commit.summary.error = Some("a\0b\u{10FFFF}".to_owned());
    store.commit(vec![commit.clone()]).await.unwrap();
    let listed = store
        .list_runs(crate::conformance::sample::everything())
        .await;
    assert_eq!(listed.unwrap()[0].summary.error, commit.summary.error);
}

#[tokio::test]
async fn who_has_to_be_alone_is() {
    let options = database(Some("template"));
    let alone = Postgres::hold(&options, Hold::Alone).await.unwrap();
    for hold in [Hold::Alone, Hold::Shared] {
        let refused = Postgres::hold(&options, hold).await.unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("KAFKA_BOOTSTRAP_SERVERS"), "{said}");
    }
    drop(alone);
    // The server hears of it when the connection has gone.
    let shared = loop {
        if let Ok(shared) = Postgres::hold(&options, Hold::Shared).await {
            break shared;
        }
    };
    let other = Postgres::hold(&options, Hold::Shared).await.unwrap();
    assert!(Postgres::hold(&options, Hold::Alone).await.is_err());
    drop((shared, other));
}

#[tokio::test]
async fn the_database_knows_what_time_it_is() {
    let store = store().await;
    let first = store.clock().await.unwrap().unwrap();
    let second = store.clock().await.unwrap().unwrap();
    assert!(second > first && first > Timestamp::from_micros(1_700_000_000_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_an_error_and_comes_back_without_a_word_from_us() {
    // A server of its own: the others' tests go on meanwhile.
    let mut server = Server::start(Durability::Durable).unwrap();
    server.create_database("one", None).unwrap();
    let options = options(&server.url("one"));
    Postgres::migrate(&options).await.unwrap();
    let store = Arc::new(Postgres::open(&options).await.unwrap());
    store.commit(vec![create(run(0))]).await.unwrap();
    for stop in [Stop::Fast, Stop::Immediate] {
        server.stop(stop).unwrap();
        let refused = store.commit(vec![advance(run(0), 1)]).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
        assert!(store.ping().await.is_err());
        server.launch().unwrap();
        // A connection of before may still be met: whoever wants something asks again.
        let back = async { while store.ping().await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(20), back)
            .await
            .unwrap();
        assert_eq!(store.load_journal(run(0), 0).await.unwrap().len(), 1);
    }
}

/// What one database has and the other has not, and why.
const DIFFERENCES: [(&str, &str); 3] = [
    (
        "runs.next_seq",
        "PostgreSQL's row says where the journal goes on: see 0002",
    ),
    (
        "runs.status_before",
        "PostgreSQL's update tells with it what it found: see 0006",
    ),
    (
        "journal.position",
        "SQLite's journal lies in the order of its rows: see 0001",
    ),
];

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let store = store().await;
    let columns = sqlx::query(
        "SELECT table_name || '.' || column_name, is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    );
    let rows = columns.fetch_all(&store.pool).await.unwrap();
    let row = |row: &sqlx::postgres::PgRow| (row.get::<String, _>(0), row.get::<bool, _>(1));
    let postgres: BTreeSet<(String, bool)> = rows.iter().map(row).collect();

    let folder = tempfile::tempdir().unwrap();
    drop(crate::Sqlite::open(folder.path(), crate::sqlite::Options::default()).unwrap());
    let sqlite = rusqlite::Connection::open(folder.path().join("millwork.db")).unwrap();
    let mut columns = sqlite
        .prepare(
            "SELECT t.name || '.' || c.name, c.\"notnull\" = 0 AND c.pk = 0
             FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        )
        .unwrap();
    let sqlite: BTreeSet<(String, bool)> = columns
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();

    assert!(sqlite.len() > 30, "{sqlite:?}");
    let differing: BTreeSet<&str> = postgres
        .symmetric_difference(&sqlite)
        .map(|(column, _)| column.as_str())
        .collect();
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|(column, _)| *column).collect();
    assert_eq!(differing, known);
}
