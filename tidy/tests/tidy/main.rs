//! The rules of the house that neither the compiler nor clippy holds: who may know whom, what a file looks like, what a
//! manifest and a page have to say. Each complaint names the place, and what to do.
//!
//! It reads files and builds nothing, so it answers within seconds: `cargo test -p millwork-tidy`.

mod code;
mod containers;
mod documents;
mod files;
mod house;
mod manifests;
mod rooms;

/// Fails with every complaint at once.
fn report(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
