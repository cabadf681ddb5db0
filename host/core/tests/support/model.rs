//! The engine as a machine of states, all of which are looked at.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use millwork_core::command::{AttemptReturned, ChildEnd, Command, From, Retry, Signal};
use millwork_core::decide::{Decision, Rejection, decide};
use millwork_core::effect::Effect;
use millwork_core::event::{End, Event, Pin, Record, RunCreated};
use millwork_core::graph::{Graph, Stage, check};
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Suspension, Then, Until};
use millwork_core::retry::Chance;
use millwork_core::run::{Phase, Run, RunStatus};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde_json::{Value, json};

use crate::plugins::Plugins;

#[path = "model/checks.rs"]
mod checks;
#[path = "model/driver.rs"]
mod driver;
#[path = "model/moves.rs"]
mod moves;
#[path = "model/outside.rs"]
mod outside;

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// More states than this are too many to look at.
const STATES_MAX: usize = 2_000_000;

/// How often what disturbs a run may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Attempts that fail for good.
    pub(crate) failures: u8,
    /// Attempts that fail and may be tried again.
    pub(crate) retries: u8,
    pub(crate) crashes: u8,
    pub(crate) pauses: u8,
    pub(crate) cancels: u8,
    pub(crate) kills: u8,
    /// Runs that have ended and are done again.
    pub(crate) again: u8,
    pub(crate) signals: u8,
    /// Other runs that take the slot for which a run competes whose workflow binds it.
    pub(crate) others: u8,
}

impl Budget {
    /// More of everything, for who has the time.
    pub(crate) const fn deep(self) -> Self {
        Self {
            failures: self.failures + 1,
            crashes: self.crashes + 1,
            pauses: self.pauses + 1,
            ..self
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) ends: usize,
}

/// What the row of the run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Due {
    Never,
    At(Timestamp),
    /// Somebody has it in hand, or had: then the claim runs out.
    Held,
}

/// The one slot for which a run competes whose workflow binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Free,
    Ours,
    /// Another run has it, and ours waits for it or does not.
    Others {
        awaited: bool,
    },
}

/// The process that executes the run.
#[derive(Clone, Debug)]
struct Driver {
    /// The run as it knows it.
    run: Run,
    /// How much of the journal it has seen.
    seen: usize,
    under_way: BTreeSet<(StepKey, u32, u32)>,
}

/// A run for which a step waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Child {
    Runs,
    /// It has ended, and its parent may not know.
    Ended(RunStatus),
    Told,
}

#[derive(Clone, Debug)]
struct State {
    journal: Vec<Record>,
    /// What the journal tells.
    run: Run,
    /// A digest of the journal.
    digest: u64,
    due: Due,
    driver: Option<Driver>,
    children: BTreeMap<RunId, (StepKey, Child)>,
    slot: Slot,
    now: Timestamp,
    left: Budget,
}

/// Something that may happen next.
#[derive(Clone, Debug)]
enum Move {
    TakeUp,
    /// Word comes that somebody has done something to the run.
    Look,
    Answer(StepKey, Answer),
    Wake,
    Time(Timestamp),
    Crash,
    ChildEnds(RunId, RunStatus),
    /// The end of another run is told.
    Tell(RunId),
    /// Another run takes the slot, and gives it back.
    OtherEnters,
    OtherLeaves,
    Outside(Ask),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Good,
    Bad,
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Signal,
    Pause,
    Resume,
    Cancel,
    Kill,
    Retry,
    Restart,
}

/// Whether a move needs nobody who wants something: what happens by itself, sooner or later, where all goes well.
const fn is_progress(step: &Move) -> bool {
    match step {
        Move::TakeUp
        | Move::Look
        | Move::Wake
        | Move::Time(_)
        | Move::Tell(_)
        | Move::OtherLeaves => true,
        Move::Answer(_, answer) => matches!(answer, Answer::Good),
        Move::ChildEnds(_, status) => matches!(status, RunStatus::Success),
        // Who holds a run lets it go; who is asked answers.
        Move::Outside(ask) => matches!(ask, Ask::Resume | Ask::Signal),
        Move::Crash | Move::OtherEnters => false,
    }
}

