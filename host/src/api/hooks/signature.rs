//! Whether a request was signed by who knows the secret. Compared in a time that does not tell how much of it is right.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use millwork_core::definition::{Scheme, Verify};
use millwork_core::time::Timestamp;
use sha2::Sha256;

/// How old a signature may be that says when it was made, where nobody says.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signatures that one request may carry: there are two while a secret is changed.
const SIGNATURES_MAX: usize = 8;

/// Why a signature was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none.
    Missing,
    /// It is none as the scheme writes them.
    Malformed,
    /// It was made too long ago, or in the future.
    Old,
    /// It was made with another secret, or for another body.
    Wrong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "with the signature is missing",
            Self::Malformed => "is no signature of this scheme",
            Self::Old => "says a time that is too long ago, or to come",
            Self::Wrong => "does not fit the body and the secret",
        })
    }
}

/// Checks the signature in a header.
pub(super) fn check(
    verify: &Verify,
    header: &str,
    secret: &[u8],
    body: &[u8],
    now: Timestamp,
) -> Result<(), Refusal> {
    match verify.scheme {
        Scheme::HmacSha256 => {
            let text = header.trim();
            let text = text.strip_prefix("sha256=").unwrap_or(text);
            fits(secret, &[body], &decode(text)?)
        }
        Scheme::Github => {
            let text = header.trim().strip_prefix("sha256=");
            let signature = text.and_then(hex).ok_or(Refusal::Malformed)?;
            fits(secret, &[body], &signature)
        }
        Scheme::Stripe => {
            let tolerance = verify.tolerance.unwrap_or(TOLERANCE);
            check_stripe(header, secret, body, now, tolerance)
        }
    }
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`, of the time, a dot and the body.
fn check_stripe(
    header: &str,
    secret: &[u8],
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), Refusal> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", seconds)) => time = Some(seconds),
            Some(("v1", signature)) => signatures.extend(hex(signature)),
            // Older and later schemes stand beside it.
            Some(_) | None => {}
        }
    }
    let time = time.ok_or(Refusal::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| Refusal::Malformed)?;
    let made_at = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
        return Err(Refusal::Malformed);
    }
    let signed: [&[u8]; 3] = [time.as_bytes(), b".", body];
    let is_right = signatures
        .iter()
        .any(|signature| fits(secret, &signed, signature).is_ok());
    if !is_right {
        return Err(Refusal::Wrong);
    }
    match now.since(made_at).max(made_at.since(now)) > tolerance {
        true => Err(Refusal::Old),
        false => Ok(()),
    }
}

fn fits(secret: &[u8], signed: &[&[u8]], signature: &[u8]) -> Result<(), Refusal> {
    // A key may have any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Refusal::Wrong)?;
    signed.iter().for_each(|part| mac.update(part));
    mac.verify_slice(signature).map_err(|_| Refusal::Wrong)
}

/// Hexadecimal, or Base64.
fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    hex(text)
        .or_else(|| STANDARD.decode(text).ok())
        .ok_or(Refusal::Malformed)
}

/// The 64 digits of a SHA-256.
fn hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..64).step_by(2).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    /// What GitHub's own documentation says for this secret and this body.
    const SIGNED: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn verify(scheme: Scheme) -> Verify {
        Verify {
            scheme,
            header: None,
            secret: "shop".to_owned(),
            tolerance: None,
        }
    }

    fn checked(scheme: Scheme, header: &str) -> Result<(), Refusal> {
        check(&verify(scheme), header, SECRET, BODY, NOW)
    }

    #[test]
    fn a_signature_as_github_writes_it_is_taken_and_others_are_not() {
        assert_eq!(checked(Scheme::Github, &format!("sha256={SIGNED}")), Ok(()));
        let wrong = format!("sha256={}", SIGNED.replace('7', "8"));
        assert_eq!(checked(Scheme::Github, &wrong), Err(Refusal::Wrong));
        for header in [
            SIGNED,
            "sha256=",
            "sha1=757107",
            "sha256=757107",
            "sha256=é",
        ] {
            assert_eq!(checked(Scheme::Github, header), Err(Refusal::Malformed));
        }
    }

    #[test]
    fn a_plain_signature_is_hexadecimal_or_base64() {
        let base64 = STANDARD.encode(hex(SIGNED).expect("it is hexadecimal"));
        for header in [
            SIGNED.to_owned(),
            SIGNED.to_uppercase(),
            format!("sha256={SIGNED}"),
            base64,
        ] {
            assert_eq!(checked(Scheme::HmacSha256, &header), Ok(()), "{header}");
        }
        assert_eq!(checked(Scheme::HmacSha256, "!"), Err(Refusal::Malformed));
        assert_eq!(checked(Scheme::HmacSha256, "AAAA"), Err(Refusal::Wrong));
    }

    fn stripe(at: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length");
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        let bytes = mac.finalize().into_bytes();
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={at},v1={}", digits.concat())
    }

    #[test]
    fn a_signature_as_stripe_writes_it_is_taken_while_it_is_young() {
        let now = NOW.as_micros() / 1_000_000;
        let at = |at: i64| checked(Scheme::Stripe, &stripe(at, BODY));
        assert_eq!(at(now), Ok(()));
        assert_eq!((at(now - 300), at(now + 300)), (Ok(()), Ok(())));
        assert_eq!(at(now - 301), Err(Refusal::Old));
        assert_eq!(at(now + 301), Err(Refusal::Old));
        let other = checked(Scheme::Stripe, &stripe(now, b"another body"));
        assert_eq!(other, Err(Refusal::Wrong));
        // Two secrets, while one is changed for the other; and a scheme that nobody knows.
        let both = stripe(now, BODY).replace(",v1=", &format!(",v0=x,v1={SIGNED},v1="));
        assert_eq!(checked(Scheme::Stripe, &both), Ok(()));
        // The time is signed too.
        let moved =
            stripe(now - 900, BODY).replace(&format!("t={}", now - 900), &format!("t={now}"));
        assert_eq!(checked(Scheme::Stripe, &moved), Err(Refusal::Wrong));
        for header in [
            "",
            "t=1",
            "v1=00",
            "t=x,v1=00",
            &format!("t=99999999999999999999,v1={SIGNED}"),
        ] {
            assert_eq!(
                checked(Scheme::Stripe, header),
                Err(Refusal::Malformed),
                "{header}"
            );
        }
    }
}
