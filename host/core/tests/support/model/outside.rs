//! What others do to a run.

use super::*;

impl Model {
    /// What others do: they write, and have somebody look.
    pub(super) fn ask(&self, state: &mut State, ask: Ask) -> Option<()> {
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
        self.write_outside(state, command)
    }

    pub(super) fn write_outside(&self, state: &mut State, command: Command) -> Option<()> {
        let waited = state.run.awaits_admission();
        let mut run = state.run.clone();
        let mut decision = decide(&self.graph, &mut run, command, state.now).ok()?;
        if decision.records.is_empty() {
            return Some(());
        }
        if run.awaits_admission() && !waited {
            // It is done again, and has to be let in once more, in the same transaction.
            state.due = match state.slot {
                Slot::Free | Slot::Ours => {
                    state.slot = Slot::Ours;
                    let admitted = decide(&self.graph, &mut run, Command::Admit, state.now);
                    let admitted = admitted.expect("it waits, so it can be let in");
                    decision.records.extend(admitted.records);
                    Due::At(state.now)
                }
                Slot::Others { .. } => {
                    state.slot = Slot::Others { awaited: true };
                    Due::Never
                }
            };
            state.append(decision.records, run);
            return Some(());
        }
        state.append(decision.records, run);
        if waited && !state.run.status().is_finished() {
            // It is due when its turn comes, whatever it is told meanwhile.
            return Some(());
        }
        state.due = match (state.due, state.run.status()) {
            (_, status) if status.is_finished() => Due::Never,
            // Somebody has it in hand and is told, or had: then it is found when the claim has run out.
            (Due::Held, _) => Due::Held,
            (_, RunStatus::Paused) => Due::Never,
            _ => Due::At(state.now),
        };
        Some(())
    }

    pub(super) fn tell(&self, state: &mut State, child: RunId) {
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
        let _ = self.write_outside(state, Command::EndChild(Box::new(end)));
    }
}
