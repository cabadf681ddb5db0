//! How fast the store is: commits a second as the engine makes them, reads beside them, and the disk's own pace.
//!
//! Every submitter waits for its commit before it makes the next. Between them and the store stands a committer like the
//! engine's, which gathers what waits. `cargo bench -p millwork-store`; `MILLWORK_BENCH_SECONDS` says how long each
//! figure is measured (3), `MILLWORK_BENCH_DIRECTORY` on which disk (the build directory's).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;
use millwork_store::sqlite::Options;
use millwork_store::{Commit, Committed, NewRun, Order, RunQuery, Sqlite, Store};
use tokio::sync::{mpsc, oneshot};

// The host's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORD_BYTES: usize = 300;
const WORKFLOWS: usize = 20;
const RUNS_MAX: usize = 2_000_000;

type Waiting = (Commit, oneshot::Sender<Committed>);

fn main() {
    let seconds = std::env::var("MILLWORK_BENCH_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3);
    let bench = Bench {
        length: Duration::from_secs(seconds),
        place: std::env::var_os("MILLWORK_BENCH_DIRECTORY")
            .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime starts");
    println!(
        "{:<46} {:>10} {:>9} {:>9} {:>9} {:>9}",
        "", "each s", "p50 ms", "p99 ms", "max ms", "cpu us"
    );
    bench.disk();
    for submitters in [1, 64, 1_000] {
        runtime.block_on(bench.commits(submitters));
    }
    runtime.block_on(bench.reads());
}

struct Bench {
    length: Duration,
    place: PathBuf,
}

impl Bench {
    /// The floor below every durable write: 4 KiB appended and flushed.
    fn disk(&self) {
        let mut file = tempfile::tempfile_in(&self.place).expect("a file");
        let began = Watch::start();
        let mut times = Vec::new();
        while began.at.elapsed() < self.length {
            let start = Instant::now();
            file.write_all(&[7; 4_096])
                .and_then(|()| file.sync_data())
                .expect("the disk works");
            times.push(start.elapsed());
        }
        report("disk: append 4 KiB, fdatasync", &began, times);
    }

    /// The life of runs, turn by turn, in the order in which they were created.
    async fn commits(&self, submitters: usize) {
        let directory = tempfile::tempdir_in(&self.place).expect("a directory");
        let committer = start_committer(open(directory.path()));
        let mut rounds = Rounds {
            committer,
            submitters,
            length: self.length,
        };
        let ids: Arc<[RunId]> = make_ids();
        let name = |what: &str| format!("{submitters:>4} submitters: {what}");
        let created = rounds
            .go(name("create a run"), &ids, ids.len(), create)
            .await;
        let begun = rounds
            .go(name("step, row and schedule change"), &ids, created, begin)
            .await;
        let stepped = rounds
            .go(name("step, row as it was"), &ids, begun, step)
            .await;
        rounds.go(name("end a run"), &ids, stepped, end).await;
    }

    async fn reads(&self) {
        const RUNS: usize = 200_000;
        let directory = tempfile::tempdir_in(&self.place).expect("a directory");
        let store = open(directory.path());
        let ids = make_ids();
        for (first, batch) in ids[..RUNS].chunks(2_000).enumerate() {
            let commits = batch
                .iter()
                .enumerate()
                .map(|(number, run)| create(*run, first * 2_000 + number));
            store
                .commit(commits.collect())
                .await
                .expect("the store takes commits");
            let commits = batch.iter().map(|run| begin(*run, 0));
            store
                .commit(commits.collect())
                .await
                .expect("the store takes commits");
        }
        let readers = 2;
        let some = |number: usize| ids[number.wrapping_mul(7_919) % RUNS];
        self.read(
            "2 readers: load a journal",
            readers,
            &store,
            |store, number| {
                let run = some(number);
                async move {
                    store
                        .load_journal(run, 0)
                        .await
                        .map(|journal| journal.len())
                }
            },
        )
        .await;
        for (what, statuses, workflow) in [
            ("2 readers: list 50 runs", vec![], None),
            (
                "2 readers: list 50 of a workflow",
                vec![],
                Some(workflow(3)),
            ),
            ("2 readers: list 50 running", vec![RunStatus::Running], None),
        ] {
            self.read(what, readers, &store, |store, number| {
                let query = RunQuery {
                    workflow,
                    statuses: statuses.clone(),
                    labels: Vec::new(),
                    created_from: None,
                    created_before: None,
                    after: Some(some(number)),
                    order: Order::NewestFirst,
                    limit: 50,
                };
                async move { store.list_runs(query).await.map(|rows| rows.len()) }
            })
            .await;
        }
        self.read(
            "2 readers: list what is due, 500",
            readers,
            &store,
            |store, _| async move {
                store
                    .list_due(None, Timestamp::MAX, 500)
                    .await
                    .map(|due| due.len())
            },
        )
        .await;
        self.read(
            "2 readers: list what is due, nothing is",
            readers,
            &store,
            |store, _| async move {
                store
                    .list_due(None, Timestamp::from_micros(0), 500)
                    .await
                    .map(|due| due.len())
            },
        )
        .await;
    }

    async fn read<F>(
        &self,
        name: &str,
        readers: usize,
        store: &Arc<Sqlite>,
        read: impl Fn(Arc<Sqlite>, usize) -> F,
    ) where
        F: Future<Output = Result<usize, millwork_store::Error>> + Send + 'static,
    {
        let began = Watch::start();
        let mut times = Vec::new();
        let mut number = 0;
        while began.at.elapsed() < self.length {
            // Futures are made here and run apart, a few hundred at a time, so that spawning costs little.
            let tasks: Vec<_> = (0..readers)
                .map(|_| {
                    let reads: Vec<F> = (0..200)
                        .map(|_| {
                            number += 1;
                            read(Arc::clone(store), number)
                        })
                        .collect();
                    tokio::spawn(async move {
                        let mut times = Vec::with_capacity(reads.len());
                        for read in reads {
                            let start = Instant::now();
                            std::hint::black_box(read.await.expect("the store reads"));
                            times.push(start.elapsed());
                        }
                        times
                    })
                })
                .collect();
            for task in tasks {
                times.extend(task.await.expect("the reader ends"));
            }
        }
        report(name, &began, times);
    }
}

struct Rounds {
    committer: mpsc::UnboundedSender<Waiting>,
    submitters: usize,
    length: Duration,
}

impl Rounds {
    /// Commits one thing for each run until time is up, and says for how many it was done.
    async fn go(
        &mut self,
        name: String,
        ids: &[RunId],
        runs: usize,
        make: fn(RunId, usize) -> Commit,
    ) -> usize {
        let runs = runs.min(ids.len());
        let ids: Arc<[RunId]> = ids[..runs].into();
        let next = Arc::new(AtomicUsize::new(0));
        let began = Watch::start();
        let until = began.at + self.length;
        let tasks: Vec<_> = (0..self.submitters)
            .map(|_| {
                let (ids, next, committer) =
                    (Arc::clone(&ids), Arc::clone(&next), self.committer.clone());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while Instant::now() < until {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(run) = ids.get(number) else { break };
                        let start = Instant::now();
                        let (answer, written) = oneshot::channel();
                        committer
                            .send((make(*run, number), answer))
                            .expect("the committer runs");
                        assert_eq!(written.await, Ok(Committed::Written));
                        times.push(start.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.expect("the submitter ends"));
        }
        let done = times.len();
        report(&name, &began, times);
        done
    }
}

fn start_committer(store: Arc<Sqlite>) -> mpsc::UnboundedSender<Waiting> {
    let (queue, mut waiting) = mpsc::unbounded_channel::<Waiting>();
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, 4_096).await > 0 {
            let (commits, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
            let results = store
                .commit(commits)
                .await
                .expect("the store takes commits");
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        }
    });
    queue
}

fn open(directory: &Path) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(directory, Options::default()).expect("the store opens"))
}

