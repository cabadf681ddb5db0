//! Size, time to load, and time of a call: on one thread, on two, and of the engine alone.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::bare::Bare;
use crate::subject::{Subject, read};

/// How long calls are counted.
const SPAN: Duration = Duration::from_secs(3);

/// How often that is done; the quickest counts, since everything else on the machine only makes it slower.
const ROUNDS: usize = 3;

fn threads(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(count).enable_all().build();
    runtime.expect("a runtime starts")
}

/// Measures one component, and prints a line of it.
pub(crate) fn measure(file: &Path) {
    let wasm = read(file);
    let one = threads(1);
    let cache = tempfile::tempdir().expect("there is room");
    let cold = one.block_on(Subject::load(wasm.clone(), cache.path()));
    let cold = cold.loaded_in;
    let subject = one.block_on(Subject::load(wasm.clone(), cache.path()));
    let cached = subject.loaded_in;
    let subject = Arc::new(subject);

    let bare = bare(&one, &wasm, &subject);
    let single = quickest(|| one.block_on(on(1, &subject)));
    drop(one);
    let two = threads(2);
    let double = quickest(|| two.block_on(on(2, &subject)));

    let micros = |call: Duration| format!("{:.1} us", call.as_secs_f64() * 1e6);
    println!(
        "{}: {} KiB; loaded in {} ms, from the cache in {:.1} ms; a call of {} {} on one thread, bare {}, {} on each of two threads",
        subject.plugin.name(),
        wasm.len() / 1_024,
        cold.as_millis(),
        cached.as_secs_f64() * 1e3,
        subject.action(),
        micros(single),
        bare.map_or_else(|| "not without its imports".to_owned(), micros),
        micros(double),
    );
}

fn quickest(measured: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(measured)
        .take(ROUNDS)
        .min()
        .unwrap_or_default()
}

/// How long a call takes each of so many tasks that call without a pause.
async fn on(tasks: usize, subject: &Arc<Subject>) -> Duration {
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let subject = Arc::clone(subject);
            tokio::spawn(async move {
                let (began, mut calls) = (Instant::now(), 0);
                while began.elapsed() < SPAN {
                    subject.call().await;
                    calls += 1;
                }
                began.elapsed() / calls
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.expect("every call works"));
    }
    slowest
}

/// The same component on the same engine without a host; nothing where it cannot do without one.
fn bare(runtime: &Runtime, wasm: &[u8], subject: &Subject) -> Option<Duration> {
    let bare = Bare::new(wasm, subject.action(), &subject.config()).ok()?;
    runtime.block_on(async {
        bare.call().await.ok().filter(|answered| *answered)?;
        let (began, mut calls) = (Instant::now(), 0);
        while began.elapsed() < SPAN {
            bare.call().await.ok()?;
            calls += 1;
        }
        Some(began.elapsed() / calls)
    })
}
