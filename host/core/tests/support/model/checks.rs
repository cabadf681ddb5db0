//! What holds in every state.

use super::*;

impl Model {
    /// What holds in every state.
    pub(super) fn check(&self, before: &State, after: &State, story: &impl Fn() -> String) {
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
        if self.created.bounds.is_some() && !run.status().is_finished() {
            let waits = after.slot == Slot::Others { awaited: true };
            assert!(
                after.slot == Slot::Ours || (waits && run.awaits_admission()),
                "the run goes on and has no slot: {:?}\n{}",
                after.slot,
                story()
            );
        }
        self.check_once(after, story);
        self.check_undone(after, &run, story);
    }

    /// Each step ends once a round, and a run once.
    pub(super) fn check_once(&self, state: &State, story: &impl Fn() -> String) {
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
    pub(super) fn check_undone(&self, state: &State, run: &Run, story: &impl Fn() -> String) {
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

    pub(super) fn stage_of(&self, key: &StepKey) -> Stage {
        let index = self.graph.find(&key.name).expect("it is a step");
        self.graph.node(index).stage
    }

    pub(super) fn undo_of(&self, key: &StepKey) -> Option<StepKey> {
        let index = self.graph.find(&key.name)?;
        let undo = self.graph.node(self.graph.node(index).compensate?);
        Some(StepKey {
            name: Arc::clone(&undo.name),
            iteration: key.iteration,
        })
    }
}
