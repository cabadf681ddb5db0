//! A caller's promise that two requests with the same key are one: the header `Idempotency-Key`.

use axum::http::{HeaderMap, HeaderName};

use super::problem::Fault;

/// A caller's promise that two requests with the same key are one.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters in a key.
const KEY_MAX: usize = 255;

/// Reads the key, if there is one.
pub(super) fn read(headers: &HeaderMap, faults: &mut Vec<Fault>) -> Option<String> {
    let mut sent = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let key = sent.next()?;
    let text = key
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_MAX).contains(&key.len()));
    if text.is_none() {
        faults.push(Fault::new(
            "Idempotency-Key",
            format!("must be 1 to {KEY_MAX} visible ASCII characters"),
        ));
    }
    if sent.next().is_some() {
        faults.push(Fault::new("Idempotency-Key", "is there twice"));
    }
    text.map(str::to_owned)
}
