//! A cluster in memory under faults from a seed: whatever is stopped, killed and lost, every accepted run ends once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millwork_core::event::Event;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::outcome::Outcome;
use millwork_core::run::RunStatus;
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Process, TIMEOUT, open};
use crate::support::scripted::Scripted;

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

/// Whether results of pure steps are written together with what follows.
#[derive(Clone, Copy, Debug)]
enum Elision {
    On,
    Off,
}

struct Story {
    seed: u64,
    elision: Elision,
    chance: Chance,
    cluster: Cluster,
    api: Process,
    workers: Vec<Process>,
    /// The connectors of every process there ever was: they remember what they were called with.
    connectors: Vec<Arc<Scripted>>,
    accepted: Vec<RunId>,
}

/// `gate` acts; `draw` acts on nothing, and never gives the same answer twice.
fn connectors() -> Scripted {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    open().with_pure("draw", |call| async move {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let answer = json!({"n": n, "of": call.config.value()["of"]});
        Ok(Outcome::Completed(Json::from(answer)))
    })
}

impl Story {
    fn new(seed: u64, elision: Elision) -> Self {
        let cluster = match elision {
            Elision::On => Cluster::new(),
            Elision::Off => Cluster::without_elision(),
        };
        let mut story = Self {
            seed,
            elision,
            chance: Chance(seed),
            api: cluster.api_with(connectors()),
            workers: Vec::new(),
            connectors: Vec::new(),
            cluster,
            accepted: Vec::new(),
        };
        for _ in 0..WORKERS {
            let worker = story.worker();
            story.workers.push(worker);
        }
        story
    }

    fn worker(&mut self) -> Process {
        let worker = self.cluster.worker(connectors());
        self.connectors.push(Arc::clone(&worker.plugins));
        worker
    }

    async fn tell(mut self) {
        let workflow = self
            .api
            .create(json!([
                {"name": "a", "type": "gate", "config": {"of": 0}},
                {"name": "d", "type": "draw", "config": {"of": "${a.of}"}},
                {"name": "e", "type": "draw", "config": {"of": "${d.n}"}},
                {"name": "b", "type": "gate", "config": {"of": "${e.n}"}},
                {"name": "nap", "type": "delay", "config": {"duration": 4}},
                {"name": "f", "type": "draw", "config": {"of": "${b.of}"}},
                {"name": "g", "type": "draw", "config": {"of": "${f.n}"}},
                {"name": "sleep", "type": "delay", "config": {"duration": 40}},
                {"name": "c", "type": "gate", "config": {"of": "${g.n}"}},
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
                self.workers[which] = self.worker();
            }
            3 => {
                self.workers[which].way.go_on();
                self.workers[which].engine.shut_down(Duration::ZERO).await;
                self.workers[which].way.stop();
                self.workers[which] = self.worker();
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
        let seed = format!("seed {}, elision {:?}", self.seed, self.elision);
        assert!(self.accepted.len() > 20, "{seed}: too little happened");
        let mut announced: BTreeMap<RunId, usize> = BTreeMap::new();
        for ended in self.cluster.hub.ended() {
            assert_eq!(ended.status, RunStatus::Success, "{seed}: {ended:?}");
            *announced.entry(ended.run).or_default() += 1;
        }
        let mut told: HashMap<(RunId, String), Value> = HashMap::new();
        for run in &self.accepted {
            let journal = self.cluster.journal(*run).await;
            let story = format!("{seed}: run {run}: {journal:#?}");
            let ends = |event: &&Event| matches!(event, Event::RunSucceeded { .. });
            assert_eq!(journal.iter().filter(ends).count(), 1, "{story}");
            assert!(journal.last().is_some_and(|last| ends(&last)), "{story}");
            let done = journal.iter().filter_map(|event| match event {
                Event::StepSucceeded { step, output, .. } => {
                    told.insert((*run, step.name.to_string()), output.value().clone());
                    Some(&*step.name)
                }
                _ => None,
            });
            let done: Vec<&str> = done.collect();
            let all = ["a", "d", "e", "b", "nap", "f", "g", "sleep", "c"];
            assert_eq!(done, all, "{story}");
            for (step, before) in [("e", "d"), ("g", "f")] {
                let of = |step: &str, what: &str| told[&(*run, step.to_owned())][what].clone();
                assert_eq!(of(step, "of"), of(before, "n"), "{story}");
            }
            assert!(announced.contains_key(run), "not announced: {story}");
            assert_eq!(self.cluster.due_at(*run).await, None, "{story}");
        }
        self.judge_what_acted(&seed, &told);
        assert_eq!(announced.len(), self.accepted.len(), "{seed}");
        for worker in &self.workers {
            assert_eq!(worker.engine.in_hand(), 0, "{seed}: work was left behind");
        }
    }

    /// What acted on the world acted with what the journal says, in every process and on every attempt.
    fn judge_what_acted(&self, seed: &str, told: &HashMap<(RunId, String), Value>) {
        let calls = self.connectors.iter().flat_map(|all| all.calls());
        let mut judged = 0;
        for call in calls.filter(|call| call.action == "gate") {
            let before = match &*call.step {
                "b" => "e",
                "c" => "g",
                _ => continue,
            };
            let written = &told[&(call.run, before.to_owned())]["n"];
            assert_eq!(call.config.value()["of"], *written, "{seed}: {call:?}");
            judged += 1;
        }
        assert!(judged >= 2 * self.accepted.len(), "{seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_stopped_killed_and_lost_every_accepted_run_ends_once() {
    let both = SEEDS.flat_map(|seed| [(seed, Elision::On), (seed, Elision::Off)]);
    let stories = both.map(|(seed, elision)| tokio::spawn(Story::new(seed, elision).tell()));
    for story in stories.collect::<Vec<_>>() {
        story.await.expect("the story ends well");
    }
}
