//! Holds what the server says against what the sink saw and what was acknowledged. Pure: no server is asked here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::Look;
use super::evidence::Evidence;
use super::ledger::Ledger;
use crate::report::Problems;
use crate::sink::{Call, KEY_HEADER};

/// How much later than the end of its step a call may be seen to arrive: what a process that is gone had already
/// written may still be on its way.
const STRAGGLER: Duration = Duration::from_millis(50);

/// The sink's calls, in order.
pub(super) struct Calls<'c> {
    pub(super) count: u64,
    pub(super) by_key: HashMap<&'c str, Vec<&'c Call>>,
    /// The key with which each run called.
    key_of_run: HashMap<&'c str, &'c str>,
}

/// Orders the calls by their keys. A key belongs to one step of one run, and that step uses no other.
pub(super) fn calls<'c>(calls: &'c [Call], problems: &mut Problems) -> Calls<'c> {
    let mut by_key: HashMap<&str, Vec<&Call>> = HashMap::new();
    let mut key_of_step: HashMap<(&str, &str), &str> = HashMap::new();
    let mut key_of_run = HashMap::new();
    for call in calls {
        let (run, step) = (call.body["run"].as_str(), call.body["step"].as_str());
        let (Some(run), Some(step)) = (run, step) else {
            problems.add(format!(
                "a call at {} does not say of which run it is: {}",
                call.at, call.body
            ));
            continue;
        };
        let Some(key) = call.key() else {
            let keys = call.header(KEY_HEADER).len();
            problems.add(format!(
                "run {run}: a call at {} came with {keys} idempotency keys",
                call.at
            ));
            continue;
        };
        let known = *key_of_step.entry((run, step)).or_insert(key);
        if known != key {
            problems.add(format!(
                "run {run}: step \"{step}\" called with the key {known}, and again with {key}"
            ));
        }
        let others = by_key.entry(key).or_default();
        if let Some(other) = others
            .iter()
            .find(|other| other.body["run"] != run || other.body["step"] != step)
        {
            problems.add(format!(
                "run {run}: called with the key {key}, which belongs to run {}",
                other.body["run"]
            ));
        }
        others.push(call);
        key_of_run.entry(run).or_insert(key);
    }
    Calls {
        count: calls.len() as u64,
        by_key,
        key_of_run,
    }
}

/// Looks at every run that ended: it has to be a success, whole, for the trigger that was acknowledged with it, and say
/// of the sink what the sink says of it.
pub(super) fn runs(
    finished: &[Evidence],
    ledger: &Ledger,
    calls: &Calls<'_>,
    problems: &mut Problems,
) {
    let number_of_run: HashMap<String, u64> = ledger
        .acknowledged()
        .into_iter()
        .map(|(number, run)| (run, number))
        .collect();
    let mut seen = HashSet::new();
    for evidence in finished {
        let run = evidence.run.as_str();
        seen.insert(run);
        if !evidence.succeeded() {
            problems.add(format!(
                "run {run} ended as {}: {}",
                evidence.status, evidence.error
            ));
            continue;
        }
        for flaw in &evidence.flaws {
            problems.add(format!("run {run}: {flaw}"));
        }
        if let Some(number) = number_of_run.get(run)
            && evidence.n != Some(*number)
        {
            problems.add(format!(
                "run {run} stands for trigger {number} and has the payload of {:?}",
                evidence.n
            ));
        }
        call(evidence, calls, problems);
    }
    for (run, key) in &calls.key_of_run {
        if !seen.contains(run) {
            problems.add(format!(
                "run {run} called the sink with the key {key} and is no run that ended"
            ));
        }
    }
}

/// The webhook's result has to be an answer that the sink gave to this run, and no call may come after it.
fn call(evidence: &Evidence, calls: &Calls<'_>, problems: &mut Problems) {
    let run = evidence.run.as_str();
    let of_run = calls
        .key_of_run
        .get(run)
        .and_then(|key| calls.by_key.get(key));
    let Some(of_run) = of_run else {
        return problems.add(format!(
            "run {run} says that it called the sink, and the sink got no call"
        ));
    };
    if !of_run
        .iter()
        .any(|call| call.status == 200 && call.answer == evidence.answer)
    {
        problems.add(format!(
            "run {run} says that the sink answered {}, which it did not",
            evidence.answer
        ));
    }
    if let Some(ended) = evidence.called_at
        && let Some(late) = of_run.iter().find(|call| call.at > ended.after(STRAGGLER))
    {
        problems.add(format!(
            "run {run} called the sink at {}, after the step had ended at {ended}",
            late.at
        ));
    }
}

/// What was seen of a run that ended must be seen again: it ended once.
pub(super) fn same(first: &Look, second: &Look, problems: &mut Problems) {
    let again: HashMap<&str, &Evidence> = second
        .awaited
        .finished
        .iter()
        .map(|evidence| (evidence.run.as_str(), evidence))
        .collect();
    for evidence in &first.awaited.finished {
        let run = &evidence.run;
        match again.get(run.as_str()) {
            None => problems.add(format!("run {run} had ended, and after one more restart it has not, or is gone")),
            Some(other) if *other != evidence => problems.add(format!(
                "run {run} ended twice: its end was at {:?} and after one more restart it is at {:?}",
                evidence.completed_at.map(|at| at.to_string()),
                other.completed_at.map(|at| at.to_string()),
            )),
            Some(_) => {}
        }
    }
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (
        first.listed.iter().collect(),
        second.listed.iter().collect(),
    );
    for run in before.symmetric_difference(&after) {
        problems.add(format!(
            "run {run} is in the list before or after the last restart, and not both"
        ));
    }
}

/// The list has to show every acknowledged run once, and no more than were triggered.
pub(super) fn list(listed: &[String], ledger: &Ledger, problems: &mut Problems) {
    let mut times: HashMap<&str, u64> = HashMap::new();
    for run in listed {
        *times.entry(run).or_default() += 1;
    }
    for (run, times) in times.iter().filter(|(_, times)| **times > 1) {
        problems.add(format!("run {run} is in the list {times} times"));
    }
    let acknowledged = ledger.acknowledged();
    let mut promised: HashMap<&str, u64> = HashMap::new();
    for (number, run) in &acknowledged {
        if let Some(other) = promised.insert(run, *number) {
            problems.add(format!(
                "run {run} was the answer to trigger {other} and to trigger {number}"
            ));
        }
        if !times.contains_key(run.as_str()) {
            problems.add(format!("run {run} was acknowledged and is not in the list"));
        }
    }
    // With keys, every trigger was acknowledged in the end, so a run that nobody was told of is one too many. Without,
    // a trigger that got no answer may have started one.
    let unknown: Vec<&str> = times
        .keys()
        .copied()
        .filter(|run| !promised.contains_key(run))
        .collect();
    let allowed = ledger.given_up();
    if unknown.len() as u64 > allowed {
        for run in unknown {
            problems.add(format!(
                "run {run} is in the list and no trigger was acknowledged with it"
            ));
        }
    }
}