/// Looks at every state that can be reached.
pub(crate) fn explore(workflow: &Value, budget: Budget) -> Explored {
    let model = Model::of(workflow);
    let mut states = vec![model.start(budget)];
    let mut known = HashMap::from([(fingerprint(&states[0]), 0)]);
    // How each state was come to, to tell the story of what is wrong with one; and who leads to whom by itself.
    let mut came: Vec<Option<(usize, Move, bool)>> = vec![None];
    let mut leads: Vec<Vec<usize>> = vec![Vec::new()];
    let (mut at, mut transitions, mut ends) = (0, 0, Vec::new());
    while at < states.len() {
        assert!(
            states.len() < STATES_MAX,
            "there are more than {STATES_MAX} states: ask for less"
        );
        if states[at].run.status().is_finished() {
            ends.push(at);
        }
        for step in model.moves(&states[at]) {
            for dies in [false, true] {
                let Some(next) =
                    model.make(&states[at], &step, dies, || story(&came, at, &step, dies))
                else {
                    continue;
                };
                transitions += 1;
                let index = match known.entry(fingerprint(&next)) {
                    Entry::Occupied(found) => *found.get(),
                    Entry::Vacant(place) => {
                        place.insert(states.len());
                        states.push(next);
                        came.push(Some((at, step.clone(), dies)));
                        leads.push(Vec::new());
                        states.len() - 1
                    }
                };
                if is_progress(&step) && !dies {
                    leads[index].push(at);
                }
            }
        }
        at += 1;
    }
    // From the ends backwards: whatever is not found has come to where it waits for nobody.
    let mut can_end = vec![false; states.len()];
    let mut next = ends.clone();
    while let Some(index) = next.pop() {
        if !std::mem::replace(&mut can_end[index], true) {
            next.extend(&leads[index]);
        }
    }
    if let Some(lost) = can_end.iter().position(|can| !can) {
        let run = &states[lost].run;
        panic!(
            "the run never ends\n{}\nrow {:?}, driver {:?}\n{run:#?}",
            story(&came, lost, &Move::Look, false),
            states[lost].due,
            states[lost].driver.as_ref().map(|d| &d.under_way)
        );
    }
    Explored {
        states: states.len(),
        transitions,
        ends: ends.len(),
    }
}

fn story(came: &[Option<(usize, Move, bool)>], mut at: usize, last: &Move, dies: bool) -> String {
    let mut steps = vec![(last.clone(), dies)];
    while let Some((before, step, dies)) = &came[at] {
        steps.push((step.clone(), *dies));
        at = *before;
    }
    let mut told = String::new();
    for (step, dies) in steps.into_iter().rev() {
        let dies = if dies { ", and the host dies" } else { "" };
        writeln!(told, "  {step:?}{dies}").expect("a text takes everything");
    }
    told
}

/// Two states that differ in nothing that matters are one.
fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    (state.digest, state.due, state.now, state.left).hash(&mut hasher);
    state.slot.hash(&mut hasher);
    for (run, (step, child)) in &state.children {
        (run, step, child).hash(&mut hasher);
    }
    if let Some(driver) = &state.driver {
        (driver.seen, &driver.under_way).hash(&mut hasher);
    }
    hasher.finish()
}

struct Model {
    graph: Graph,
    created: Arc<RunCreated>,
}

fn fold(journal: &[Record]) -> Run {
    Run::fold(RunId::from_parts(START, [2; 10]), journal).expect("it begins with run-created")
}

impl State {
    /// Writes records at the end of the journal.
    fn append(&mut self, records: Vec<Record>, run: Run) {
        let mut hasher = DefaultHasher::new();
        self.digest.hash(&mut hasher);
        for record in &records {
            record.encode().hash(&mut hasher);
        }
        self.digest = hasher.finish();
        self.journal.extend(records);
        self.run = run;
        // Who ends gives back what he held, or his place in the queue, in the same transaction.
        if self.run.status().is_finished() {
            self.slot = match self.slot {
                Slot::Others { .. } => Slot::Others { awaited: false },
                Slot::Free | Slot::Ours => Slot::Free,
            };
        }
    }
}
