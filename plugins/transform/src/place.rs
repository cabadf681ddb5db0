//! Where something stands in a text.

use std::fmt;

/// A line and a column, both counted from one; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// Where a part of a text begins. Nothing where it is no part of it.
    pub(crate) fn of(part: &str, text: &str) -> Option<Place> {
        // A slice knows where it lies; nothing is read there.
        let offset = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let before = text.get(..offset)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_counted_in_lines_and_characters_from_one() {
        let text = ".a |\n \"é\" | foo";
        let place = |at: usize| Place::of(&text[at..], text).map(|place| place.to_string());
        assert_eq!(place(0).as_deref(), Some("line 1, column 1"));
        let foo = text.find("foo").expect("it is there");
        assert_eq!(place(foo).as_deref(), Some("line 2, column 8"));
        assert_eq!(place(text.len()).as_deref(), Some("line 2, column 11"));
        let elsewhere = text.to_owned();
        assert_eq!(Place::of(&elsewhere, &text[..1]), None);
    }
}
