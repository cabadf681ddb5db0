//! How a request to a webhook is signed, as Standard Webhooks (version 1) says: so that any of its libraries can verify it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Bytes that a key has, at least and at most.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key that requests are signed with.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no signing secret: `whsec_` and then 24 to 64 bytes in Base64, as `echo whsec_$(openssl rand -base64 32)` prints"
)]
pub struct KeyError;

impl SigningKey {
    /// Reads a key.
    ///
    /// # Errors
    /// Where it is none, or shorter or longer than a key is.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(KeyError)?;
        let key = STANDARD.decode(text).map_err(|_| KeyError)?;
        match KEY_BYTES.contains(&key.len()) {
            true => Ok(Self(key)),
            false => Err(KeyError),
        }
    }

    fn sign(&self, message: &[&[u8]]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        message.iter().for_each(|part| mac.update(part));
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of `webhook-signature`: one signature for each key, with spaces between.
#[must_use]
pub fn sign(keys: &[SigningKey], id: &str, timestamp_seconds: i64, body: &str) -> String {
    let timestamp = timestamp_seconds.to_string();
    let dot: &[u8] = b".";
    let message = [
        id.as_bytes(),
        dot,
        timestamp.as_bytes(),
        dot,
        body.as_bytes(),
    ];
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(&message)).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;

    fn key(text: &str) -> SigningKey {
        SigningKey::read(text).expect("it is a key")
    }

    #[test]
    fn the_published_example_is_signed_as_it_was_published() {
        let published = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = sign(&[published], ID, 1_614_265_330, BODY);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn with_several_keys_there_is_a_signature_of_each_in_their_order() {
        let keys = [
            key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ];
        let both = sign(&keys, ID, 1_614_265_330, BODY);
        let each = keys.map(|key| sign(&[key], ID, 1_614_265_330, BODY));
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let signed = sign(&keys, ID, 1_614_265_330, BODY);
        assert_ne!(sign(&keys, "other", 1_614_265_330, BODY), signed);
        assert_ne!(sign(&keys, ID, 1_614_265_331, BODY), signed);
        assert_ne!(sign(&keys, ID, 1_614_265_330, "{}"), signed);
    }

    #[test]
    fn what_is_no_key_is_refused_and_no_key_is_shown() {
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_not base64 at all, by no means",
        ] {
            assert_eq!(SigningKey::read(text).err(), Some(KeyError), "{text:?}");
        }
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        assert!(SigningKey::read(&long).is_err());
        let shown = format!("{:?}", key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"));
        assert_eq!(shown, "SigningKey(…)");
    }
}
