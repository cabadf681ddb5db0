//! The real components that made-up ones are made of.

/// Every component that this build has.
#[must_use]
pub fn all() -> Vec<&'static [u8]> {
    let all = millwork_bundled::PLUGINS
        .iter()
        .chain(millwork_bundled::TEST_GUESTS);
    all.map(|component| component.wasm).collect()
}

/// The guest that says what it is told.
///
/// # Panics
/// Where this was built without it.
#[must_use]
pub fn guest() -> &'static [u8] {
    let mut guests = millwork_bundled::TEST_GUESTS.iter();
    let guest = guests.find(|guest| guest.name == "misbehave");
    guest.expect("it is built along").wasm
}

/// The guest, describing itself in the words that it is told.
///
/// # Panics
/// Where the guest has no place for them.
#[must_use]
pub fn describing(said: &[u8]) -> Vec<u8> {
    let mut wasm = guest().to_vec();
    let mut put = |marker: &[u8], text: &[u8]| {
        let mut windows = wasm.windows(marker.len());
        let at = windows.position(|window| window == marker);
        let at = at.expect("the marker is in its data") + marker.len();
        wasm[at..at + text.len()].copy_from_slice(text);
    };
    put(b"describe:", b"said......");
    put(b"said:", &said[..said.len().min(SAID_MAX_BYTES)]);
    wasm
}

/// How much the guest can be told to say of itself.
pub const SAID_MAX_BYTES: usize = 4_096;
