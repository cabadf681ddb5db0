//! A host that believes nothing: it keeps its own account of the attempts that it was told to make, and after every
//! decision compares it with what the run says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millwork_core::command::{AttemptReturned, Command};
use millwork_core::decide::{Decision, Rejection};
use millwork_core::effect::Effect;
use millwork_core::event::{Event, Wait};
use millwork_core::graph::Node;
use millwork_core::json::Json;
use millwork_core::limits::Limits;
use millwork_core::outcome::{Failure, Outcome};
use millwork_core::retry::Chance;
use millwork_core::run::{Phase, RunStatus};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::plugins::Plugins;
use crate::world::{Beginning, START, World};

/// An attempt that was ordered. An attempt that slept is ordered again under the same number, once for each sleep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ordered {
    pub(crate) step: StepKey,
    pub(crate) attempt: u32,
    /// How often the step had woken to be called again.
    pub(crate) wakes: u32,
}

pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    /// The attempts being made, and when each began.
    pub(crate) under_way: BTreeMap<Ordered, Timestamp>,
    /// Every attempt that this host was told to make since it started.
    ordered: BTreeSet<Ordered>,
    wakes: BTreeMap<StepKey, u32>,
}

impl Host {
    pub(crate) fn of(document: Value) -> Self {
        let world = World::create(Beginning {
            document,
            plugins: Plugins::new(),
            env: json!({}),
            payload: Json::from(json!({"yes": true})),
            vanished: Vec::new(),
            limits: Limits::default(),
            depth: None,
        });
        let world =
            world.unwrap_or_else(|problems| panic!("the definition does not hold: {problems:#?}"));
        Self {
            world,
            now: START,
            under_way: BTreeMap::new(),
            ordered: BTreeSet::new(),
            wakes: BTreeMap::new(),
        }
    }

    pub(crate) fn node(&self, step: &StepKey) -> &Node {
        self.world.graph.node(
            self.world
                .graph
                .find(&step.name)
                .expect("it is a step of the graph"),
        )
    }

    /// The name of any step, if there is one.
    pub(crate) fn pick(&self, which: Index) -> Option<String> {
        let nodes = self.world.graph.nodes();
        (!nodes.is_empty()).then(|| which.get(nodes).name.to_string())
    }

    pub(crate) fn is_under_way(&self, step: &StepKey, attempt: u32) -> bool {
        self.under_way
            .keys()
            .any(|ordered| ordered.step == *step && ordered.attempt == attempt)
    }

    pub(crate) fn answer(
        &mut self,
        ordered: &Ordered,
        result: Result<Outcome, Failure>,
        chance: Chance,
    ) -> Result<Decision, Rejection> {
        self.return_attempt(&ordered.step, ordered.attempt, result, chance)
    }

    pub(crate) fn return_attempt(
        &mut self,
        step: &StepKey,
        attempt: u32,
        result: Result<Outcome, Failure>,
        chance: Chance,
    ) -> Result<Decision, Rejection> {
        let began = self
            .under_way
            .iter()
            .find(|(ordered, _)| ordered.step == *step)
            .map(|(_, began)| *began);
        let returned = AttemptReturned {
            step: step.clone(),
            attempt,
            round: self.world.live.round(),
            started_at: began.unwrap_or(self.now),
            result,
            log: Vec::new(),
            chance,
        };
        // It has come back, whatever the run makes of it.
        let before = self.under_way.clone();
        self.under_way
            .retain(|ordered, _| ordered.step != *step || ordered.attempt != attempt);
        let decided = self.decide(Command::CompleteAttempt(Box::new(returned)));
        if decided.is_err() {
            self.under_way = before;
        }
        decided
    }

    /// The host dies, and another one reads the run.
    pub(crate) fn crash(&mut self) {
        self.world.crash();
        self.under_way.clear();
        self.ordered.clear();
    }

