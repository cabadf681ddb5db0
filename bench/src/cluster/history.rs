//! Holds what is written, what was done and what was told against each other. Pure: nobody is asked here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millwork_core::event::{Event, Record, Wait};
use millwork_core::id::RunId;
use millwork_core::run::{Run, RunStatus};
use millwork_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{CALL, PASS, STEPS};
use crate::report::Problems;
use crate::sink::Call;

/// Everything that there is to know afterwards.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) runs: Vec<RunHistory>,
    pub(super) announcements: Vec<Announcement>,
    pub(super) dead_letters: usize,
}

/// What the database says of a run.
#[derive(Clone, Debug)]
pub(super) struct RunHistory {
    pub(super) run: String,
    /// What its row says.
    pub(super) status: String,
    /// Whether its row says that there is something left to do.
    pub(super) is_due: bool,
    /// Its journal, in order.
    pub(super) records: Vec<String>,
}

impl RunHistory {
    pub(super) fn new(run: &str, status: &str, is_due: bool) -> Self {
        Self {
            run: run.to_owned(),
            status: status.to_owned(),
            is_due,
            records: Vec::new(),
        }
    }
}

/// What the world was told of a run's end.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Announcement {
    pub(super) run_id: String,
    pub(super) status: String,
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) succeeded: u64,
    pub(super) repeated_calls: u64,
    pub(super) repeated_announcements: u64,
}

/// Looks at everything.
pub(super) fn check(
    history: &History,
    acknowledged: &BTreeMap<u64, String>,
    calls: &[Call],
    problems: &mut Problems,
) -> Summary {
    let calls = Calls::of(calls, problems);
    let mut told: HashMap<&str, Vec<&str>> = HashMap::new();
    for announcement in &history.announcements {
        told.entry(&announcement.run_id)
            .or_default()
            .push(&announcement.status);
    }
    let mut succeeded = 0;
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for run in &history.runs {
        known.insert(&run.run);
        let flaws = flaws(run, &calls);
        succeeded += u64::from(flaws.is_empty());
        for flaw in flaws {
            problems.add(format!("run {}: {flaw}", run.run));
        }
        match told.get(run.run.as_str()) {
            None => problems.add(format!("run {}: its end was announced to nobody", run.run)),
            Some(statuses) => {
                for status in statuses.iter().filter(|status| **status != run.status) {
                    problems.add(format!(
                        "run {}: it ended as {} and was announced as {status}",
                        run.run, run.status
                    ));
                }
            }
        }
    }
    for run in told.keys().filter(|run| !known.contains(*run)) {
        problems.add(format!("run {run} was announced and is not there"));
    }
    if history.dead_letters > 0 {
        problems.add(format!(
            "{} messages could not be understood",
            history.dead_letters
        ));
    }
    promises(acknowledged, &known, problems);
    let repeated =
        |all: usize, distinct: usize| u64::try_from(all.saturating_sub(distinct)).unwrap_or(0);
    Summary {
        succeeded,
        repeated_calls: repeated(calls.count, calls.by_run.values().map(HashMap::len).sum()),
        repeated_announcements: repeated(history.announcements.len(), told.len()),
    }
}

/// Every promise was kept, by a run of its own; and nobody runs who was not asked for.
fn promises(acknowledged: &BTreeMap<u64, String>, known: &BTreeSet<&str>, problems: &mut Problems) {
    let mut promised: HashMap<&str, u64> = HashMap::new();
    for (number, run) in acknowledged {
        if !known.contains(run.as_str()) {
            problems.add(format!(
                "run {run}: trigger {number} was answered with it, and it is not there"
            ));
        }
        if let Some(other) = promised.insert(run, *number) {
            problems.add(format!(
                "run {run} was the answer to the triggers {other} and {number}"
            ));
        }
    }
    // Each trigger was sent under its key until it was answered, so its run is the only one.
    for run in known.iter().filter(|run| !promised.contains_key(*run)) {
        problems.add(format!(
            "run {run} is there, and no trigger was answered with it"
        ));
    }
}

/// The sink's calls, by run and step.
struct Calls<'c> {
    count: usize,
    by_run: HashMap<&'c str, HashMap<&'c str, Vec<&'c Call>>>,
}

impl<'c> Calls<'c> {
    fn of(calls: &'c [Call], problems: &mut Problems) -> Self {
        let mut by_run: HashMap<&str, HashMap<&str, Vec<&Call>>> = HashMap::new();
        let mut owner: HashMap<&str, (&str, &str)> = HashMap::new();
        for call in calls {
            let (Some(run), Some(step), Some(key)) = (
                call.body["run"].as_str(),
                call.body["step"].as_str(),
                call.key(),
            ) else {
                problems.add(format!(
                    "a call at {} does not say whose it is: {}",
                    call.at, call.body
                ));
                continue;
            };
            let known = *owner.entry(key).or_insert((run, step));
            if known != (run, step) {
                problems.add(format!(
                    "run {run}: step \"{step}\" called with the key {key} of {known:?}"
                ));
            }
            let of_step = by_run.entry(run).or_default().entry(step).or_default();
            if of_step
                .first()
                .is_some_and(|first| first.key() != Some(key))
            {
                problems.add(format!(
                    "run {run}: step \"{step}\" called with a second key, {key}"
                ));
            }
            of_step.push(call);
        }
        Self {
            count: calls.len(),
            by_run,
        }
    }

