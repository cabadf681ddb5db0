//! What the process does that executes the run.

use super::*;

impl Model {
    /// Has a run let in that waits for it. Where it has to go on waiting, its row says that nothing is to be done.
    pub(super) fn is_let_in(&self, state: &mut State) -> bool {
        if !state.run.awaits_admission() || state.run.status().is_finished() {
            return true;
        }
        if matches!(state.slot, Slot::Others { .. }) {
            state.slot = Slot::Others { awaited: true };
            state.due = Due::Never;
            return false;
        }
        state.slot = Slot::Ours;
        let driver = state.driver.as_mut().expect("it asks");
        let decision = decide(&self.graph, &mut driver.run, Command::Admit, state.now);
        let decision = decision.expect("it waits, so it can be let in");
        let run = driver.run.clone();
        state.append(decision.records, run);
        let driver = state.driver.as_mut().expect("it asks");
        driver.seen = state.journal.len();
        true
    }

    /// What the driver does with a command: decides, writes, does; and looks again where somebody was faster.
    pub(super) fn drive(
        &self,
        state: &mut State,
        command: Command,
        dies: bool,
        story: &impl Fn() -> String,
    ) {
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

    pub(super) fn write(
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

    pub(super) fn begin(
        &self,
        state: &mut State,
        effects: Vec<Effect>,
        story: &impl Fn() -> String,
    ) {
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
                self.created.bounds.is_none() || state.slot == Slot::Ours,
                "{ordered:?} began without a slot\n{}",
                story()
            );
            assert!(
                driver.under_way.insert(ordered.clone()),
                "{ordered:?} was ordered twice\n{}",
                story()
            );
        }
    }

    pub(super) fn reload(&self, state: &mut State) {
        let run = state.run.clone();
        let driver = state.driver.as_mut().expect("it looks");
        if run.round() != driver.run.round() {
            driver.under_way.clear();
        }
        driver.seen = state.journal.len();
        driver.run = run;
    }
}

/// The driver looks again.
pub(super) fn resync(state: &State) -> Command {
    let driver = state.driver.as_ref().expect("it looks");
    let under_way = driver.under_way.iter().map(|(step, _, _)| step.clone());
    Command::Resync {
        under_way: under_way.collect(),
    }
}
