//! Places in a JSON document, as JSON Pointers (RFC 6901).

use std::fmt;

/// A place, as the way to it. It is written out only where somebody asks: members may have names of any length, and a
/// document a hundred thousand places.
#[derive(Clone, Copy, Debug)]
pub enum Pointer<'a> {
    /// Where the way begins: another pointer, written out; empty for the whole document.
    Root(&'a str),
    /// An item of a list.
    Item(&'a Pointer<'a>, usize),
    /// A member of an object.
    Member(&'a Pointer<'a>, &'a str),
}

impl<'a> Pointer<'a> {
    /// The place of an item of the list here.
    #[must_use]
    pub const fn item(&'a self, index: usize) -> Self {
        Self::Item(self, index)
    }

    /// The place of a member of the object here.
    #[must_use]
    pub const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(path) => f.write_str(path),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
            Self::Member(parent, name) => {
                write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_the_way_to_it() {
        let root = Pointer::Root("/steps/0");
        let (config, odd) = (root.member("config"), "a/b~c");
        assert_eq!(
            config.member(odd).item(3).to_string(),
            "/steps/0/config/a~1b~0c/3"
        );
    }
}
