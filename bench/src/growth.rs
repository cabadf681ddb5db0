//! What becomes of a server as its store grows: how many runs a second, how fast reads and lists are, how large the file.
//!
//! The runs that fill the store are copies of one that the server has carried out, written through the store's own door while the
//! server is down: ten million would take it a quarter of an hour otherwise. They are of the thirty days before.

mod fill;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use self::fill::Filler;
use crate::api::{Api, trigger_request};
use crate::client::Request;
use crate::delays::seconds_between;
use crate::latency::{Latency, per_second, rounded};
use crate::load::{self, Load, Until};
use crate::process::{Millwork, Server as _, ServerOptions};
use crate::report::Problems;
use crate::runs::await_finished;
use crate::time::Timestamp;
use crate::triggers::delays_of_nothing;

/// Steps of the runs, those that fill the store and those that are measured.
const STEPS: usize = 3;

/// What a run takes on the disk, as long as nothing is known: about twice what it was found to be.
const RUN_BYTES: u64 = 4_096;

/// What is left free on the disk.
const RESERVE_BYTES: u64 = 2 << 30;

/// How large the store is to become, and what is measured then.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The server that is started.
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many finished runs the store has; one measurement for each, growing. Those for which the disk has no room are left out,
    /// and the report says so.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 10_000_000])]
    pub sizes: Vec<u64>,
    /// How many runs are started to measure the rate.
    #[arg(long, default_value_t = 20_000)]
    pub runs: u64,
    /// Over how many connections to start them, and to read.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long each kind of read is measured.
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// How long the runs may take to end once all are triggered, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Why it ended before the last size, where it did.
    pub stopped: String,
    /// One row for each size.
    pub rows: Vec<Row>,
    /// What was wrong.
    pub problems: Problems,
}

/// The server with a store of one size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Finished runs in the store.
    pub stored: u64,
    /// How long it took to write those that were not there before.
    pub fill_seconds: f64,
    /// The database's file, with its log.
    pub file_mib: f64,
    /// The share of each run in it, less what the file took with a single run in it: tables, and the bytes of plugins.
    pub bytes_per_run: f64,
    /// From the start of the server until it was ready.
    pub ready_after_seconds: f64,
    /// Completed three-step runs a second.
    pub runs_per_second: f64,
    /// Reads a second of a run.
    pub reads_per_second: f64,
    /// How long one took.
    pub read: Latency,
    /// Pages of 50 a second, of the newest runs.
    pub pages_per_second: f64,
    /// How long one took.
    pub page: Latency,
    /// Pages of 50 a second, of those that succeeded in the middle of the list.
    pub middle_pages_per_second: f64,
    /// How long one took.
    pub middle_page: Latency,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Starts a server, has it carry out one run, and fills its store with copies of that, size by size.
///
/// # Errors
/// Where it could not be carried to its end.
pub async fn run(options: Options) -> Result<Report> {
    ensure!(
        options.sizes.is_sorted() && !options.sizes.is_empty(),
        "a store grows: name the sizes from the smallest to the largest"
    );
    ensure!(
        options.seconds.is_finite() && options.seconds > 0.0,
        "reading for {} seconds measures nothing",
        options.seconds
    );
    let mut problems = Problems::default();
    let mut server = Millwork::launch(&options.server).await?;
    let mut api = Api::new(server.address());
    let workflow = api.create_workflow(&delays_of_nothing(STEPS)).await?;
    let pattern = api.trigger(&workflow, &json!({})).await?;
    let patience = Duration::from_secs(options.patience);
    await_finished(
        server.address(),
        std::slice::from_ref(&pattern),
        patience,
        |_| (),
    )
    .await?
    .complain(&mut problems);
    server.kill().await?;

    let mut filler = Filler::new(server.data_dir(), &pattern).await?;
    let mut rows: Vec<Row> = Vec::new();
    let mut stopped = String::new();
    for size in &options.sizes {
        let bytes_per_run = rows
            .last()
            .map_or(RUN_BYTES, |row| whole(row.bytes_per_run));
        if let Some(refusal) = no_room(&server.data_dir(), size - filler.written(), bytes_per_run)?
        {
            stopped = format!("before {size} runs: {refusal}");
            break;
        }
        rows.push(
            measure(
                &mut server,
                &workflow,
                &mut filler,
                *size,
                &options,
                &mut problems,
            )
            .await?,
        );
    }
    Ok(Report {
        stopped,
        rows,
        problems,
    })
}

