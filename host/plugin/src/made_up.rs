//! For the fuzzer, which makes up what plugins say: judges it as the host does, without a component that says it.

pub use crate::wasm::bindings::types::{Action, ActionTraits, Ask, Example, Manifest};

use crate::limits::Limits;
use crate::manifest;

/// Judges a manifest as the loader does. Returns how many actions it has.
///
/// # Errors
/// Everything that is wrong with it, in sentences.
pub fn judge_manifest(said: Manifest, limits: &Limits) -> Result<usize, Vec<String>> {
    manifest::check(said, limits).map(|manifest| manifest.actions.len())
}