/// Identifiers as a busy host makes them: some hundred a millisecond, in no order within it.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark draws other identifiers each time"
)]
fn make_ids() -> Arc<[RunId]> {
    let mut state = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(1, |age| age.subsec_nanos().into());
    let mut draw = move || {
        state ^= state << 13_u32;
        state ^= state >> 7_u32;
        state ^= state << 17_u32;
        u64::to_be_bytes(state)
    };
    let id = |number: usize| {
        let ([a, b, c, d, e, f, g, h], [i, j, ..]) = (draw(), draw());
        RunId::from_parts(at(number), [a, b, c, d, e, f, g, h, i, j])
    };
    (0..RUNS_MAX).map(id).collect()
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_micros(1_795_384_000_000_000 + i64::try_from(number).expect("small") * 5)
}

fn workflow(number: usize) -> WorkflowId {
    WorkflowId::from_bytes([u8::try_from(number % WORKFLOWS).expect("small"); 16])
}

fn commit(run: RunId, first_seq: u32, status: RunStatus, number: usize) -> Commit {
    let is_running = status != RunStatus::Pending;
    let is_finished = status.is_finished();
    Commit {
        run,
        first_seq,
        records: vec!["x".repeat(RECORD_BYTES)],
        summary: Summary {
            status,
            started_at: is_running.then(|| at(number)),
            completed_at: is_finished.then(|| at(number)),
            error: None,
        },
        due_at: (!is_finished).then(|| at(number + if is_running { RUNS_MAX } else { 0 })),
        keeps_due: false,
        passage: None,
        new: None,
    }
}

fn create(run: RunId, number: usize) -> Commit {
    let new = NewRun {
        workflow: workflow(number),
        version: 1,
        is_newest: false,
        created_at: at(number),
        idempotency: None,
        labels: millwork_store::Labels::new(),
    };
    Commit {
        passage: None,
        new: Some(new),
        ..commit(run, 0, RunStatus::Pending, number)
    }
}

fn begin(run: RunId, number: usize) -> Commit {
    commit(run, 1, RunStatus::Running, number)
}

fn step(run: RunId, number: usize) -> Commit {
    commit(run, 2, RunStatus::Running, number)
}

fn end(run: RunId, number: usize) -> Commit {
    commit(run, 3, RunStatus::Success, number)
}

/// Two clocks: the one on the wall, and the processor time that this program used. The second says something also
/// where others use the machine.
struct Watch {
    at: Instant,
    processor: Option<Duration>,
}

impl Watch {
    fn start() -> Self {
        Self {
            at: Instant::now(),
            processor: processor_time(),
        }
    }
}

/// Known on Linux only, to a hundredth of a second.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut hundredths = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((hundredths()? + hundredths()?) * 10))
}

fn report(name: &str, since: &Watch, mut times: Vec<Duration>) {
    let took = since.at.elapsed();
    let count = times.len() as f64;
    let processor = processor_time()
        .zip(since.processor)
        .map(|(now, then)| (now - then).as_secs_f64() * 1e6 / count);
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<46} {:>10.0} {:>9.2} {:>9.2} {:>9.2} {:>9.1}",
        count / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
        processor.unwrap_or(f64::NAN)
    );
}
