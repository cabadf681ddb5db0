//! Made-up runs. What is not said is plain: the tests say only what they are about.

use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;

use crate::{Commit, Committed, Idempotency, Labels, NewRun, Order, RunQuery, Store};

/// So many microseconds into the day of the tests.
pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_795_384_000_000_000 + micros)
}

/// A run, created so many microseconds into the day; the number tells runs of one time apart.
pub(crate) fn run_at(micros: i64, number: u16) -> RunId {
    let [high, low] = number.to_be_bytes();
    RunId::from_parts(at(micros), [0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

pub(crate) fn run(number: u16) -> RunId {
    run_at(0, number)
}

pub(crate) fn workflow(number: u8) -> WorkflowId {
    WorkflowId::from_parts(at(0), [number; 10])
}

pub(crate) fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; 32])
}

pub(crate) fn key(key: &str, fingerprint: u8, expires_at: Timestamp) -> Idempotency {
    Idempotency {
        key: key.to_owned(),
        fingerprint: digest(fingerprint),
        expires_at,
    }
}

/// What a row says of a run in a state; with an end where it has ended.
pub(crate) fn summary(status: RunStatus) -> Summary {
    Summary {
        status,
        started_at: (status != RunStatus::Pending).then(|| at(10)),
        completed_at: status.is_finished().then(|| at(20)),
        error: (status == RunStatus::Failed).then(|| "step \"fetch\" failed: no".to_owned()),
    }
}

/// Creates a run that is pending and due at once.
pub(crate) fn create(run: RunId) -> Commit {
    create_at(run, at(0))
}

pub(crate) fn create_at(run: RunId, created_at: Timestamp) -> Commit {
    Commit {
        run,
        first_seq: 0,
        records: vec![format!("{run} begins")],
        summary: summary(RunStatus::Pending),
        due_at: Some(created_at),
        keeps_due: false,
        passage: None,
        new: Some(NewRun {
            workflow: workflow(1),
            version: 1,
            is_newest: false,
            created_at,
            idempotency: None,
            labels: Labels::new(),
        }),
    }
}

pub(crate) fn create_with_key(run: RunId, key: Idempotency) -> Commit {
    let mut commit = create(run);
    new_of(&mut commit).idempotency = Some(key);
    commit
}

pub(crate) fn new_of(commit: &mut Commit) -> &mut NewRun {
    commit.new.as_mut().expect("the commit creates a run")
}

/// Takes a run a record further; it runs, and is due as it was.
pub(crate) fn advance(run: RunId, first_seq: Seq) -> Commit {
    Commit {
        run,
        first_seq,
        records: vec![format!("{run} at {first_seq}")],
        summary: summary(RunStatus::Running),
        due_at: Some(at(0)),
        keeps_due: false,
        passage: None,
        new: None,
    }
}

/// Ends a run.
pub(crate) fn end(
    run: RunId,
    first_seq: Seq,
    status: RunStatus,
    completed_at: Timestamp,
) -> Commit {
    let summary = Summary {
        completed_at: Some(completed_at),
        ..summary(status)
    };
    Commit {
        summary,
        due_at: None,
        keeps_due: false,
        ..advance(run, first_seq)
    }
}

/// Every run, newest first.
pub(crate) fn everything() -> RunQuery {
    RunQuery {
        workflow: None,
        statuses: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::NewestFirst,
        limit: 1_000,
    }
}

/// Commits one thing.
pub(crate) async fn commit(store: &dyn Store, commit: Commit) -> Committed {
    let mut answers = commit_all(store, vec![commit]).await;
    answers.pop().expect("as many answers as commits")
}

pub(crate) async fn commit_all(store: &dyn Store, commits: Vec<Commit>) -> Vec<Committed> {
    let count = commits.len();
    let answers = store
        .commit(commits)
        .await
        .expect("the store takes commits");
    assert_eq!(answers.len(), count, "as many answers as commits");
    answers
}

/// Commits what must be written.
pub(crate) async fn write(store: &dyn Store, commits: Vec<Commit>) {
    for answer in commit_all(store, commits).await {
        assert_eq!(answer, Committed::Written);
    }
}

pub(crate) async fn journal(store: &dyn Store, run: RunId) -> Vec<String> {
    store
        .load_journal(run, 0)
        .await
        .expect("the store reads journals")
}

/// The runs of a list.
pub(crate) async fn list(store: &dyn Store, query: RunQuery) -> Vec<RunId> {
    store
        .list_runs(query)
        .await
        .expect("the store lists runs")
        .into_iter()
        .map(|row| row.run)
        .collect()
}

/// Everything that is due, ever.
pub(crate) async fn all_due(store: &dyn Store) -> Vec<(Timestamp, RunId)> {
    let due = store
        .list_due(None, Timestamp::MAX, 1_000)
        .await
        .expect("the store lists what is due");
    due.into_iter().map(|due| (due.at, due.run)).collect()
}

/// How many runs have not ended, as the store keeps count.
pub(crate) async fn unfinished(store: &dyn Store) -> u64 {
    let counts = store.count_runs(vec![None]).await;
    counts.expect("the store keeps count")[0].unfinished()
}
