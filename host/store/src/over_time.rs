//! How many of the runs that were created within a time are in each state now, stretch by stretch of that time.
//!
//! This is counted, and not kept: so it looks at so many runs and no more, the newest first, and says how far it came.

use std::time::Duration;

use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use crate::{Order, RunCounts, RunQuery};

/// Which runs to count, and in how many stretches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverTime {
    /// Only of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only created at or after this time.
    pub from: Timestamp,
    /// Only created before this time, which is later.
    pub before: Timestamp,
    /// Into how many stretches of one length that time is cut; the last may reach beyond it.
    pub stretches: u16,
    /// At how many runs to look, at most.
    pub runs_max: usize,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsOverTime {
    /// From when on every run is counted: the time that was asked for, or later where there were more runs than may be looked at.
    pub counted_from: Timestamp,
    /// How long a stretch is.
    pub stretch: Duration,
    /// The counts of each stretch, the earliest first.
    pub counts: Vec<RunCounts>,
}

impl OverTime {
    /// The same runs as a list, the newest first.
    pub(crate) fn list(&self) -> RunQuery {
        RunQuery {
            workflow: self.workflow,
            statuses: Vec::new(),
            labels: Vec::new(),
            created_from: Some(self.from),
            created_before: Some(self.before),
            after: None,
            order: Order::NewestFirst,
            limit: self.runs_max,
        }
    }

    /// How many microseconds a stretch has.
    pub(crate) fn stretch_micros(&self) -> i64 {
        let span = self
            .before
            .as_micros()
            .saturating_sub(self.from.as_micros());
        let stretches = i64::from(self.stretches.max(1));
        (span.max(1) - 1) / stretches + 1
    }

    /// Puts together what was counted: of each state, in which stretch, how many, and when the first of them was created.
    pub(crate) fn put_together(
        &self,
        counted: impl IntoIterator<Item = (RunStatus, i64, u64, Timestamp)>,
    ) -> CountsOverTime {
        let stretch = self.stretch_micros();
        let mut counts = vec![RunCounts::default(); usize::from(self.stretches.max(1))];
        let (mut all, mut earliest) = (0, self.before);
        for (status, place, count, first) in counted {
            let place = usize::try_from(place).ok();
            if let Some(counts) = place.and_then(|place| counts.get_mut(place)) {
                counts.add(status, count);
            }
            all += count;
            earliest = earliest.min(first);
        }
        let is_cut_off = all >= u64::try_from(self.runs_max).unwrap_or(u64::MAX);
        CountsOverTime {
            counted_from: if is_cut_off { earliest } else { self.from },
            stretch: Duration::from_micros(stretch.unsigned_abs()),
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_reach_to_the_end() {
        for (from, before, stretches, micros) in [
            (0, 100, 10, 10),
            (5, 106, 10, 11),
            (0, 3, 10, 1),
            (7, 7, 3, 1),
            (0, 10, 0, 10),
            (9, 5, 3, 1),
        ] {
            let query = OverTime {
                workflow: None,
                from: Timestamp::from_micros(from),
                before: Timestamp::from_micros(before),
                stretches,
                runs_max: 1,
            };
            assert_eq!(query.stretch_micros(), micros, "{query:?}");
        }
    }
}
