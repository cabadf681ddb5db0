//! Leaves of a journal: the records of one commit stand in one row.
//!
//! A row costs an entry in the table and one in its index, however long its text is: five records in one row are written at a
//! fifth of the price. A leaf has the place of its last record, so that the end of a journal is the end of an index, and a journal is read from a
//! place on by asking for the leaves that end there or later.

use std::borrow::Cow;

use millwork_core::event::Seq;

/// What stands between two records of a leaf. JSON has it nowhere; RFC 7464 separates texts with it, too.
const SEPARATOR: char = '\u{1e}';

/// The text of a leaf.
pub(crate) fn bind(records: &[String]) -> Cow<'_, str> {
    match records {
        [only] => Cow::Borrowed(only),
        _ => {
            let bytes = records.iter().map(|record| record.len() + 1).sum();
            let mut leaf = String::with_capacity(bytes);
            for (number, record) in records.iter().enumerate() {
                if number > 0 {
                    leaf.push(SEPARATOR);
                }
                leaf.push_str(record);
            }
            Cow::Owned(leaf)
        }
    }
}

/// The place of the last of so many records.
pub(crate) fn last(first: Seq, records: usize) -> Seq {
    let behind = Seq::try_from(records.saturating_sub(1)).unwrap_or(Seq::MAX);
    first.saturating_add(behind)
}

/// The records of a leaf, oldest first.
pub fn records(leaf: &str) -> impl Iterator<Item = &str> {
    leaf.split(SEPARATOR)
}

/// The records of a leaf that stand at a place or behind it, oldest first; the last one's place is known.
pub(crate) fn records_from(leaf: String, last: Seq, from: Seq) -> impl Iterator<Item = String> {
    let behind = leaf.matches(SEPARATOR).count();
    let first = last.saturating_sub(Seq::try_from(behind).unwrap_or(Seq::MAX));
    let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
    let (whole, many) = match behind {
        0 => (Some(leaf), None),
        _ => (None, Some(leaf)),
    };
    let whole = whole.filter(|_| skipped == 0);
    let many = many.map(|leaf| {
        let records = records(&leaf).skip(skipped).map(str::to_owned);
        records.collect::<Vec<_>>()
    });
    whole.into_iter().chain(many.into_iter().flatten())
}

/// The first record of a leaf.
pub(crate) fn first(mut leaf: String) -> String {
    if let Some(end) = leaf.find(SEPARATOR) {
        leaf.truncate(end);
    }
    leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn read(leaf: &str, last: Seq, from: Seq) -> Vec<String> {
        records_from(leaf.to_owned(), last, from).collect()
    }

    #[test]
    fn what_is_bound_is_read_from_any_place_on() {
        let all = texts(&["", "{\"a\":\"\\u001e\"}", "[1,\n2]"]);
        let leaf = bind(&all).into_owned();
        assert_eq!(records(&leaf).collect::<Vec<_>>(), all);
        assert_eq!(first(leaf.clone()), all[0]);
        let end = last(4, all.len());
        assert_eq!(end, 6);
        for (from, expected) in [(0, 3), (4, 3), (5, 2), (6, 1), (7, 0), (99, 0)] {
            assert_eq!(read(&leaf, end, from), all[3 - expected..], "{from}");
        }
    }

    #[test]
    fn one_record_is_a_leaf_as_it_is() {
        let all = texts(&["{}"]);
        let leaf = bind(&all);
        assert!(matches!(leaf, Cow::Borrowed("{}")));
        assert_eq!(first(leaf.to_string()), "{}");
        assert_eq!(last(9, 1), 9);
        assert_eq!(read(&leaf, 9, 9), all);
        assert_eq!(read(&leaf, 9, 3), all);
        assert!(read(&leaf, 9, 10).is_empty());
    }
}
