//! A value that is worked out of others, and kept so that nobody has to do it again.

/// A value that says nothing new: two of them are always equal, there or not.
#[derive(Clone, Debug)]
pub(crate) struct Derived<T>(pub(crate) Option<T>);

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> PartialEq for Derived<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
