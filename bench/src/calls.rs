//! What one call of a plugin costs beside a bare call of the same component, and what two threads bring.
//!
//! The sandbox is measured from inside, by the benchmark `call` of `host/plugin`: `cargo bench --workspace --bench call`. This reads
//! what it has left, so that these figures stand where the others do.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::latency::rounded;
use crate::report::Problems;

/// Where the benchmark leaves its figures.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The folder with the benchmark's results.
    #[arg(long, value_name = "DIR", default_value = "target/criterion")]
    pub criterion: PathBuf,
}

/// The benchmarks, by their names.
const BARE: &str = "delay, bare";
const ALONE: &str = "delay";
const TWO_THREADS: &str = "delay, on two threads at once";

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// A call of the component on its engine alone, in a fresh instance (median).
    pub bare_us: f64,
    /// A call through the sandbox, in a fresh instance (median).
    pub call_us: f64,
    /// How many bare calls take as long as one through the sandbox.
    pub times_bare: f64,
    /// Bare calls a second on one thread.
    pub bare_per_second: f64,
    /// Calls a second on one thread.
    pub one_thread_per_second: f64,
    /// Calls a second on two threads at once.
    pub two_threads_per_second: f64,
    /// How many times as many that is.
    pub times_one_thread: f64,
    /// What was wrong.
    pub problems: Problems,
}

impl crate::report::Report for Report {
    fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Reads the benchmark's results.
///
/// # Errors
/// Where there are none, or one is missing; the error says how to make them.
pub fn run(options: &Options) -> Result<Report> {
    let found = read(&options.criterion)?;
    let micros = |name: &str| {
        let benchmark = found.iter().find(|benchmark| benchmark.name == name);
        let nanos = benchmark.map(|benchmark| benchmark.median_ns);
        nanos.map(|nanos| nanos / 1_000.0).with_context(|| {
            format!(
                "there is no result of \"{name}\" in {}: run cargo bench --workspace --bench call",
                options.criterion.display()
            )
        })
    };
    let (bare, alone, two) = (micros(BARE)?, micros(ALONE)?, micros(TWO_THREADS)?);
    ensure!(
        bare > 0.0 && alone > 0.0 && two > 0.0,
        "a call cannot take no time: {bare}, {alone} and {two} us"
    );
    let (one, both) = (1e6 / alone, 2e6 / two);
    Ok(Report {
        bare_us: rounded(bare),
        call_us: rounded(alone),
        times_bare: rounded(alone / bare),
        bare_per_second: (1e6 / bare).round(),
        one_thread_per_second: one.round(),
        two_threads_per_second: both.round(),
        times_one_thread: rounded(both / one),
        problems: Problems::default(),
    })
}

struct Benchmark {
    name: String,
    median_ns: f64,
}

#[derive(Deserialize)]
struct Name {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// The newest result of each benchmark: folders below name it, and the folder `new` in each has what came of it.
fn read(folder: &Path) -> Result<Vec<Benchmark>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "there are no results in {}: run cargo bench --workspace --bench call",
            folder.display()
        )
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let newest = entry?.path().join("new");
        if !newest.join("benchmark.json").is_file() {
            continue;
        }
        found.push(Benchmark {
            name: json::<Name>(&newest.join("benchmark.json"))?.full_id,
            median_ns: json::<Estimates>(&newest.join("estimates.json"))?
                .median
                .point_estimate,
        });
    }
    Ok(found)
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let reading = || format!("could not read {}", path.display());
    let text = std::fs::read(path).with_context(reading)?;
    serde_json::from_slice(&text).with_context(reading)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(folder: &Path, name: &str, median_ns: f64) {
        let newest = folder.join(name).join("new");
        std::fs::create_dir_all(&newest).expect("there is room");
        let write = |file: &str, value: serde_json::Value| {
            std::fs::write(newest.join(file), value.to_string()).expect("it is written");
        };
        write("benchmark.json", json!({"full_id": name, "group_id": name}));
        write(
            "estimates.json",
            json!({"median": {"point_estimate": median_ns}, "mean": {}}),
        );
    }

    #[test]
    fn ratios_come_from_what_the_benchmark_left() {
        let folder = tempfile::tempdir().expect("there is room");
        let options = Options {
            criterion: folder.path().to_owned(),
        };
        result(folder.path(), BARE, 10_000.0);
        result(folder.path(), ALONE, 15_000.0);
        std::fs::create_dir(folder.path().join("report")).expect("there is room");
        let error = run(&options).expect_err("one is missing").to_string();
        assert!(
            error.contains(TWO_THREADS) && error.contains("--bench call"),
            "{error}"
        );
        result(folder.path(), TWO_THREADS, 16_000.0);
        let report = run(&options).expect("all are there");
        assert_eq!(
            (
                report.times_bare,
                report.times_one_thread,
                report.two_threads_per_second
            ),
            (1.5, 1.875, 125_000.0)
        );
    }
}
