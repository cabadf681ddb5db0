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
        Move::TakeUp | Move::Look | Move::Wake | Move::Time(_) | Move::Tell(_) => true,
        Move::Answer(_, answer) => matches!(answer, Answer::Good),
        Move::ChildEnds(_, status) => matches!(status, RunStatus::Success),
        // Who holds a run lets it go; who is asked answers.
        Move::Outside(ask) => matches!(ask, Ask::Resume | Ask::Signal),
        Move::Crash => false,
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
    }
}

impl Model {
    fn of(workflow: &Value) -> Self {
        let checked = check(workflow, &Plugins::new(), &Arc::new(json!({})));
        let graph = checked
            .graph
            .unwrap_or_else(|| panic!("the workflow does not hold: {:?}", checked.problems));
        let pins = checked.connectors.into_iter().map(|found| {
            let pin = Pin {
                digest: found.connector.digest,
                action: found.connector.action,
                timeout_ms: None,
                attempts_max: None,
            };
            (found.reference, pin)
        });
        let created = RunCreated {
            workflow: WorkflowId::from_parts(START, [1; 10]),
            version: 1,
            payload: Json::empty_object(),
            plugins: pins.collect(),
            bounds: None,
            origin: None,
            deadline: graph.deadline(START),
            parent: None,
        };
        Self {
            graph,
            created: Arc::new(created),
        }
    }

    fn start(&self, left: Budget) -> State {
        let created = Record {
            at: START,
            event: Event::RunCreated(Arc::clone(&self.created)),
        };
        let journal = vec![created];
        State {
            run: fold(&journal),
            journal,
            digest: 0,
            due: Due::At(START),
            driver: None,
            children: BTreeMap::new(),
            now: START,
            left,
        }
    }

    /// All that may happen next.
    fn moves(&self, state: &State) -> Vec<Move> {
        let run = &state.run;
        let left = &state.left;
        let mut moves = Vec::new();
        match &state.driver {
            None => {
                let is_due = match state.due {
                    Due::Never => false,
                    Due::At(at) => at <= state.now,
                    Due::Held => true,
                };
                if is_due {
                    moves.push(Move::TakeUp);
                }
            }
            Some(driver) => {
                if driver.seen < state.journal.len() {
                    moves.push(Move::Look);
                }
                if driver.run.wake_at().is_some_and(|at| at <= state.now) {
                    moves.push(Move::Wake);
                }
                for (step, _, _) in &driver.under_way {
                    moves.push(Move::Answer(step.clone(), Answer::Good));
                    if left.failures > 0 {
                        moves.push(Move::Answer(step.clone(), Answer::Bad));
                    }
                    if left.retries > 0 {
                        moves.push(Move::Answer(step.clone(), Answer::Again));
                    }
                }
                if left.crashes > 0 {
                    moves.push(Move::Crash);
                }
            }
        }
        let wake = run.wake_at().filter(|at| *at > state.now);
        moves.extend(wake.map(Move::Time));
        for (child, (_, stands)) in &state.children {
            match stands {
                Child::Runs => {
                    moves.push(Move::ChildEnds(*child, RunStatus::Success));
                    if left.failures > 0 {
                        moves.push(Move::ChildEnds(*child, RunStatus::Failed));
                    }
                }
                Child::Ended(_) => moves.push(Move::Tell(*child)),
                Child::Told => {}
            }
        }
        if run.status().is_finished() {
            if left.again > 0 {
                moves.extend([Move::Outside(Ask::Retry), Move::Outside(Ask::Restart)]);
            }
            return moves;
        }
        if run.paused_at().is_some() {
            moves.push(Move::Outside(Ask::Resume));
        } else if left.pauses > 0 {
            moves.push(Move::Outside(Ask::Pause));
        }
        if left.signals > 0 {
            moves.push(Move::Outside(Ask::Signal));
        }
        if left.cancels > 0 {
            moves.push(Move::Outside(Ask::Cancel));
        }
        if left.kills > 0 {
            moves.push(Move::Outside(Ask::Kill));
        }
        moves
    }

