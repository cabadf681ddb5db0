//! The floor below every durable write: a page appended and flushed.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{DISK, Limit};
use crate::latency::{Latency, per_second};

/// What a database writes at least.
const PAGE: [u8; 4_096] = [7; 4_096];

/// Appends and flushes (`fdatasync`) until time is up.
pub(super) fn measure(folder: &Path, span: Duration) -> Result<Limit> {
    let mut file = tempfile::tempfile_in(folder).context("could not make a file to flush")?;
    let mut micros = Vec::new();
    let began = Instant::now();
    while began.elapsed() < span {
        let start = Instant::now();
        file.write_all(&PAGE)
            .and_then(|()| file.sync_data())
            .context("could not flush a file")?;
        micros.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(Limit {
        what: DISK,
        size: 1,
        per_second: per_second(micros.len() as u64, began.elapsed().as_secs_f64()),
        took: Latency::of(micros),
    })
}
