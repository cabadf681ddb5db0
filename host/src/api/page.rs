//! Lists come in pages. A cursor says where the next page begins; what is in it is nobody's business but ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

/// Items on a page where nobody says.
pub(super) const LIMIT_DEFAULT: usize = 50;

/// Items on a page at most.
pub(super) const LIMIT_MAX: usize = 200;

/// What a cursor begins with, so that another kind of cursor can come later.
const VERSION: u8 = 1;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Asks for the next page when it is sent back as `cursor`; null on the last page.
    #[schema(required, example = "AQGO8-rrAHAAgAAAAAAAAAA")]
    pub(super) next_cursor: Option<String>,
    /// How many items a page has at most.
    #[schema(example = 50)]
    pub(super) limit: usize,
}

impl<T> Page<T> {
    /// Makes a page of what was read: one more than the limit, where there is more.
    pub(super) fn of(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> [u8; 16]) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| has_more)
            .map(|last| cursor_after(id(last)));
        Self {
            items,
            next_cursor,
            limit,
        }
    }
}

impl<T> Page<T> {
    /// Makes a page whose items are known by their numbers; so is the page behind it.
    pub(super) fn numbered(
        items: Vec<T>,
        limit: usize,
        has_more: bool,
        number: impl Fn(&T) -> u32,
    ) -> Self {
        let next = items.last().filter(|_| has_more).map(number);
        Self {
            items,
            next_cursor: next.map(|number| number.to_string()),
            limit,
        }
    }
}

/// Reads the cursor of a list whose items are known by their numbers.
pub(super) fn read_number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok();
    number.ok_or_else(|| {
        "must be the number of an item: send the next_cursor of a page as it is".to_owned()
    })
}

fn cursor_after(id: [u8; 16]) -> String {
    let mut bytes = [VERSION; 17];
    bytes[1..].copy_from_slice(&id);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor: the identifier of the item after which the page begins.
pub(super) fn read_cursor(text: &str) -> Result<[u8; 16], String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| <[u8; 17]>::try_from(bytes).ok());
    match bytes {
        Some([VERSION, id @ ..]) => Ok(id),
        _ => Err("is no cursor: send the next_cursor of a page as it is".to_owned()),
    }
}

/// Reads a page's limit.
pub(super) fn read_limit(text: &str) -> Result<usize, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {LIMIT_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_item_it_was_made_from_and_nothing_else_is_one() {
        let id = [7; 16];
        assert_eq!(read_cursor(&cursor_after(id)), Ok(id));
        for text in ["", "x", &URL_SAFE_NO_PAD.encode([2; 17])] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let items = |count: u8| (0..count).map(|n| [n; 16]).collect::<Vec<_>>();
        let page = Page::of(items(3), 2, |id| *id);
        assert_eq!(
            (page.items.len(), page.next_cursor),
            (2, Some(cursor_after([1; 16])))
        );
        assert_eq!(Page::of(items(2), 2, |id| *id).next_cursor, None);
        assert_eq!(Page::of(items(0), 2, |id| *id).next_cursor, None);
    }

    #[test]
    fn a_limit_is_from_1_to_200() {
        assert_eq!((read_limit("1"), read_limit("200")), (Ok(1), Ok(200)));
        for text in ["0", "201", "-1", "1.5", "many", ""] {
            assert_eq!(
                read_limit(text),
                Err("must be a whole number from 1 to 200".to_owned()),
                "{text}"
            );
        }
    }
}
