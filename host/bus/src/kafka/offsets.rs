//! How far each partition has been worked off: the lowest offset that is not finished is what the broker is told.
//!
//! Nothing here talks to a broker or reads a clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use millwork_core::time::Timestamp;

/// Where a message lies. The generation tells an old assignment of a partition from a new one, so that what was finished
/// under the old one does not touch the new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
    generation: u64,
}

/// The partitions that this process reads.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    generation: u64,
}

#[derive(Debug)]
struct Partition {
    generation: u64,
    assigned_at: Timestamp,
    /// What has been read from the lowest unfinished one on, in the order of offsets.
    entries: VecDeque<Entry>,
    /// The offset after the last that was read.
    next: Option<i64>,
    /// What the broker has been told last.
    told: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InHand {
        since: Instant,
    },
    /// Somebody else has to have it, however old it is: a letter on its way, or what was given back.
    Held,
    Finished,
}

impl Offsets {
    /// A partition is this process's from now on.
    pub(super) fn assign(&mut self, partition: i32, at: Timestamp) {
        self.generation += 1;
        self.partitions.insert(
            partition,
            Partition {
                generation: self.generation,
                assigned_at: at,
                entries: VecDeque::new(),
                next: None,
                told: None,
            },
        );
    }

    /// A partition is somebody else's.
    pub(super) fn forget(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Since when a partition has been this process's.
    pub(super) fn assigned_at(&self, partition: i32) -> Option<Timestamp> {
        Some(self.partitions.get(&partition)?.assigned_at)
    }

    /// Takes a message in hand. Nothing where the partition is not this process's, or the message has been read before.
    pub(super) fn begin(&mut self, partition: i32, offset: i64, now: Instant) -> Option<Place> {
        let own = self.partitions.get_mut(&partition)?;
        if own.next.is_some_and(|next| offset < next) {
            return None;
        }
        own.next = Some(offset + 1);
        own.entries.push_back(Entry {
            offset,
            state: State::InHand { since: now },
        });
        Some(Place {
            partition,
            offset,
            generation: own.generation,
        })
    }

    /// A message is finished with.
    pub(super) fn finish(&mut self, place: Place) {
        self.set(place, State::Finished);
    }

    /// A message must not count as finished by its age.
    pub(super) fn hold(&mut self, place: Place) {
        self.set(place, State::Held);
    }

    /// Whether the place is of an assignment that still holds.
    pub(super) fn is_current(&self, place: Place) -> bool {
        self.partitions
            .get(&place.partition)
            .is_some_and(|own| own.generation == place.generation)
    }

    fn set(&mut self, place: Place, state: State) {
        let Some(own) = self.partitions.get_mut(&place.partition) else {
            return;
        };
        if own.generation != place.generation {
            return;
        }
        // What counts as finished by its age is no longer there.
        if let Ok(at) = own
            .entries
            .binary_search_by_key(&place.offset, |entry| entry.offset)
        {
            own.entries[at].state = state;
        }
    }

    /// What the broker is to be told: for each partition that has come further, the offset to go on from.
    pub(super) fn advance(&mut self, now: Instant, hold_max: Duration) -> Vec<(i32, i64)> {
        let mut further = Vec::new();
        for (partition, own) in &mut self.partitions {
            while own
                .entries
                .front()
                .is_some_and(|entry| entry.is_over(now, hold_max))
            {
                own.entries.pop_front();
            }
            let lowest = own.entries.front().map(|entry| entry.offset).or(own.next);
            if let Some(lowest) = lowest
                && own.told.is_none_or(|told| told < lowest)
            {
                own.told = Some(lowest);
                further.push((*partition, lowest));
            }
        }
        further
    }

    /// The broker may not know what it was told: tell it again.
    pub(super) fn tell_again(&mut self, partition: i32) {
        if let Some(own) = self.partitions.get_mut(&partition) {
            own.told = None;
        }
    }

    /// How many messages have been read and are not finished.
    pub(super) fn unfinished(&self) -> usize {
        self.partitions
            .values()
            .flat_map(|own| &own.entries)
            .filter(|entry| entry.state != State::Finished)
            .count()
    }

    /// How many partitions are this process's.
    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }
}

impl Entry {
    fn is_over(&self, now: Instant, hold_max: Duration) -> bool {
        match self.state {
            State::Finished => true,
            State::InHand { since } => now.saturating_duration_since(since) >= hold_max,
            State::Held => false,
        }
    }
}

#[cfg(test)]
mod tests;
