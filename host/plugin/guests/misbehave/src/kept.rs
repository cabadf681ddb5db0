//! Keeps values.

use crate::bindings::millwork::kv::kv::{self, Expectation};

/// Counts how often it was called.
pub(crate) fn count() -> String {
    let known = match kv::get("count") {
        Ok(known) => known,
        Err(error) => return format!("{error:?}"),
    };
    let count = known.as_ref().map_or(0, |entry| entry.value[0]) + 1;
    let expected = known.map_or(Expectation::Absent, |entry| {
        Expectation::Version(entry.version)
    });
    match kv::set("count", &[count], expected) {
        Ok(_) => count.to_string(),
        Err(error) => format!("{error:?}"),
    }
}

/// Keeps more than fits.
pub(crate) fn giant() -> String {
    let value = kv::set("giant", &vec![0; 1 << 20], Expectation::Any);
    let key = kv::set(&"k".repeat(1 << 20), &[0], Expectation::Any);
    format!("{value:?} {key:?}")
}
