//! What comes before what.

use super::NodeIndex;

/// Which steps are surely done when a step begins; one set of bits a step. Nothing where the needs go in a circle.
pub(super) fn find_ancestors(needs: &[Vec<NodeIndex>]) -> Option<Vec<Vec<u64>>> {
    let mut ancestors = vec![none(needs.len()); needs.len()];
    let order = topological_order(needs);
    if order.len() < needs.len() {
        return None;
    }
    for index in order {
        let mut own = none(needs.len());
        for &before in &needs[index] {
            insert(&mut own, before);
            for (word, theirs) in own.iter_mut().zip(&ancestors[before]) {
                *word |= theirs;
            }
        }
        ancestors[index] = own;
    }
    Some(ancestors)
}

/// An empty set of bits for so many steps.
pub(super) fn none(steps: usize) -> Vec<u64> {
    vec![0; steps.div_ceil(64)]
}

pub(super) fn insert(set: &mut [u64], index: NodeIndex) {
    set[index / 64] |= 1 << (index % 64);
}

pub(super) fn contains(set: &[u64], index: NodeIndex) -> bool {
    set[index / 64] >> (index % 64) & 1 == 1
}

/// Kahn's algorithm. What is in a circle, or behind one, is left out.
fn topological_order(needs: &[Vec<NodeIndex>]) -> Vec<NodeIndex> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); needs.len()];
    for (index, needed) in needs.iter().enumerate() {
        for &before in needed {
            dependents[before].push(index);
        }
    }
    let mut order: Vec<NodeIndex> = (0..needs.len())
        .filter(|&index| missing[index] == 0)
        .collect();
    let mut next = 0;
    while let Some(&index) = order.get(next) {
        next += 1;
        for &dependent in &dependents[index] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                order.push(dependent);
            }
        }
    }
    order
}

/// Finds the circles: each as the steps that wait for each other, every one for the one before it.
///
/// Circles that share a step are found one at a time: taking one apart shows the next.
pub(super) fn find_circles(needs: &[Vec<NodeIndex>]) -> Vec<Vec<NodeIndex>> {
    let mut in_circle_or_behind = vec![true; needs.len()];
    for index in topological_order(needs) {
        in_circle_or_behind[index] = false;
    }
    // Every step that was left out needs another one that was. So a walk backwards never ends: it comes to a step where
    // it, or an earlier walk, has been.
    let mut walked_by = vec![None; needs.len()];
    let mut circles = Vec::new();
    for start in 0..needs.len() {
        let mut walk = Vec::new();
        let mut at = Some(start).filter(|&start| in_circle_or_behind[start]);
        while let Some(index) = at.filter(|&index| walked_by[index].is_none()) {
            walked_by[index] = Some(start);
            walk.push(index);
            at = needs[index]
                .iter()
                .copied()
                .find(|&before| in_circle_or_behind[before]);
        }
        if let Some(meeting) =
            at.and_then(|index| walk.iter().position(|&earlier| earlier == index))
        {
            let mut circle = walk.split_off(meeting);
            circle.reverse();
            let first = circle
                .iter()
                .enumerate()
                .min_by_key(|(_, index)| **index)
                .map_or(0, |(place, _)| place);
            circle.rotate_left(first);
            circles.push(circle);
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circle_is_found_and_what_is_behind_it_is_not_part_of_it() {
        let needs = [
            vec![],
            vec![3, 0],
            vec![1],
            vec![2],
            vec![3],
            vec![6],
            vec![5],
            vec![7],
        ];
        assert_eq!(find_circles(&needs), [vec![1, 2, 3], vec![5, 6], vec![7]]);
        assert_eq!(find_ancestors(&needs), None);
    }

    #[test]
    fn ancestors_reach_all_the_way_back() {
        let ancestors = find_ancestors(&[vec![], vec![0], vec![], vec![1, 2]]);
        assert_eq!(
            ancestors,
            Some(vec![vec![0], vec![0b1], vec![0], vec![0b111]])
        );
    }
}
