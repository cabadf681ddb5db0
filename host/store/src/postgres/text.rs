//! Text that PostgreSQL can keep: its `text` holds every character but U+0000.
//!
//! A name, a key or an error may have one all the same, since JSON can. It is written as a mark and a letter, and so is the
//! mark itself, a code point that is no character. Text with neither, which is all that is ever seen, is written as it is.

use std::borrow::Cow;

const MARK: char = '\u{10FFFF}';

/// Makes text that can be kept.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => encoded.extend([MARK, '0']),
            MARK => encoded.extend([MARK, 'm']),
            other => encoded.push(other),
        }
    }
    Cow::Owned(encoded)
}

/// The same of a text that is at hand already.
pub(super) fn encode_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => encode(text),
        Cow::Owned(text) if text.contains(['\0', MARK]) => Cow::Owned(encode(&text).into_owned()),
        Cow::Owned(text) => Cow::Owned(text),
    }
}

/// Makes what it was.
pub(super) fn decode(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let mut decoded = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            MARK if characters.next() == Some('0') => decoded.push('\0'),
            other => decoded.push(other),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_has_the_character_that_cannot_be_kept() {
        for text in [
            "",
            "plain",
            "a\0b",
            "\0\0",
            "\u{10FFFF}",
            "\u{10FFFF}0\0m",
            "0\u{10FFFF}\0",
        ] {
            let encoded = encode(text).into_owned();
            assert!(!encoded.contains('\0'), "{text:?}");
            assert_eq!(decode(encoded), text);
        }
        assert!(matches!(encode("plain"), Cow::Borrowed(_)));
    }
}