    /// Makes a move. Nothing where it cannot be made so: only a driver that writes can die between writing and doing.
    fn make(
        &self,
        before: &State,
        step: &Move,
        dies: bool,
        story: impl Fn() -> String,
    ) -> Option<State> {
        let mut state = before.clone();
        let is_drivers = matches!(
            step,
            Move::TakeUp | Move::Look | Move::Wake | Move::Answer(..)
        );
        if dies && (!is_drivers || state.left.crashes == 0) {
            return None;
        }
        match step {
            Move::TakeUp => {
                let run = state.run.clone();
                state.due = Due::Held;
                state.driver = Some(Driver {
                    run,
                    seen: state.journal.len(),
                    under_way: BTreeSet::new(),
                });
                self.drive(&mut state, Command::TakeUp, dies, &story);
            }
            Move::Look => {
                self.reload(&mut state);
                let command = resync(&state);
                self.drive(&mut state, command, dies, &story);
            }
            Move::Wake => self.drive(&mut state, Command::Wake, dies, &story),
            Move::Answer(step, answer) => {
                let command = self.answer(&mut state, step, *answer);
                self.drive(&mut state, command, dies, &story);
            }
            Move::Time(at) => state.now = *at,
            Move::Crash => {
                state.left.crashes -= 1;
                state.driver = None;
            }
            Move::ChildEnds(child, status) => {
                if *status != RunStatus::Success {
                    state.left.failures -= 1;
                }
                let (_, stands) = state.children.get_mut(child).expect("it is there");
                *stands = Child::Ended(*status);
            }
            Move::Tell(child) => self.tell(&mut state, *child),
            Move::Outside(ask) => self.ask(&mut state, *ask)?,
        }
        if dies {
            // It had nothing to write, and so nothing to die after.
            if state.journal.len() == before.journal.len() {
                return None;
            }
            state.left.crashes -= 1;
            state.driver = None;
        }
        self.check(before, &state, &story);
        Some(state)
    }

    /// What an attempt comes to, by the type of its step.
    fn answer(&self, state: &mut State, step: &StepKey, answer: Answer) -> Command {
        let driver = state.driver.as_mut().expect("somebody makes the attempt");
        let found = driver.under_way.iter().find(|(key, _, _)| key == step);
        let (step, attempt, round) = found.cloned().expect("it is under way");
        driver.under_way.remove(&(step.clone(), attempt, round));
        let node = self
            .graph
            .node(self.graph.find(&step.name).expect("it is a step"));
        let then = Then::Complete(Json::from(json!({"slept": true})));
        let suspended = |until| {
            Ok(Outcome::Suspended(Suspension {
                until,
                state: Vec::new(),
                then: then.clone(),
            }))
        };
        let result = match (answer, node.connector.as_str()) {
            (Answer::Bad, _) => {
                state.left.failures -= 1;
                Err(Failure::permanent("bad", "it fails for good"))
            }
            (Answer::Again, _) => {
                state.left.retries -= 1;
                Err(Failure::retryable("again", "it may work"))
            }
            (Answer::Good, "delay") => suspended(Until::After(Duration::from_secs(10))),
            (Answer::Good, "signal") => suspended(Until::Signal {
                name: "go".to_owned(),
                timeout: Some(Duration::from_secs(30)),
            }),
            (Answer::Good, "workflow") => {
                let child = child_of(&step, round);
                state
                    .children
                    .entry(child)
                    .or_insert((step.clone(), Child::Runs));
                suspended(Until::Run(child))
            }
            (Answer::Good, _) => Ok(Outcome::Completed(Json::from(json!({"n": 1})))),
        };
        Command::CompleteAttempt(Box::new(AttemptReturned {
            step,
            attempt,
            round,
            started_at: state.now,
            result,
            log: Vec::new(),
            chance: Chance::from_random([0; 4]),
        }))
    }

    /// What the driver does with a command: decides, writes, does; and looks again where somebody was faster.
    fn drive(&self, state: &mut State, command: Command, dies: bool, story: &impl Fn() -> String) {
        let mut commands = VecDeque::from([command]);
        let mut looks_again = false;
        loop {
            let command = match commands.pop_front() {
                Some(command) => command,
                None if std::mem::take(&mut looks_again) => resync(state),
                None => break,
            };
            let driver = state.driver.as_mut().expect("it drives");
            let decided = decide(&self.graph, &mut driver.run, command.clone(), state.now);
            let decision = match decided {
                Ok(decision) => decision,
                Err(Rejection::Finished { .. }) => {
                    driver.under_way.clear();
                    continue;
                }
                Err(_) => continue,
            };
            if decision.records.is_empty() {
                self.begin(state, decision.effects, story);
            } else if driver.seen < state.journal.len() {
                self.reload(state);
                // The command again, since it may still hold; then what somebody else has set free. Until that is done the row
                // says that somebody has the run in hand.
                commands.push_front(command);
                looks_again = true;
            } else {
                let has_more = looks_again || !commands.is_empty();
                self.write(state, decision, (dies, has_more), story);
                if dies {
                    return;
                }
            }
        }
        let driver = state.driver.as_ref().expect("it drives");
        if driver.under_way.is_empty() {
            let is_over = state.run.status().is_finished();
            // It leaves; word that came meanwhile has it look once more. Where nothing was written last, the row says what the
            // run waits for nevertheless.
            match driver.seen < state.journal.len() {
                true if !is_over => state.due = Due::Held,
                false if !is_over && state.due == Due::Held => {
                    state.due = driver.run.wake_at().map_or(Due::Never, Due::At);
                }
                true | false => {}
            }
            state.driver = None;
        }
    }

