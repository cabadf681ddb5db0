//! The tracker against what anybody would expect of it, and against a naive one over random histories.

use std::collections::BTreeMap;

use super::*;

const HOLD_MAX: Duration = Duration::from_secs(5);

struct Table {
    offsets: Offsets,
    start: Instant,
}

impl Table {
    fn new() -> Self {
        let mut offsets = Offsets::default();
        offsets.assign(0, Timestamp::EPOCH);
        Self {
            offsets,
            start: Instant::now(),
        }
    }

    fn begin(&mut self, offset: i64) -> Place {
        self.offsets.begin(0, offset, self.start).unwrap()
    }

    fn told(&mut self, seconds: u64) -> Vec<(i32, i64)> {
        self.offsets
            .advance(self.start + Duration::from_secs(seconds), HOLD_MAX)
    }
}

#[test]
fn the_lowest_unfinished_offset_is_told() {
    // What is begun, in which order it is finished, and what is told after each.
    type Case<'a> = (&'a [i64], &'a [(usize, Option<i64>)]);
    let cases: [Case<'_>; 4] = [
        (&[0, 1, 2], &[(0, Some(1)), (1, Some(2)), (2, Some(3))]),
        (&[0, 1, 2], &[(2, Some(0)), (1, None), (0, Some(3))]),
        (&[5, 9, 20], &[(1, Some(5)), (0, Some(20)), (2, Some(21))]),
        (&[7], &[(0, Some(8)), (0, None)]),
    ];
    for (begun, finished) in cases {
        let mut table = Table::new();
        let places: Vec<Place> = begun.iter().map(|offset| table.begin(*offset)).collect();
        for (which, told) in finished {
            table.offsets.finish(places[*which]);
            let expected: Vec<_> = told.iter().map(|offset| (0, *offset)).collect();
            assert_eq!(table.told(0), expected, "{begun:?} {finished:?}");
        }
    }
}

#[test]
fn what_is_in_hand_for_long_holds_nothing_back() {
    let mut table = Table::new();
    let slow = table.begin(0);
    table.begin(1);
    assert_eq!(table.told(4), [(0, 0)]);
    assert_eq!(table.told(5), [(0, 2)]);
    table.offsets.finish(slow);
    assert_eq!(table.told(6), []);
}

#[test]
fn what_is_held_is_never_finished_by_its_age() {
    let mut table = Table::new();
    let letter = table.begin(0);
    table.offsets.hold(letter);
    assert_eq!(table.told(500), [(0, 0)]);
    table.offsets.finish(letter);
    assert_eq!(table.told(500), [(0, 1)]);
}

#[test]
fn a_late_receipt_of_an_old_assignment_does_not_touch_the_new_one() {
    let mut table = Table::new();
    let old = table.begin(0);
    table.offsets.forget(0);
    assert_eq!(table.told(500), []);
    table.offsets.assign(0, Timestamp::EPOCH);
    let new = table.begin(0);
    table.offsets.finish(old);
    assert!(!table.offsets.is_current(old) && table.offsets.is_current(new));
    assert_eq!(table.told(0), [(0, 0)]);
    table.offsets.finish(new);
    assert_eq!(table.told(0), [(0, 1)]);
}

#[test]
fn what_was_read_before_is_not_begun_again() {
    let mut table = Table::new();
    table.begin(3);
    assert_eq!(table.offsets.begin(0, 3, table.start), None);
    assert_eq!(table.offsets.begin(0, 2, table.start), None);
    assert_eq!(
        table.offsets.begin(1, 9, table.start),
        None,
        "it is somebody else's partition"
    );
}

#[test]
fn what_the_broker_did_not_take_is_told_again() {
    let mut table = Table::new();
    let place = table.begin(0);
    table.offsets.finish(place);
    assert_eq!(table.told(0), [(0, 1)]);
    assert_eq!(table.told(0), []);
    table.offsets.tell_again(0);
    assert_eq!(table.told(0), [(0, 1)]);
}

#[test]
fn random_histories_are_told_as_by_a_naive_tracker() {
    for seed in 1..=500_u64 {
        let mut chance = seed;
        let mut draw = |below: u64| {
            // Marsaglia's xorshift: the seed repeats it.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            chance % below
        };
        let mut table = Table::new();
        let mut places: Vec<Place> = Vec::new();
        let mut open: BTreeMap<i64, ()> = BTreeMap::new();
        let (mut next, mut told) = (0_i64, None);
        for _ in 0..200 {
            match draw(5) {
                0 | 1 => {
                    next += i64::try_from(draw(3)).unwrap();
                    places.push(table.begin(next));
                    open.insert(next, ());
                    next += 1;
                }
                2 | 3 if !places.is_empty() => {
                    let which = usize::try_from(draw(places.len() as u64)).unwrap();
                    open.remove(&places[which].offset);
                    table.offsets.finish(places[which]);
                }
                _ => {
                    let lowest = open
                        .keys()
                        .next()
                        .copied()
                        .or_else(|| Some(next).filter(|_| !places.is_empty()));
                    let expected: Vec<_> = lowest
                        .filter(|lowest| told.is_none_or(|told| told < *lowest))
                        .map(|lowest| (0, lowest))
                        .into_iter()
                        .collect();
                    assert_eq!(table.told(0), expected, "seed {seed}");
                    told = told.max(lowest);
                }
            }
        }
        assert_eq!(table.offsets.unfinished(), open.len(), "seed {seed}");
    }
}
