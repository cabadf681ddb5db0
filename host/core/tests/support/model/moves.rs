//! What may happen next to a run, and what comes of it.

use super::driver::resync;
use super::*;

impl Model {
    pub(super) fn of(workflow: &Value) -> Self {
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
            bounds: graph
                .bounds(
                    WorkflowId::from_parts(START, [1; 10]),
                    1,
                    &Json::empty_object(),
                )
                .expect("nothing gives a key that is none"),
            origin: None,
            deadline: graph.deadline(START),
            parent: None,
            labels: std::collections::BTreeMap::new(),
            trace: None,
        };
        Self {
            graph,
            created: Arc::new(created),
        }
    }

    pub(super) fn start(&self, left: Budget) -> State {
        let created = Record {
            at: START,
            event: Event::RunCreated(Arc::clone(&self.created)),
        };
        let journal = vec![created];
        let run = fold(&journal);
        // Another run was there first.
        let waits = run.awaits_admission();
        State {
            run,
            journal,
            digest: 0,
            due: match waits {
                true => Due::Never,
                false => Due::At(START),
            },
            slot: match waits {
                true => Slot::Others { awaited: true },
                false => Slot::Free,
            },
            driver: None,
            children: BTreeMap::new(),
            now: START,
            left,
        }
    }

    /// All that may happen next.
    pub(super) fn moves(&self, state: &State) -> Vec<Move> {
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
        if self.created.bounds.is_some() {
            match state.slot {
                Slot::Free if left.others > 0 => moves.push(Move::OtherEnters),
                Slot::Others { .. } => moves.push(Move::OtherLeaves),
                Slot::Free | Slot::Ours => {}
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
    pub(super) fn make(
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
                match self.is_let_in(&mut state) {
                    true => self.drive(&mut state, Command::TakeUp, dies, &story),
                    false => state.driver = None,
                }
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
            Move::OtherEnters => {
                state.left.others -= 1;
                state.slot = Slot::Others { awaited: false };
            }
            // Who leaves lets the next one in, whose row says so.
            Move::OtherLeaves => match state.slot {
                Slot::Others { awaited: true } => {
                    state.slot = Slot::Ours;
                    state.due = Due::At(state.now);
                }
                Slot::Others { awaited: false } | Slot::Free | Slot::Ours => {
                    state.slot = Slot::Free;
                }
            },
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
    pub(super) fn answer(&self, state: &mut State, step: &StepKey, answer: Answer) -> Command {
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
                    .or_insert_with(|| (step.clone(), Child::Runs));
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
}

/// The run that a step is: made of the step's key.
fn child_of(step: &StepKey, round: u32) -> RunId {
    let mut hasher = DefaultHasher::new();
    (step, round).hash(&mut hasher);
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&hasher.finish().to_be_bytes());
    RunId::from_bytes(bytes)
}
