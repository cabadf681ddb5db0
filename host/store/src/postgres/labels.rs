//! The labels of new runs, as the statement takes them that creates the runs.

use std::borrow::Cow;

use uuid::Uuid;

use super::{columns, text};
use crate::Commit;

/// Labels, column by column. Of runs without, which most are, there is nothing.
#[derive(Default)]
pub(super) struct LabelColumns<'c> {
    pub(super) runs: Vec<Uuid>,
    pub(super) names: Vec<Cow<'c, str>>,
    pub(super) values: Vec<Cow<'c, str>>,
}

impl<'c> LabelColumns<'c> {
    pub(super) fn of(commits: &[&'c Commit]) -> Self {
        let mut all = Self::default();
        for commit in commits {
            for (name, value) in commit.new.iter().flat_map(|new| &new.labels) {
                all.runs.push(columns::uuid(commit.run));
                all.names.push(text::encode(name));
                all.values.push(text::encode(value));
            }
        }
        all
    }
}
