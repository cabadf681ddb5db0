//! What components of several languages cost: their size, their loading, their calls, and the memory of many calls at once.
//!
//! ```sh
//! cargo bench -p millwork-plugin --bench languages -- FILE.wasm …
//! ```
//!
//! Of each file the first action is called with the configuration of its first example. Without a file: the frozen witnesses,
//! one in Rust and one in JavaScript. Each figure is of a process of its own, so that no component pays for the one before.

#[path = "../call/bare.rs"]
mod bare;
mod calls;
mod flight;
mod subject;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Components that are always there.
const FROZEN: [&str; 2] = ["witness", "witness-js"];

fn main() -> ExitCode {
    // `cargo bench` says so to every bench.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--calls", file] => {
            calls::measure(file.as_ref());
            ExitCode::SUCCESS
        }
        ["--flight", name] => {
            flight::measure(name);
            ExitCode::SUCCESS
        }
        [] => all(&FROZEN.map(subject::frozen)),
        ref files => all(&files.iter().map(PathBuf::from).collect::<Vec<_>>()),
    }
}

fn all(files: &[PathBuf]) -> ExitCode {
    let calls = files
        .iter()
        .map(|file| ["--calls".into(), file.clone().into_os_string()]);
    let flights = flight::SUBJECTS.map(|name| ["--flight".into(), name.into()]);
    for arguments in calls.chain(flights) {
        let tool = std::env::current_exe().expect("this is a program");
        let status = Command::new(tool).args(&arguments).status();
        if !status.expect("it can be started again").success() {
            eprintln!("{arguments:?} failed");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