    /// Decides, carries the effects out, and checks that the account and the run agree.
    pub(crate) fn decide(&mut self, command: Command) -> Result<Decision, Rejection> {
        let waiting: Vec<(StepKey, Phase)> = self.waiting();
        let decision = self.world.decide(command, self.now)?;
        for record in &decision.records {
            if let Event::StepResumed { step, .. } = &record.event {
                *self.wakes.entry(step.clone()).or_default() += 1;
            }
        }
        for effect in &decision.effects {
            self.carry_out(effect);
        }
        self.check_end(&decision);
        self.check_timers(&waiting);
        self.check_account();
        Ok(decision)
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::InvokePlugin(invoke) => {
                let step = invoke.step.clone();
                for &before in &self.node(&step).needs {
                    let before = StepKey::of(Arc::clone(&self.world.graph.node(before).name));
                    let is_done = self
                        .world
                        .live
                        .step(&before)
                        .is_some_and(|step| step.phase.is_done());
                    assert!(is_done, "{step} was begun before {before} was done");
                }
                let wakes = self.wakes.get(&step).copied().unwrap_or_default();
                assert!(
                    invoke.resumed.is_none() || wakes > 0,
                    "{step} was resumed without an event"
                );
                let ordered = Ordered {
                    step,
                    attempt: invoke.attempt,
                    wakes,
                };
                assert!(
                    self.ordered.insert(ordered.clone()),
                    "an attempt was ordered twice: {ordered:?}"
                );
                self.under_way.insert(ordered, self.now);
            }
            Effect::StopAttempts => self.under_way.clear(),
            Effect::StartRun(_) | Effect::CancelRun { .. } => {
                panic!("no step here is another run")
            }
        }
    }

    fn waiting(&self) -> Vec<(StepKey, Phase)> {
        let waits =
            |phase: &Phase| matches!(phase, Phase::Suspended { .. } | Phase::Retrying { .. });
        let steps = self
            .world
            .live
            .steps()
            .filter(|(_, step)| waits(&step.phase));
        steps
            .map(|(key, step)| (key.clone(), step.phase.clone()))
            .collect()
    }

    /// A run that ends leaves nothing under way, and says so where something may be.
    fn check_end(&self, decision: &Decision) {
        let ends = |event: &Event| {
            matches!(
                event,
                Event::RunSucceeded { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. }
            )
        };
        let end = decision
            .records
            .iter()
            .position(|record| ends(&record.event));
        assert_eq!(
            end.is_some(),
            self.world.live.status().is_finished(),
            "a run ends by an event"
        );
        if let Some(end) = end {
            assert_eq!(
                end + 1,
                decision.records.len(),
                "something happened after the end"
            );
            let stops = decision.effects == [Effect::StopAttempts];
            let success = self.world.live.status() == RunStatus::Success;
            assert!(
                if success {
                    decision.effects.is_empty()
                } else {
                    stops
                },
                "{:?}",
                decision.effects
            );
            assert_eq!(
                self.under_way,
                BTreeMap::new(),
                "the run has ended, and an attempt is under way"
            );
            for (key, step) in self.world.live.steps() {
                assert!(
                    step.phase.is_finished() && step.completed_at.is_some(),
                    "{key} is left open: {:?}",
                    step.phase
                );
            }
        }
    }

    /// No timer rings early; and the run wakes when the first of its steps does.
    fn check_timers(&self, waiting: &[(StepKey, Phase)]) {
        let due = |phase: &Phase| match phase {
            Phase::Suspended { wait, .. } => wait.due(),
            Phase::Retrying { due, .. } => Some(*due),
            _ => None,
        };
        if self.world.live.status().is_finished() {
            return;
        }
        for (key, phase) in waiting {
            let is_later = due(phase).is_none_or(|due| due > self.now);
            let now = self.world.live.step(key).map(|step| &step.phase);
            let waits_for_signal = |phase: &Phase| {
                matches!(
                    phase,
                    Phase::Suspended {
                        wait: Wait::Signal { .. },
                        ..
                    }
                )
            };
            let went_on = now == Some(phase) || waits_for_signal(phase);
            assert!(
                !is_later || went_on,
                "{key} went on before its time: {phase:?}, now {now:?}"
            );
        }
        let first = self
            .world
            .live
            .steps()
            .filter_map(|(_, step)| due(&step.phase))
            .min();
        assert_eq!(
            self.world.live.wake_at(),
            first,
            "the run wakes at another time than its steps"
        );
        let due_now = self
            .world
            .live
            .steps()
            .filter(|(_, step)| due(&step.phase).is_some_and(|due| due <= self.now));
        let due_now: BTreeSet<&StepKey> = due_now.map(|(key, _)| key).collect();
        assert_eq!(
            self.world.live.due(self.now).collect::<BTreeSet<_>>(),
            due_now,
            "other steps are due than wait"
        );
    }

    /// What the run holds for under way is exactly what was ordered and has not come back: nothing is lost, and nothing
    /// is made that nobody waits for.
    fn check_account(&self) {
        let live = &self.world.live;
        let key = |name: &Arc<str>| StepKey::of(Arc::clone(name));
        let is_done = |name: &Arc<str>| {
            live.step(&key(name))
                .is_some_and(|step| step.phase.is_done())
        };
        let mut expected = BTreeSet::new();
        for node in self.world.graph.nodes() {
            let attempt = match live.step(&key(&node.name)) {
                _ if live.status().is_finished() => None,
                None if node
                    .needs
                    .iter()
                    .all(|&before| is_done(&self.world.graph.node(before).name)) =>
                {
                    Some(1)
                }
                Some(step) if matches!(step.phase, Phase::Running { .. }) => Some(step.attempt),
                _ => None,
            };
            expected.extend(attempt.map(|attempt| (key(&node.name), attempt)));
        }
        let account: BTreeSet<_> = self
            .under_way
            .keys()
            .map(|ordered| (ordered.step.clone(), ordered.attempt))
            .collect();
        assert_eq!(
            account, expected,
            "the attempts being made are not those that the run waits for"
        );
    }
}