    fn of_step(&self, run: &str, step: &str) -> &[&'c Call] {
        let of_run = self.by_run.get(run);
        of_run
            .and_then(|steps| steps.get(step))
            .map_or(&[], Vec::as_slice)
    }
}

/// Everything that is wrong with one run.
fn flaws(history: &RunHistory, calls: &Calls<'_>) -> Vec<String> {
    let decoded: Result<Vec<Record>, _> = history
        .records
        .iter()
        .map(|text| Record::decode(text))
        .collect();
    let records = match decoded {
        Ok(records) => records,
        Err(error) => return vec![format!("its journal cannot be read: {error}")],
    };
    let Ok(id) = history.run.parse::<RunId>() else {
        return vec!["its identifier is none".to_owned()];
    };
    let run = match Run::fold(id, &records) {
        Ok(run) => run,
        Err(error) => return vec![format!("its journal cannot be folded: {error}")],
    };
    let mut flaws = end_flaws(history, &records, &run);
    flaws.extend(step_flaws(&records));
    flaws.extend(call_flaws(history, &records, calls));
    flaws
}

fn end_flaws(history: &RunHistory, records: &[Record], run: &Run) -> Vec<String> {
    let mut flaws = Vec::new();
    let ends: Vec<usize> = records
        .iter()
        .enumerate()
        .filter(|(_, record)| {
            matches!(
                record.event,
                Event::RunSucceeded { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. }
            )
        })
        .map(|(place, _)| place)
        .collect();
    if ends != [records.len() - 1] {
        flaws.push(format!(
            "of its {} events those at {ends:?} end it, and not just the last",
            records.len()
        ));
    }
    if run.status() != RunStatus::Success {
        flaws.push(format!("it ended as {}: {:?}", run.status(), run.error()));
    }
    if history.status != run.status().as_str() {
        flaws.push(format!(
            "its row says {} and its journal {}",
            history.status,
            run.status()
        ));
    }
    if history.is_due {
        flaws.push("its row says that there is something left to do".to_owned());
    }
    flaws
}

/// Each step succeeds once, after the one before it, and does not act before that.
fn step_flaws(records: &[Record]) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    let mut asleep_until: HashMap<&str, Timestamp> = HashMap::new();
    for record in records {
        let (step, is_done) = match &record.event {
            Event::StepSucceeded { step, .. } => (&*step.name, true),
            Event::StepStarted { step, .. }
            | Event::StepSuspended { step, .. }
            | Event::StepRetryScheduled { step, .. } => (&*step.name, false),
            Event::StepFailed { step, failure, .. } => {
                flaws.push(format!("step \"{step}\" failed: {failure:?}"));
                continue;
            }
            _ => continue,
        };
        let place = STEPS.iter().position(|name| *name == step);
        if place != Some(done.len()) {
            flaws.push(format!(
                "step \"{step}\" has an event at {} when {done:?} were done",
                record.at
            ));
            continue;
        }
        if let Event::StepSuspended {
            wait: Wait::Time { due },
            ..
        } = &record.event
        {
            asleep_until.insert(step, *due);
        }
        if is_done {
            if let Some(due) = asleep_until.get(step)
                && record.at < *due
            {
                flaws.push(format!(
                    "step \"{step}\" woke at {}, before {due}",
                    record.at
                ));
            }
            done.push(step);
        }
    }
    if done != STEPS {
        flaws.push(format!("only {done:?} were done"));
    }
    flaws
}

/// What the journal says that the sink answered, it answered; and what was carried on was what the journal says, on every
/// attempt: no step ran on something that was not committed.
fn call_flaws(history: &RunHistory, records: &[Record], calls: &Calls<'_>) -> Vec<String> {
    let mut flaws = Vec::new();
    let answer_of = |name: &str| {
        records.iter().find_map(|record| match &record.event {
            Event::StepSucceeded { step, output, .. } if &*step.name == name => {
                Some(output.value()["response_data"].clone())
            }
            _ => None,
        })
    };
    for step in [CALL, PASS] {
        let Some(answer) = answer_of(step) else {
            continue;
        };
        let of_step = calls.of_step(&history.run, step);
        if !of_step.iter().any(|call| call.answer == answer) {
            flaws.push(format!(
                "step \"{step}\" has the answer {answer}, which the sink did not give"
            ));
        }
    }
    let committed = answer_of(CALL).unwrap_or(Value::Null);
    for call in calls.of_step(&history.run, PASS) {
        if call.body["carried"] != committed {
            flaws.push(format!(
                "step \"{PASS}\" carried {} at {}, and what was committed is {committed}",
                call.body["carried"], call.at
            ));
        }
    }
    flaws
}

#[cfg(test)]
mod tests;
