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
    /// Whether it came with the host, and not from the operator's folder: what is granted to the host's own plugins is
    /// granted to these bytes, and to no file that calls itself by the same name.
    pub bundled: bool,
    /// The component.
    pub wasm: Vec<u8>,
}
