//! Whose plugins the operator trusts: by signatures, and by digests that a name is pinned to.
//!
//! A signature is minisign's (<https://jedisct1.github.io/minisign/>): `minisign -Sm slack.wasm` makes `slack.wasm.minisig`. What comes
//! with the host is trusted with it, and so is what a run is pinned to: it was judged when it came.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use millwork_core::digest::Digest;
use minisign_verify::{PublicKey, Signature};

/// Where trust stands in the configuration: refusals name it.
const SECTION: &str = "plugins.trust";

/// A signature is four lines; nobody has to read more of a file that calls itself one.
pub(crate) const SIGNATURE_MAX_BYTES: usize = 8 << 10;

/// The bytes of a plugin as they came, with their signature.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The component.
    pub wasm: Bytes,
    /// The text of a `.minisig` file, where there is one.
    pub signature: Option<String>,
}

impl From<Bytes> for Parcel {
    fn from(wasm: Bytes) -> Self {
        Self {
            wasm,
            signature: None,
        }
    }
}

/// Whom the operator trusts. Everybody, where nothing is said.
#[derive(Clone, Default)]
pub struct Trust {
    keys: Vec<(String, PublicKey)>,
    requires_signature: bool,
    pins: BTreeMap<String, BTreeSet<Digest>>,
}

/// The operator's words on trust do not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A key cannot be read.
    #[error(
        "{SECTION}.public_keys: {key:?} is no public key of minisign: it is the second line of a .pub file, 56 characters that begin with RW"
    )]
    Key {
        /// What was written.
        key: String,
    },
    /// Nothing could ever be loaded.
    #[error(
        "{SECTION}.require_signature is true, and {SECTION}.public_keys names no key that could have signed"
    )]
    NoKeys,
}

/// The operator does not trust these bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It has no signature.
    #[error(
        "it is not signed, and {SECTION}.require_signature wants it to be: sign it with `minisign -Sm FILE`, and give FILE.minisig along"
    )]
    Unsigned,
    /// What came as its signature is none.
    #[error("its signature cannot be read: {0}")]
    Unreadable(String),
    /// Nobody who is trusted has signed these bytes.
    #[error("no key of {SECTION}.public_keys has signed these bytes")]
    Unknown,
    /// Its name is pinned to other bytes.
    #[error(
        "plugins.digests lets the name {name:?} mean {pinned} only, and these bytes have the digest {found}"
    )]
    Pinned {
        /// The plugin's name.
        name: String,
        /// What the name may mean.
        pinned: String,
        /// What came.
        found: Digest,
    },
}

impl Trust {
    /// Trust in keys, by their text as minisign writes it; and the digests that names may mean.
    ///
    /// # Errors
    /// Where a key is none, or signatures are required and nobody could have made them.
    pub fn new(
        keys: &[String],
        requires_signature: bool,
        pins: BTreeMap<String, BTreeSet<Digest>>,
    ) -> Result<Self, TrustError> {
        let read = |key: &String| match PublicKey::from_base64(key.trim()) {
            Ok(public) => Ok((key.trim().to_owned(), public)),
            Err(_) => Err(TrustError::Key { key: key.clone() }),
        };
        let keys: Vec<_> = keys.iter().map(read).collect::<Result<_, _>>()?;
        if requires_signature && keys.is_empty() {
            return Err(TrustError::NoKeys);
        }
        Ok(Self {
            keys,
            requires_signature,
            pins,
        })
    }

    /// Says which trusted key has signed the bytes; nothing where they are not signed and need not be, or nobody said whose
    /// signature counts.
    pub(crate) fn judge_signature(&self, parcel: &Parcel) -> Result<Option<String>, Untrusted> {
        let Some(text) = &parcel.signature else {
            return match self.requires_signature {
                true => Err(Untrusted::Unsigned),
                false => Ok(None),
            };
        };
        if self.keys.is_empty() {
            return Ok(None);
        }
        let signature =
            Signature::decode(text).map_err(|error| Untrusted::Unreadable(error.to_string()))?;
        // Not the old form, which signs the bytes themselves and not their digest: minisign has not written it since 2020.
        let has_signed = |key: &PublicKey| key.verify(&parcel.wasm, &signature, false).is_ok();
        let found = self.keys.iter().find(|(_, key)| has_signed(key));
        found
            .map(|(text, _)| Some(text.clone()))
            .ok_or(Untrusted::Unknown)
    }

