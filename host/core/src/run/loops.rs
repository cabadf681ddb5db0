//! A loop of a run: which of its iterations are open.

use std::collections::BTreeSet;

use crate::json::Json;

/// A loop whose list is known.
///
/// Iterations begin in the order of the list, at most so many at a time. So those that are open, under way or waiting,
/// are always the first that are not finished; a first attempt leaves no event behind, and need not.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    items: Json,
    parallel: u32,
    length: u32,
    open: BTreeSet<u32>,
    /// The first iteration that has not been opened.
    next: u32,
    /// What the last end of an iteration has opened.
    latest: Option<u32>,
    done: u32,
}

impl Loop {
    pub(super) fn new(items: Json, parallel: u32) -> Self {
        let length = items.value().as_array().map_or(0, Vec::len);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let mut new = Self {
            items,
            parallel,
            length,
            open: BTreeSet::new(),
            next: 0,
            latest: None,
            done: 0,
        };
        new.reopen(|_| false);
        new
    }

    /// Opens what is not done, from the beginning.
    pub(super) fn reopen(&mut self, is_done: impl Fn(u32) -> bool) {
        (self.next, self.latest, self.done) = (0, None, 0);
        self.open.clear();
        for iteration in 0..self.length {
            self.done += u32::from(is_done(iteration));
        }
        for _ in 0..self.parallel {
            if self.open_next(&is_done).is_none() {
                return;
            }
        }
    }

    /// Opens the next iteration that is not done, if there is one.
    fn open_next(&mut self, is_done: impl Fn(u32) -> bool) -> Option<u32> {
        let next = (self.next..self.length).find(|&iteration| !is_done(iteration));
        self.next = next.map_or(self.length, |iteration| iteration + 1);
        self.open.extend(next);
        next
    }

    /// An iteration is done, and makes room for the next.
    pub(super) fn finish(&mut self, iteration: u32, is_done: impl Fn(u32) -> bool) {
        if self.open.remove(&iteration) {
            self.done += 1;
            self.latest = self.open_next(is_done);
        }
    }

    /// What it goes through.
    #[must_use]
    pub const fn items(&self) -> &Json {
        &self.items
    }

    /// How many iterations it has.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// How many are done.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.done
    }

    /// Whether all are done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done == self.length
    }

    /// The iteration for which the last one that ended made room.
    pub(crate) const fn latest(&self) -> Option<u32> {
        self.latest
    }

    /// The iterations that have begun, or may, and are not done.
    #[must_use]
    pub const fn open(&self) -> &BTreeSet<u32> {
        &self.open
    }
}