/// Fills the store while the server is down, and measures the server with it.
async fn measure(
    server: &mut Millwork,
    workflow: &str,
    filler: &mut Filler,
    size: u64,
    options: &Options,
    problems: &mut Problems,
) -> Result<Row> {
    let began = Instant::now();
    filler.fill(size).await?;
    let fill_seconds = began.elapsed().as_secs_f64();
    let bytes = file_bytes(&server.data_dir())?;
    let began = Instant::now();
    server.start().await?;
    server.ready().await?;
    let ready_after = began.elapsed();
    let address = server.address();
    let stored = Api::new(address).count_runs(Some(workflow)).await?;
    if stored.success < size {
        problems.add(format!(
            "the server counts {} runs that succeeded in a store of {size}",
            stored.success
        ));
    }
    let middle = filler.middle();
    let run = format!("/api/v1/runs/{middle}");
    let middle_page = format!(
        "/api/v1/runs?limit=50&status=success&created_before={}",
        filler.middle_time()
    );
    let mut reads = Vec::new();
    for path in [run.as_str(), "/api/v1/runs?limit=50", middle_page.as_str()] {
        let until = Until::Elapsed(Duration::from_secs_f64(options.seconds));
        let load = Load::new(
            address,
            Request::get(path).finish(),
            options.connections,
            until,
        );
        let tally = load::carry_out(load)
            .await
            .with_context(|| format!("GET {path}"))?;
        tally.complain(&format!("requests for GET {path}"), problems);
        reads.push((tally.per_second(), tally.latency()));
    }
    let runs_per_second = rate(server, workflow, options, problems).await?;
    server.kill().await?;
    let (reads_per_second, read) = reads[0];
    let (pages_per_second, page) = reads[1];
    let (middle_pages_per_second, middle_page) = reads[2];
    Ok(Row {
        stored: stored.success,
        fill_seconds: rounded(fill_seconds),
        file_mib: rounded(float(bytes) / 1_048_576.0),
        bytes_per_run: rounded(
            float(bytes.saturating_sub(filler.bytes_at_first())) / float(stored.all().max(1)),
        ),
        ready_after_seconds: rounded(ready_after.as_secs_f64()),
        runs_per_second,
        reads_per_second,
        read,
        pages_per_second,
        page,
        middle_pages_per_second,
        middle_page,
    })
}

/// Completed runs a second, from the first trigger to the end of the last run by the server's own account.
async fn rate(
    server: &Millwork,
    workflow: &str,
    options: &Options,
    problems: &mut Problems,
) -> Result<f64> {
    let began_at = Timestamp::now();
    let request = trigger_request(workflow, &json!({}), None);
    let until = Until::Requests(options.runs);
    let load = Load::new(server.address(), request, options.connections, until).keeping_run_ids();
    let tally = load::carry_out(load).await?;
    tally.complain("triggers", problems);
    let patience = Duration::from_secs(options.patience);
    let awaited = await_finished(server.address(), &tally.run_ids, patience, |run| {
        (run.completed_at, run.status, run.uuid)
    })
    .await?;
    awaited.complain(problems);
    for (_, status, run) in &awaited.finished {
        if status != "success" {
            problems.add(format!("run {run} ended as {status}"));
        }
    }
    let last = awaited.finished.iter().filter_map(|(at, _, _)| *at).max();
    let seconds = seconds_between(began_at, last.context("no run ended")?);
    Ok(per_second(awaited.finished.len() as u64, seconds))
}

/// The bytes of the database's files.
pub(crate) fn file_bytes(data: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in
        std::fs::read_dir(data).with_context(|| format!("could not read {}", data.display()))?
    {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_string_lossy()
            .starts_with(millwork_store::sqlite::FILE_NAME)
        {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Why the disk has no room for so many more runs, where it has none. They pass through the log on their way into the file.
fn no_room(data: &Path, runs: u64, bytes_per_run: u64) -> Result<Option<String>> {
    let disk = rustix::fs::statvfs(data).context("could not ask how much room there is")?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = runs * bytes_per_run * 5 / 4 + RESERVE_BYTES;
    let gib = |bytes: u64| rounded(float(bytes) / float(1 << 30));
    Ok((needed > free).then(|| {
        format!(
            "{runs} more need about {} GiB with what is left free, and {} GiB are free on the disk of {}: name another with --work-dir",
            gib(needed),
            gib(free),
            data.display()
        )
    }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes far below 2^52"
)]
const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand bytes"
)]
const fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_with_what_it_would_take() {
        let folder = tempfile::tempdir().expect("there is room");
        assert_eq!(
            no_room(folder.path(), 1 << 40, 4_096)
                .expect("it is asked")
                .map(|_| ()),
            Some(())
        );
        let refusal = no_room(folder.path(), 1 << 40, 4_096).expect("it is asked");
        assert!(
            refusal
                .is_some_and(|text| text.contains("GiB are free") && text.contains("--work-dir"))
        );
    }
}