    /// Whether a name may mean these bytes.
    pub(crate) fn judge_digest(&self, name: &str, found: Digest) -> Result<(), Untrusted> {
        match self.pins.get(name) {
            Some(pinned) if !pinned.contains(&found) => Err(Untrusted::Pinned {
                name: name.to_owned(),
                pinned: pinned
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
                found,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.keys.iter().map(|(text, _)| text.as_str()).collect();
        f.debug_struct("Trust")
            .field("keys", &keys)
            .field("requires_signature", &self.requires_signature)
            .field("pins", &self.pins)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    fn keys() -> KeyPair {
        KeyPair::generate_unencrypted_keypair().expect("keys can be made")
    }

    fn trust_in(keys: &[&KeyPair], requires_signature: bool) -> Trust {
        let keys: Vec<String> = keys.iter().map(|keys| keys.pk.to_base64()).collect();
        Trust::new(&keys, requires_signature, BTreeMap::new()).expect("these are keys")
    }

    fn signed(wasm: &'static [u8], keys: &KeyPair) -> Parcel {
        let signature = minisign::sign(None, &keys.sk, wasm, None, None).expect("it can be signed");
        Parcel {
            wasm: Bytes::from_static(wasm),
            signature: Some(signature.to_string()),
        }
    }

    #[test]
    fn the_key_that_has_signed_is_named() {
        let (ours, theirs, other) = (keys(), keys(), keys());
        let trust = trust_in(&[&ours, &theirs], true);
        assert_eq!(
            trust.judge_signature(&signed(b"wasm", &theirs)),
            Ok(Some(theirs.pk.to_base64()))
        );
        assert_eq!(
            trust.judge_signature(&signed(b"wasm", &other)),
            Err(Untrusted::Unknown)
        );
        let swapped = Parcel {
            wasm: Bytes::from_static(b"mesw"),
            ..signed(b"wasm", &ours)
        };
        assert_eq!(trust.judge_signature(&swapped), Err(Untrusted::Unknown));
    }

    #[test]
    fn what_is_not_signed_is_loaded_unless_signatures_are_required() {
        let ours = keys();
        let bare = Parcel::from(Bytes::from_static(b"wasm"));
        assert_eq!(trust_in(&[&ours], false).judge_signature(&bare), Ok(None));
        assert_eq!(
            trust_in(&[&ours], true).judge_signature(&bare),
            Err(Untrusted::Unsigned)
        );
        // A signature that is there has to be right, also where none is required.
        let broken = Parcel {
            signature: Some("untrusted comment: x\nAAAA\n".to_owned()),
            ..bare
        };
        assert!(matches!(
            trust_in(&[&ours], false).judge_signature(&broken),
            Err(Untrusted::Unreadable(_))
        ));
        assert_eq!(Trust::default().judge_signature(&broken), Ok(None));
    }

    #[test]
    fn a_name_that_is_pinned_means_nothing_else() {
        let digest = |byte| Digest::from_bytes([byte; 32]);
        let pins = BTreeMap::from([("slack".to_owned(), BTreeSet::from([digest(1)]))]);
        let trust = Trust::new(&[], false, pins).expect("there are no keys to be wrong");
        assert_eq!(trust.judge_digest("slack", digest(1)), Ok(()));
        assert_eq!(trust.judge_digest("other", digest(2)), Ok(()));
        assert!(trust.judge_digest("slack", digest(2)).is_err());
    }

    #[test]
    fn what_nobody_could_fulfil_is_told() {
        let none = BTreeMap::new;
        assert_eq!(
            Trust::new(&[], true, none()).map(|_| ()),
            Err(TrustError::NoKeys)
        );
        let error = Trust::new(&["RWQ".to_owned()], false, none()).expect_err("it is no key");
        assert!(error.to_string().contains("\"RWQ\""), "{error}");
    }
}