    fn write(
        &self,
        state: &mut State,
        decision: Decision,
        (dies, has_more): (bool, bool),
        story: &impl Fn() -> String,
    ) {
        let begins = decision.effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::InvokePlugin(_) | Effect::StartRun(_) | Effect::CancelRun { .. }
            )
        });
        let driver = state.driver.as_ref().expect("it writes");
        let run = driver.run.clone();
        state.append(decision.records, run);
        let driver = state.driver.as_mut().expect("it writes");
        driver.seen = state.journal.len();
        let stops = decision.effects.contains(&Effect::StopAttempts);
        let is_busy = begins || has_more || (!driver.under_way.is_empty() && !stops);
        state.due = if driver.run.status().is_finished() {
            Due::Never
        } else if is_busy {
            Due::Held
        } else {
            driver.run.wake_at().map_or(Due::Never, Due::At)
        };
        if !dies {
            self.begin(state, decision.effects, story);
        }
    }

    fn begin(&self, state: &mut State, effects: Vec<Effect>, story: &impl Fn() -> String) {
        for effect in effects {
            let driver = state.driver.as_mut().expect("it begins");
            let ordered = match effect {
                Effect::InvokePlugin(invoke) => (invoke.step, invoke.attempt, invoke.round),
                Effect::StartRun(start) => (start.step, start.attempt, start.round),
                Effect::StopAttempts => {
                    driver.under_way.clear();
                    continue;
                }
                Effect::CancelRun { run } => {
                    let (_, child) = state.children.get_mut(&run).expect("it was created");
                    if *child == Child::Runs {
                        *child = Child::Ended(RunStatus::Cancelled);
                    }
                    continue;
                }
            };
            assert!(
                driver.run.paused_at().is_none(),
                "{ordered:?} began while the run was held\n{}",
                story()
            );
            assert!(
                driver.under_way.insert(ordered.clone()),
                "{ordered:?} was ordered twice\n{}",
                story()
            );
        }
    }

    fn reload(&self, state: &mut State) {
        let run = state.run.clone();
        let driver = state.driver.as_mut().expect("it looks");
        if run.round() != driver.run.round() {
            driver.under_way.clear();
        }
        driver.seen = state.journal.len();
        driver.run = run;
    }

    /// What others do: they write, and have somebody look.
    fn ask(&self, state: &mut State, ask: Ask) -> Option<()> {
        let again = |from| {
            Command::Retry(Box::new(Retry {
                from,
                version: 1,
                plugins: None,
            }))
        };
        let left = &mut state.left;
        let command = match ask {
            Ask::Signal => {
                left.signals -= 1;
                Command::Signal(Signal {
                    name: "go".to_owned(),
                    payload: Json::null(),
                    key: None,
                })
            }
            Ask::Pause => {
                left.pauses -= 1;
                Command::Pause { reason: None }
            }
            Ask::Resume => Command::Resume,
            Ask::Cancel => {
                left.cancels -= 1;
                Command::Cancel { reason: None }
            }
            Ask::Kill => {
                left.kills -= 1;
                Command::Kill { reason: None }
            }
            Ask::Retry => {
                left.again -= 1;
                again(From::Failure)
            }
            Ask::Restart => {
                left.again -= 1;
                again(From::Start)
            }
        };
        self.from_outside(state, command)
    }

    fn from_outside(&self, state: &mut State, command: Command) -> Option<()> {
        let mut run = state.run.clone();
        let decision = decide(&self.graph, &mut run, command, state.now).ok()?;
        if decision.records.is_empty() {
            return Some(());
        }
        state.append(decision.records, run);
        state.due = match (state.due, state.run.status()) {
            (_, status) if status.is_finished() => Due::Never,
            // Somebody has it in hand and is told, or had: then it is found when the claim has run out.
            (Due::Held, _) => Due::Held,
            (_, RunStatus::Paused) => Due::Never,
            _ => Due::At(state.now),
        };
        Some(())
    }

    fn tell(&self, state: &mut State, child: RunId) {
        let (step, stands) = state.children.get_mut(&child).expect("it is there");
        let Child::Ended(status) = *stands else {
            return;
        };
        *stands = Child::Told;
        let end = ChildEnd {
            step: step.clone(),
            run: child,
            status,
            output: None,
            error: None,
        };
        // Where the parent has ended, there is nobody to tell.
        let _ = self.from_outside(state, Command::EndChild(Box::new(end)));
    }

    /// What holds in every state.
    fn check(&self, before: &State, after: &State, story: &impl Fn() -> String) {
        if before.journal.len() == after.journal.len() {
            return;
        }
        let run = fold(&after.journal);
        assert_eq!(after.run, run, "the journal tells another run\n{}", story());
        let was_finished = before.run.status().is_finished();
        let new = &after.journal[before.journal.len()..];
        let is_retry = matches!(
            new.first().map(|r| &r.event),
            Some(Event::RunRetried { .. })
        );
        assert!(
            !was_finished || new.is_empty() || is_retry,
            "something happened after the end: {new:?}\n{}",
            story()
        );
        self.check_once(after, story);
        self.check_undone(after, &run, story);
    }

    /// Each step ends once a round, and a run once.
    fn check_once(&self, state: &State, story: &impl Fn() -> String) {
        let mut ended = BTreeSet::new();
        let mut has_ended = false;
        for record in &state.journal {
            match &record.event {
                Event::RunRetried { reset, .. } => {
                    has_ended = false;
                    for key in reset {
                        ended.retain(|other: &StepKey| {
                            other != key && (key.iteration.is_some() || other.name != key.name)
                        });
                    }
                    continue;
                }
                Event::StepSucceeded { step, .. }
                | Event::StepFailed { step, .. }
                | Event::StepSkipped { step }
                | Event::StepCancelled { step } => {
                    assert!(
                        ended.insert(step.clone()),
                        "{step} ended twice\n{}",
                        story()
                    );
                }
                Event::RunSucceeded { .. }
                | Event::RunFailed { .. }
                | Event::RunCancelled { .. }
                | Event::RunKilled { .. } => {
                    assert!(!has_ended, "the run ended twice\n{}", story());
                    has_ended = true;
                    continue;
                }
                _ => {}
            }
            assert!(!has_ended, "something happened after the end\n{}", story());
        }
    }

    /// What had succeeded is undone in the reverse order, all of it, where the run did not end otherwise.
    fn check_undone(&self, state: &State, run: &Run, story: &impl Fn() -> String) {
        let since = state
            .journal
            .iter()
            .rposition(|record| matches!(record.event, Event::RunRetried { .. }))
            .unwrap_or(0);
        let round = &state.journal[since..];
        let undone: Vec<&StepKey> = round
            .iter()
            .filter_map(|record| match &record.event {
                Event::StepSucceeded { step, .. } | Event::StepFailed { step, .. } => Some(step),
                _ => None,
            })
            .filter(|step| self.stage_of(step) == Stage::Compensation)
            .collect();
        let to_undo: Vec<StepKey> = run
            .succeeded()
            .iter()
            .rev()
            .filter_map(|key| self.undo_of(key))
            .collect();
        let in_order = to_undo.iter().zip(&undone).all(|(to, was)| to == *was);
        assert!(
            in_order && undone.len() <= to_undo.len(),
            "{to_undo:?} was to be undone, and was: {undone:?}\n{}",
            story()
        );
        let ended_by = round.last().map(|record| &record.event);
        let asks_for_all = matches!(
            ended_by,
            Some(Event::RunFailed { .. } | Event::RunCancelled { .. })
        );
        let by_finally = round.iter().any(|record| {
            matches!(
                record.event,
                Event::EndBegan {
                    end: End::Succeeded { .. }
                }
            )
        });
        if asks_for_all && !by_finally {
            assert_eq!(
                undone.len(),
                to_undo.len(),
                "something was not undone\n{}",
                story()
            );
            for (key, step) in run.steps() {
                assert!(
                    !matches!(step.phase, Phase::Running { .. } | Phase::Suspended { .. }),
                    "{key} is left open\n{}",
                    story()
                );
            }
        }
    }

    fn stage_of(&self, key: &StepKey) -> Stage {
        let index = self.graph.find(&key.name).expect("it is a step");
        self.graph.node(index).stage
    }

    fn undo_of(&self, key: &StepKey) -> Option<StepKey> {
        let index = self.graph.find(&key.name)?;
        let undo = self.graph.node(self.graph.node(index).compensate?);
        Some(StepKey {
            name: Arc::clone(&undo.name),
            iteration: key.iteration,
        })
    }
}

/// The driver looks again.
fn resync(state: &State) -> Command {
    let driver = state.driver.as_ref().expect("it looks");
    let under_way = driver.under_way.iter().map(|(step, _, _)| step.clone());
    Command::Resync {
        under_way: under_way.collect(),
    }
}

/// The run that a step is: made of the step's key.
fn child_of(step: &StepKey, round: u32) -> RunId {
    let mut hasher = DefaultHasher::new();
    (step, round).hash(&mut hasher);
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&hasher.finish().to_be_bytes());
    RunId::from_bytes(bytes)
}
