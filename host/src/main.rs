//! The `millwork` binary: arguments in, an exit code out.

use std::process::ExitCode;

use millwork::app::{self, Verdict};
use millwork::cli;

// Small allocations by the thousand, on every thread. Chosen for that, and not yet measured against the system's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match app::run(cli::parse()) {
        Ok(Verdict::Done) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(3),
        Err(error) => {
            eprintln!("millwork: {error:#}");
            ExitCode::FAILURE
        }
    }
}
