//! Acknowledged means durable: a process that writes is killed with SIGKILL, again and again, and after each death every
//! commit that it acknowledged is there, whole, and the store goes on.
//!
//! This program is both: without a directory in its environment it is the one that kills and looks, with one it is the
//! one that writes. What it acknowledges it says on its standard output, one line a commit.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;
use millwork_store::sqlite::Options;
use millwork_store::{Commit, Committed, Idempotency, NewRun, Order, RunQuery, Sqlite, Store};

const DIRECTORY: &str = "MILLWORK_CRASH_TEST_DIRECTORY";
const ROUND: &str = "MILLWORK_CRASH_TEST_ROUND";

const ROUNDS: u8 = 6;
const WRITERS: u16 = 32;
const STEPS: u32 = 5;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    match std::env::var_os(DIRECTORY) {
        Some(directory) => {
            let round = std::env::var(ROUND).expect("the parent says which round it is");
            runtime.block_on(write_until_killed(
                Path::new(&directory),
                round.parse().expect("a number"),
            ));
        }
        None => runtime.block_on(kill_and_look()),
    }
}

async fn kill_and_look() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let mut acknowledged: BTreeMap<RunId, u32> = BTreeMap::new();
    for round in 0..ROUNDS {
        // A little later each time, so that death meets the writer at different work; the first time it is young.
        let said = let_live_for(directory.path(), round, usize::from(round) * 300 + 20);
        assert!(
            !said.is_empty(),
            "the child acknowledged nothing in round {round}"
        );
        for (run, seq) in said {
            let last = acknowledged.entry(run).or_default();
            *last = seq.max(*last);
        }
        look(directory.path(), &acknowledged).await;
    }
    let commits: u32 = acknowledged.values().map(|last| last + 1).sum();
    println!(
        "test every_acknowledged_commit_outlives_a_kill ... ok ({ROUNDS} deaths, {commits} commits)"
    );
}

/// Starts a child, kills it after so many acknowledgements, and tells everything that it acknowledged.
fn let_live_for(directory: &Path, round: u8, lines_max: usize) -> Vec<(RunId, u32)> {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
    let mut said: Vec<String> = lines
        .by_ref()
        .take(lines_max)
        .map(|line| line.expect("text"))
        .collect();
    child.kill().expect("the child can be killed");
    // What it said before it died counts too; only the last line may be cut short.
    said.extend(lines.map_while(Result::ok));
    let status = child.wait().expect("the child ends");
    assert!(
        !status.success(),
        "the child ended before it was killed: {status}"
    );
    said.iter().filter_map(|line| read(line)).collect()
}

fn read(line: &str) -> Option<(RunId, u32)> {
    let (run, seq) = line.strip_suffix('.')?.split_once(' ')?;
    Some((run.parse().ok()?, seq.parse().ok()?))
}

/// Opens the store and holds it against what was acknowledged.
async fn look(directory: &Path, acknowledged: &BTreeMap<RunId, u32>) {
    let store =
        Sqlite::open(directory, Options::default()).expect("the store opens after the crash");
    for (run, last) in acknowledged {
        let journal = store
            .load_journal(*run, 0)
            .await
            .expect("the journal is read");
        assert!(
            journal.len() > *last as usize,
            "{run:?} has {} records, {last} was acknowledged",
            journal.len()
        );
    }
    // Whether acknowledged or not, each commit is there whole or not at all: journal, row and key agree.
    let mut unfinished = 0;
    let mut query = RunQuery {
        workflow: None,
        statuses: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
        after: None,
        order: Order::OldestFirst,
        limit: 500,
    };
    loop {
        let rows = store
            .list_runs(query.clone())
            .await
            .expect("the runs are listed");
        for row in &rows {
            let journal = store
                .load_journal(row.run, 0)
                .await
                .expect("the journal is read");
            // Two records at a time, after the first.
            assert_eq!(journal.len() % 2, 1, "half a commit of {:?}", row.run);
            let seq = u32::try_from(journal.len())
                .expect("few records")
                .saturating_sub(2);
            let last = commit(row.run, seq);
            assert_eq!(
                (&row.summary, row.due_at),
                (&last.summary, last.due_at),
                "{:?} after {seq}",
                row.run
            );
            let again = Commit {
                run: other(row.run),
                ..commit(row.run, 0)
            };
            let answer = store
                .commit(vec![again])
                .await
                .expect("the store takes commits");
            assert!(
                matches!(answer[..], [Committed::Replayed { run, .. }] if run == row.run),
                "{answer:?}"
            );
            unfinished += u64::from(!row.summary.status.is_finished());
        }
        query.after = rows.last().map(|row| row.run);
        if rows.is_empty() {
            break;
        }
    }
    assert_eq!(
        store
            .count_runs(vec![None])
            .await
            .expect("the runs are counted")[0]
            .unfinished(),
        unfinished
    );
}

async fn write_until_killed(directory: &Path, round: u8) {
    let store = Arc::new(Sqlite::open(directory, Options::default()).expect("the store opens"));
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0_u32.. {
                let [a, b, c, d] = number.to_be_bytes();
                let [high, low] = writer.to_be_bytes();
                let run = RunId::from_parts(at(), [0, 0, round, high, low, a, b, c, d, 0]);
                for seq in (0..)
                    .step_by(2)
                    .take(STEPS as usize)
                    .map(|seq: u32| seq.saturating_sub(1))
                {
                    let answer = store
                        .commit(vec![commit(run, seq)])
                        .await
                        .expect("the store takes commits");
                    assert_eq!(answer, [Committed::Written]);
                    let last = seq + u32::from(seq > 0);
                    // One write a line: a line is there whole or it was not acknowledged.
                    std::io::stdout()
                        .write_all(format!("{run} {last}.\n").as_bytes())
                        .expect("the parent listens");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer goes on until it is killed");
    }
}

fn at() -> Timestamp {
    Timestamp::from_micros(1_795_384_000_000_000)
}

/// The same run under another id.
fn other(run: RunId) -> RunId {
    let mut bytes = *run.as_bytes();
    bytes[15] = 1;
    RunId::from_bytes(bytes)
}

/// What is committed at a place: all of it follows from the run and the place.
fn commit(run: RunId, first_seq: u32) -> Commit {
    let is_last = first_seq + 3 > 2 * STEPS - 2;
    let status = match first_seq {
        0 => RunStatus::Pending,
        _ if is_last => RunStatus::Success,
        _ => RunStatus::Running,
    };
    let record = format!("{run} {first_seq} {}", "x".repeat(300));
    let idempotency = Idempotency {
        key: run.to_string(),
        fingerprint: millwork_core::digest::Digest::from_bytes([7; 32]),
        expires_at: Timestamp::MAX,
    };
    let new = NewRun {
        workflow: WorkflowId::from_bytes([1; 16]),
        version: 1,
        is_newest: false,
        created_at: at(),
        idempotency: Some(idempotency),
        labels: millwork_store::Labels::new(),
    };
    Commit {
        run,
        first_seq,
        records: vec![record; if first_seq == 0 { 1 } else { 2 }],
        summary: Summary {
            status,
            started_at: None,
            completed_at: status.is_finished().then(at),
            error: None,
        },
        due_at: (!is_last).then(|| Timestamp::from_micros(i64::from(first_seq))),
        keeps_due: false,
        passage: None,
        new: (first_seq == 0).then_some(new),
    }
}
