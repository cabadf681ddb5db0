//! When the server dies: drawn from a seed before anything happens.

use std::time::Duration;

/// The longest that a server lives on after the trigger that decides its end. In this time it executes what it has.
const LIVES_ON_MAX: Duration = Duration::from_millis(300);

/// The longest that a server lives which is killed while it starts.
const STARTING_MAX: Duration = Duration::from_millis(150);

/// How often a server is killed again while it starts.
const AGAIN_SHARE: f64 = 0.25;

/// The deaths of a server, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) deaths: Vec<Death>,
    runs: u64,
}

/// A death, and what comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// After so many triggers are settled …
    pub(super) after_triggers: u64,
    /// … and this much longer.
    pub(super) lives_on: Duration,
    /// Whether, and when, the next one is killed before it is ready: recovery itself has to stand that.
    pub(super) again_after: Option<Duration>,
    /// How many runs may be triggered once the server is back.
    pub(super) next_gate: u64,
}

impl Plan {
    /// Draws one. The runs are shared out over the lives of the server, so that none of them is idle.
    pub(super) fn draw(seed: u64, runs: u64, kills: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut left = kills;
        let mut drawn = Vec::new();
        while left > 0 {
            left -= 1;
            let again = left > 0 && random.f64() < AGAIN_SHARE;
            left -= u32::from(again);
            // Half of the deaths come in the middle of the triggering, half in what follows.
            let lives_on = if random.bool() {
                Duration::ZERO
            } else {
                LIVES_ON_MAX.mul_f64(random.f64())
            };
            drawn.push((lives_on, again.then(|| STARTING_MAX.mul_f64(random.f64()))));
        }
        let lives = drawn.len() as u64 + 1;
        let gate = |life: u64| runs * (life + 1) / lives;
        let deaths = drawn
            .into_iter()
            .zip(0..)
            .map(|((lives_on, again_after), life)| {
                let begin = if life == 0 { 0 } else { gate(life - 1) };
                let after_triggers = random.u64(begin..gate(life).max(begin + 1));
                Death {
                    after_triggers,
                    lives_on,
                    again_after,
                    next_gate: gate(life + 1),
                }
            });
        Self {
            deaths: deaths.collect(),
            runs,
        }
    }

    /// How many runs may be triggered before the first death.
    pub(super) fn first_gate(&self) -> u64 {
        self.runs / (self.deaths.len() as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_every_kill_is_in_it() {
        for seed in 0..200 {
            let plan = Plan::draw(seed, 10_000, 20);
            assert_eq!(plan, Plan::draw(seed, 10_000, 20));
            let kills: usize = plan
                .deaths
                .iter()
                .map(|death| 1 + usize::from(death.again_after.is_some()))
                .sum();
            assert_eq!(kills, 20, "seed {seed}");
        }
        assert_ne!(Plan::draw(1, 10_000, 20), Plan::draw(2, 10_000, 20));
    }

    #[test]
    fn every_death_can_come_and_the_last_gate_lets_all_through() {
        for seed in 0..200 {
            for (runs, kills) in [(10_000, 20), (21, 20), (200, 3), (5, 0)] {
                let plan = Plan::draw(seed, runs, kills);
                let mut gate = plan.first_gate();
                for death in &plan.deaths {
                    assert!(
                        death.after_triggers < gate.max(1),
                        "seed {seed}: {death:?} waits behind {gate}"
                    );
                    gate = death.next_gate;
                }
                assert_eq!(gate, runs, "seed {seed}");
            }
        }
    }
}
