//! The first-party plugins as component bytes, and the SDKs as text, so that the one binary brings them along.
//!
//! The build script builds them from the same workspace; which ones is a list in there.

/// A plugin that comes with the host.
#[derive(Clone, Copy)]
pub struct Bundled {
    /// Its name, as the `type` of a step has it.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/components.rs"));
