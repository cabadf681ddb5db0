//! Makes readable what JSON allows and a value cannot hold.
//!
//! RFC 8259 bounds neither numbers nor escapes: `1e999` and half a surrogate pair (`"\ud800"`, which browsers write)
//! are JSON. A document is not lost for one of them: the number reads as null and the half pair as U+FFFD.

/// Rewrites a valid document. Slow, and so only for a document that could not be read as it is.
pub(super) fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => end_of_string(rest),
            '-' | '0'..='9' => rest
                .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                .unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        match first {
            '"' => mend_string(token, &mut mended),
            '-' | '0'..='9' if !can_be_read(token) => mended.push_str("null"),
            _ => mended.push_str(token),
        }
        rest = after;
    }
    mended
}

/// Asks the reader itself: near the largest double it and the standard library round differently.
fn can_be_read(number: &str) -> bool {
    serde_json::from_str::<f64>(number).is_ok()
}

/// Where a string ends, its quotes included.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn mend_string(token: &str, mended: &mut String) {
    let mut rest = token;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // An escape is a backslash and one more character; the digits of `\u` can follow as they are.
            (None, _) => 2,
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
}

/// The half of a pair that an escape at the beginning of a text stands for.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16)
        .ok()
        .filter(|unit| (0xD800..=0xDFFF).contains(unit))
}
