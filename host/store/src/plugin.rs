//! Plugins as the store keeps them.

use millwork_core::digest::Digest;

/// A plugin's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub wasm: Vec<u8>,
}
