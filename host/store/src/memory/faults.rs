//! Commits that fail on purpose, so that tests can show what the engine does then.

use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::chance::Chance;

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of the call is written.
    BeforeWriting,
    /// The first half of the call's commits are written, the others not.
    Partway,
    /// Everything is written, and only the answer is lost: the caller cannot know.
    AfterWriting,
}

impl Fault {
    const ALL: [Self; 3] = [Self::BeforeWriting, Self::Partway, Self::AfterWriting];

    /// How many of a call's commits are written.
    pub(super) const fn written(self, commits: usize) -> usize {
        match self {
            Self::BeforeWriting => 0,
            Self::Partway => commits / 2,
            Self::AfterWriting => commits,
        }
    }

    pub(super) fn error(self) -> Error {
        Error::Unavailable {
            action: "commit",
            source: format!("a test asked for the fault {self:?}").into(),
        }
    }
}

/// Which of the coming calls fail.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    next: Option<(usize, Fault)>,
    random: Option<(Chance, u64)>,
}

impl Faults {
    pub(super) fn fail_next(&self, calls: usize, fault: Fault) {
        self.plan(|plan| plan.next = Some((calls, fault)));
    }

    pub(super) fn fail_at_random(&self, seed: u64, percent: u8) {
        self.plan(|plan| {
            plan.random = (percent > 0).then(|| (Chance::from_seed(seed), u64::from(percent)));
        });
    }

    /// What happens to the call that is being made.
    pub(super) fn draw(&self) -> Option<Fault> {
        self.plan(|plan| {
            if let Some((calls @ 1.., fault)) = &mut plan.next {
                *calls -= 1;
                return Some(*fault);
            }
            let (chance, percent) = plan.random.as_mut()?;
            // Both are drawn each time, so that a course of events does not shift with the percentage.
            let (lot, kind) = (chance.below(100), chance.below(3));
            Fault::ALL
                .get(usize::try_from(kind).unwrap_or(0))
                .copied()
                .filter(|_| lot < *percent)
        })
    }

    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_drawn_as_often_as_it_was_asked_for() {
        let faults = Faults::default();
        faults.fail_next(2, Fault::AfterWriting);
        let drawn = [(); 3].map(|()| faults.draw());
        assert_eq!(
            drawn,
            [Some(Fault::AfterWriting), Some(Fault::AfterWriting), None]
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let course = |seed| {
            let faults = Faults::default();
            faults.fail_at_random(seed, 30);
            (0..1_000).map(|_| faults.draw()).collect::<Vec<_>>()
        };
        assert_eq!(course(7), course(7));
        assert_ne!(course(7), course(8));
        let failed = course(7).iter().flatten().count();
        assert!((250..350).contains(&failed), "{failed} of 1000 failed");
        for fault in Fault::ALL {
            assert!(course(7).contains(&Some(fault)));
        }
    }

    #[test]
    fn a_percentage_of_zero_ends_the_faults() {
        let faults = Faults::default();
        faults.fail_at_random(7, 100);
        assert!(faults.draw().is_some());
        faults.fail_at_random(7, 0);
        assert_eq!(faults.draw(), None);
    }

    #[test]
    fn a_fault_partway_writes_the_first_half() {
        let written = Fault::ALL.map(|fault| fault.written(5));
        assert_eq!(written, [0, 2, 5]);
    }
}
