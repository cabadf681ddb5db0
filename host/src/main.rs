//! The `millwork` binary: arguments in, an exit code out.

use std::process::ExitCode;

use millwork::{app, cli};

// Small allocations by the thousand, on every thread: measured a fifth faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match app::run(cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millwork: {error:#}");
            ExitCode::FAILURE
        }
    }
}
