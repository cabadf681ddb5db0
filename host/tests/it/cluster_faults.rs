//! A cluster in memory under faults from a seed: whatever is stopped, killed and lost, every accepted run ends once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork_core::event::Event;
use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use serde_json::json;

use crate::support::cluster::{Cluster, Process, TIMEOUT, open};

/// Each is a story of its own. A failure names its seed.
const SEEDS: std::ops::Range<u64> = 1..5;

/// What happens in one story.
const EVENTS: usize = 40;

const WORKERS: usize = 3;

/// A small generator: the story has to be the same for a seed on every machine.
struct Chance(u64);

impl Chance {
    /// One of so many.
    fn of(&mut self, many: u64) -> u64 {
        // splitmix64, https://prng.di.unimi.it/splitmix64.c (public domain).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % many
    }
}

struct Story {
    seed: u64,
    chance: Chance,
    cluster: Cluster,
    api: Process,
    workers: Vec<Process>,
    accepted: Vec<RunId>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let cluster = Cluster::new();
        Self {
            seed,
            chance: Chance(seed),
            api: cluster.api(),
            workers: (0..WORKERS).map(|_| cluster.worker(open())).collect(),
            cluster,
            accepted: Vec::new(),
        }
    }

    async fn tell(mut self) {
        let workflow = self
            .api
            .create(json!([
                {"name": "a", "type": "gate", "config": {"n": 1}},
                {"name": "nap", "type": "delay", "config": {"duration": 4}},
                {"name": "b", "type": "gate", "config": {"n": "${a.n + 1}"}},
                {"name": "sleep", "type": "delay", "config": {"duration": 40}},
                {"name": "c", "type": "gate", "config": {"n": "${b.n + 1}"}},
            ]))
            .await;
        for _ in 0..EVENTS {
            for _ in 0..self.chance.of(3) {
                self.accepted.push(self.api.trigger(workflow).await);
            }
            self.strike().await;
            let seconds = self.chance.of(6);
            self.cluster.pass(Duration::from_secs(seconds)).await;
        }
        self.heal().await;
        self.judge().await;
    }

    /// Something goes wrong, or right again.
    async fn strike(&mut self) {
        let which = usize::try_from(self.chance.of(WORKERS as u64)).expect("few workers");
        let hub = &self.cluster.hub;
        let is_bad = self.chance.of(2) == 0;
        match self.chance.of(7) {
            0 => self.workers[which].way.stop(),
            1 => self.workers[which].way.go_on(),
            2 => {
                self.workers[which].kill();
                self.workers[which] = self.cluster.worker(open());
            }
            3 => {
                self.workers[which].way.go_on();
                self.workers[which].engine.shut_down(Duration::ZERO).await;
                self.workers[which].way.stop();
                self.workers[which] = self.cluster.worker(open());
            }
            4 => hub.loses_items.store(is_bad, Ordering::Relaxed),
            5 => hub.loses_notices.store(is_bad, Ordering::Relaxed),
            _ => hub.refuses_ends.store(is_bad, Ordering::Relaxed),
        }
    }

    /// Everything works again, for as long as the last run may need.
    async fn heal(&self) {
        let hub = &self.cluster.hub;
        for fault in [&hub.loses_items, &hub.loses_notices, &hub.refuses_ends] {
            fault.store(false, Ordering::Relaxed);
        }
        self.workers.iter().for_each(|worker| worker.way.go_on());
        self.cluster.pass(TIMEOUT * 6).await;
    }

    async fn judge(&self) {
        let seed = self.seed;
        assert!(self.accepted.len() > 20, "seed {seed}: too little happened");
        let mut announced: BTreeMap<RunId, usize> = BTreeMap::new();
        for ended in self.cluster.hub.ended() {
            assert_eq!(ended.status, RunStatus::Success, "seed {seed}: {ended:?}");
            *announced.entry(ended.run).or_default() += 1;
        }
        for run in &self.accepted {
            let journal = self.cluster.journal(*run).await;
            let story = format!("seed {seed}: run {run}: {journal:#?}");
            let ends = |event: &&Event| matches!(event, Event::RunSucceeded {});
            assert_eq!(journal.iter().filter(ends).count(), 1, "{story}");
            assert!(journal.last().is_some_and(|last| ends(&last)), "{story}");
            let done = journal.iter().filter_map(|event| match event {
                Event::StepSucceeded { step, .. } => Some(&*step.name),
                _ => None,
            });
            let done: Vec<&str> = done.collect();
            assert_eq!(done, ["a", "nap", "b", "sleep", "c"], "{story}");
            assert!(announced.contains_key(run), "not announced: {story}");
            assert_eq!(self.cluster.due_at(*run).await, None, "{story}");
        }
        assert_eq!(announced.len(), self.accepted.len(), "seed {seed}");
        for worker in &self.workers {
            assert_eq!(
                worker.engine.in_hand(),
                0,
                "seed {seed}: work was left behind"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_stopped_killed_and_lost_every_accepted_run_ends_once() {
    let stories = SEEDS.map(|seed| tokio::spawn(Story::new(seed).tell()));
    for story in stories {
        story.await.expect("the story ends well");
    }
}
