//! What makes a token a token: 256 random bits, of which the store has the SHA-256.
//!
//! A bearer token reads `mw_<identifier>_<secret>`: the mark lets scanners find one that was published by mistake, and the
//! identifier finds its row without a search by the secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millwork_core::digest::Digest;
use millwork_core::id::TokenId;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::random;

/// What a bearer token begins with.
const MARK: &str = "mw_";

/// Characters that an administrator's token in the configuration has at least: nobody's guess.
pub const ADMIN_TOKEN_MIN: usize = 20;

/// The secret of a token.
pub struct Secret([u8; 32]);

impl Secret {
    /// Draws one.
    #[must_use]
    pub fn draw() -> Self {
        Self(random::secret())
    }

    /// Takes a bearer token apart. Nothing where it is none.
    #[must_use]
    pub fn read(bearer: &str) -> Option<(TokenId, Self)> {
        let (id, secret) = bearer.strip_prefix(MARK)?.split_once('_')?;
        if id.len() != 32 || id.contains(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes) {
            Ok(32) => Some((id.parse().ok()?, Self(bytes))),
            _ => None,
        }
    }

    /// Writes it as a bearer token.
    #[must_use]
    pub fn write(&self, id: TokenId) -> String {
        let (id, secret) = (id.as_uuid().as_simple(), URL_SAFE_NO_PAD.encode(self.0));
        format!("{MARK}{id}_{secret}")
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The hash of a token that is a text.
pub(super) fn hash(text: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}

/// Whether two hashes are the same, in a time that does not tell how much of them is.
pub(super) fn is_same(one: &Digest, other: &Digest) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_and_read_back() {
        let id = TokenId::from_bytes([7; 16]);
        let secret = Secret::draw();
        let bearer = secret.write(id);
        assert_eq!(bearer.len(), 3 + 32 + 1 + 43);
        let (found, read) = Secret::read(&bearer).expect("it is a token");
        assert_eq!((found, read.hash()), (id, secret.hash()));
        assert_ne!(Secret::draw().hash(), secret.hash());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let id = TokenId::from_bytes([0xab; 16]);
        let bearer = Secret([1; 32]).write(id);
        let upper = bearer.replace("ab", "AB");
        for text in [
            "",
            "mw_",
            "mw__",
            &bearer[1..],
            &bearer[..bearer.len() - 1],
            &format!("{bearer}A"),
            &format!("{bearer} "),
            &upper,
            "mw_é_é",
        ] {
            assert!(Secret::read(text).is_none(), "{text}");
        }
    }
}
