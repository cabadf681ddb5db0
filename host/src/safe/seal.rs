//! Keys, and what they seal: XChaCha20-Poly1305, with the secret's name bound into the seal.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use crate::random;

/// The form of what is sealed, in its first byte, so that a later one can be told from it.
const FORMAT: u8 = 1;

const NONCE_BYTES: usize = 24;

/// A key.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// A text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key is 32 bytes, written as 64 hexadecimal digits or as Base64: `openssl rand -hex 32` makes one"
)]
pub struct KeyError;

/// The key that seals, and those that only open.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    current: Option<Key>,
    previous: Vec<Key>,
}

impl Keys {
    /// The key that seals, and those that were used before.
    #[must_use]
    pub const fn new(current: Option<Key>, previous: Vec<Key>) -> Self {
        Self { current, previous }
    }

    /// The key that seals.
    pub(super) const fn current(&self) -> Option<&Key> {
        self.current.as_ref()
    }

    /// The key of this name.
    pub(super) fn find(&self, id: &[u8]) -> Option<&Key> {
        let all = self.current.iter().chain(&self.previous);
        all.into_iter().find(|key| key.id() == id)
    }
}

impl Key {
    /// A key that nobody knows.
    #[must_use]
    pub fn draw() -> Self {
        Self(random::secret())
    }

    /// Reads a key.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let bytes = match text.len() {
            64 => hex(text),
            _ => STANDARD.decode(text).ok(),
        };
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(KeyError)
    }

    /// The key as [`Self::read`] reads it.
    #[must_use]
    pub fn write(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Which key it is. Says nothing about the key.
    pub(super) fn id(&self) -> [u8; 8] {
        let digest = Sha256::new()
            .chain_update("millwork secrets key")
            .chain_update(self.0)
            .finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id
    }

    /// Seals a value under a name.
    pub(super) fn seal(&self, name: &str, value: &str) -> Vec<u8> {
        let nonce = random::nonce();
        let payload = Payload {
            msg: value.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only what is larger than the address space cannot be sealed");
        [&[FORMAT][..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed under a name. Nothing where it was not, or was changed since.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<String> {
        let (format, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        if *format != FORMAT {
            return None;
        }
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let value = self.cipher().decrypt(&XNonce::from(nonce), payload).ok()?;
        String::from_utf8(value).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    let read = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    pairs.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms_and_nothing_else_is_one() {
        let key = Key::draw();
        let read = Key::read(&key.write()).expect("it was written");
        assert_eq!(read.0, key.0);
        assert_eq!(Key::read(&"0f".repeat(32)).map(|key| key.0), Ok([15; 32]));
        for text in ["", "abc", &"0g".repeat(32), &"é".repeat(32), "AAAA"] {
            assert!(Key::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_unchanged_alone() {
        let key = Key::draw();
        let sealed = key.seal("a", "xyzzy");
        assert_eq!(key.open("a", &sealed), Some("xyzzy".to_owned()));
        assert_eq!(key.open("b", &sealed), None);
        assert_ne!(sealed, key.seal("a", "xyzzy"), "no nonce is used twice");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open("a", &changed), None, "byte {at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open("a", &sealed[..length]), None, "{length} bytes");
        }
    }
}
