//! What goes wrong, and when: drawn from a seed before anything happens.

use std::fmt;
use std::time::Duration;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A worker dies without a word, and is started again.
    KillWorker(usize),
    /// An API dies without a word, perhaps between a commit and its hint, and is started again.
    KillApi(usize),
    /// A worker does nothing for longer than its session and its claims hold, and then goes on.
    StopWorker(usize),
    /// The broker is killed and started again.
    RestartKafka,
    /// The database ends its connections, and is started again.
    RestartPostgres,
    /// The database is killed, and recovers.
    CrashPostgres,
}

impl Fault {
    /// The kind, as the report names it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::KillWorker(_) => "worker-killed",
            Self::KillApi(_) => "api-killed",
            Self::StopWorker(_) => "worker-stopped",
            Self::RestartKafka => "broker-restarted",
            Self::RestartPostgres => "database-restarted",
            Self::CrashPostgres => "database-crashed",
        }
    }

    /// About how long it takes until it is over.
    const fn takes(self) -> Duration {
        match self {
            Self::KillWorker(_) | Self::KillApi(_) => Duration::from_secs(2),
            Self::StopWorker(_) => STOPPED_FOR,
            Self::RestartKafka => Duration::from_secs(8),
            Self::RestartPostgres | Self::CrashPostgres => Duration::from_secs(2),
        }
    }
}

/// How long a worker is stopped: longer than session and claim together.
pub(super) const STOPPED_FOR: Duration = Duration::from_secs(12);

/// The longest rest before a fault.
const REST_MAX: Duration = Duration::from_millis(2_500);

/// The faults, in order, each after a rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) faults: Vec<(Duration, Fault)>,
}

impl Plan {
    /// Draws one: every kind comes, the quick ones most often.
    pub(super) fn draw(seed: u64, quick: usize, apis: usize, workers: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults = Vec::new();
        for _ in 0..quick.max(1) {
            faults.push(Fault::KillWorker(random.usize(..workers)));
            faults.push(Fault::KillApi(random.usize(..apis)));
        }
        for _ in 0..(quick / 2).max(1) {
            faults.push(Fault::StopWorker(random.usize(..workers)));
        }
        for _ in 0..(quick / 3).max(1) {
            faults.extend([
                Fault::RestartKafka,
                Fault::RestartPostgres,
                Fault::CrashPostgres,
            ]);
        }
        random.shuffle(&mut faults);
        let faults = faults
            .into_iter()
            .map(|fault| (REST_MAX.mul_f64(random.f64()), fault));
        Self {
            faults: faults.collect(),
        }
    }

    /// About how long it takes in all.
    pub(super) fn length(&self) -> Duration {
        self.faults
            .iter()
            .map(|(rest, fault)| *rest + fault.takes())
            .sum()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults over about {} s:",
            self.faults.len(),
            self.length().as_secs()
        )?;
        self.faults
            .iter()
            .try_for_each(|(rest, fault)| write!(f, " {}ms {fault:?}", rest.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_every_kind_of_fault_is_in_it() {
        for seed in 0..100 {
            for quick in [1, 12] {
                let plan = Plan::draw(seed, quick, 2, 3);
                assert_eq!(plan, Plan::draw(seed, quick, 2, 3));
                let kinds: BTreeSet<_> =
                    plan.faults.iter().map(|(_, fault)| fault.kind()).collect();
                assert_eq!(kinds.len(), 6, "seed {seed}: {plan}");
            }
        }
        assert_ne!(Plan::draw(1, 12, 2, 3), Plan::draw(2, 12, 2, 3));
    }
}
