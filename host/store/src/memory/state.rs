//! What the store in memory holds, and every rule of the port over it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{AuditId, DeliveryId, JobId, RunId, TokenId, WorkflowId};
use millwork_core::run::Summary;
use millwork_core::time::Timestamp;

use super::jobs::KeptJob;
use super::triggers::Kept;
use super::workflows::Head;
use crate::limits::desk::{Answer, Changes, Desk};
use crate::limits::records::{Admission, Counter};
use crate::limits::{LimitKey, LimitQuery, LimitRow, Passed, Turn};
use crate::trigger::TriggerId;
use crate::{
    AuditEntry, Claim, Commit, Committed, Delivery, Due, Expected, Idempotency, InstalledPlugin,
    Labels, NewRun, Order, Plugin, PluginDecision, Renewal, RunCounts, RunQuery, RunRow,
    SealedSecret, Stretch, Token, Value, ValueKey, Workflow, Written,
};

#[derive(Debug, Default)]
pub(super) struct State {
    runs: BTreeMap<RunId, Stored>,
    due: BTreeSet<Due>,
    finished: BTreeSet<(Timestamp, RunId)>,
    desk: Desk,
    keys: HashMap<(WorkflowId, String), KeyHolder>,
    pub(super) heads: BTreeMap<WorkflowId, Head>,
    pub(super) versions: BTreeMap<(WorkflowId, u32), Workflow>,
    pub(super) plugins: HashMap<Digest, Plugin>,
    pub(super) values: HashMap<ValueKey, Value>,
    last_value_version: u64,
    pub(super) tokens: BTreeMap<TokenId, Token>,
    pub(super) audit: BTreeMap<AuditId, AuditEntry>,
    pub(super) installed: BTreeMap<(String, String), InstalledPlugin>,
    pub(super) triggers: BTreeMap<TriggerId, Kept>,
    pub(super) decisions: BTreeMap<String, PluginDecision>,
    pub(super) secrets: BTreeMap<String, SealedSecret>,
    pub(super) jobs: BTreeMap<JobId, KeptJob>,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
}

#[derive(Debug)]
struct Stored {
    workflow: WorkflowId,
    version: u32,
    created_at: Timestamp,
    summary: Summary,
    due_at: Option<Timestamp>,
    labels: Labels,
    journal: Vec<String>,
}

impl Stored {
    fn finished_at(&self) -> Option<Timestamp> {
        self.summary
            .completed_at
            .filter(|_| self.summary.status.is_finished())
    }
}

/// Who has an idempotency key.
#[derive(Debug)]
struct KeyHolder {
    run: RunId,
    fingerprint: Digest,
    expires_at: Timestamp,
}

impl State {
    /// The digest stands in a run's first record.
    pub(super) fn find_run_using(&self, digest: Digest) -> Option<RunId> {
        let digest = digest.to_string();
        let uses = |stored: &Stored| {
            let first = stored.journal.first();
            !stored.summary.status.is_finished()
                && first.is_some_and(|first| first.contains(&digest))
        };
        let mut using = self.runs.iter().filter(|(_, stored)| uses(stored));
        using.next().map(|(run, _)| *run)
    }

    pub(super) fn commit(&mut self, mut commit: Commit) -> Committed {
        let length = self
            .runs
            .get(&commit.run)
            .map(|stored| stored.journal.len());
        let is_next =
            length.unwrap_or(0) == usize::try_from(commit.first_seq).unwrap_or(usize::MAX);
        if !commit.is_in_form() || !is_next {
            return Committed::Conflict;
        }
        let is_outdated =
            |new: &NewRun| new.is_newest && !self.is_newest(new.workflow, new.version);
        if commit.new.as_ref().is_some_and(is_outdated) {
            return Committed::Outdated;
        }
        let key = commit.new.as_mut().and_then(NewRun::take_key);
        if let Some((workflow, created_at, key)) = &key
            && let Some(replayed) = self.claim(*workflow, key.clone(), commit.run, *created_at)
        {
            return replayed;
        }
        let Some(passage) = commit.passage.take() else {
            self.write(commit);
            return Committed::Written;
        };
        let run = commit.run;
        let mut woken = Vec::new();
        let answer = self.desk.pass(run, &passage, &mut woken);
        let answer = match answer {
            Answer::Full(full) => {
                if let Some((workflow, _, key)) = key {
                    self.keys.remove(&(workflow, key.key));
                }
                Committed::Full(full)
            }
            Answer::Passed(outcome) => {
                self.write(commit.shaped(passage, outcome));
                Committed::Passed(Passed { outcome, woken })
            }
        };
        let Changes { woken, .. } = self.desk.take_changes();
        for (run, at) in woken {
            let due_at = self.runs.get(&run).map(|stored| stored.due_at);
            if let Some(due_at) = due_at {
                self.move_due(run, Some(due_at.map_or(at, |due_at| due_at.min(at))));
            }
        }
        answer
    }

    fn write(&mut self, commit: Commit) {
        let Commit {
            run,
            records,
            summary,
            due_at,
            keeps_due,
            new,
            ..
        } = commit;
        if let Some(new) = new {
            let (workflow, version, created_at) = (new.workflow, new.version, new.created_at);
            let stored = Stored {
                workflow,
                version,
                created_at,
                summary,
                due_at,
                labels: new.labels,
                journal: records,
            };
            self.runs.insert(run, stored);
        } else {
            self.take_from_indexes(run);
            if let Some(stored) = self.runs.get_mut(&run) {
                stored.journal.extend(records);
                stored.summary = summary;
                stored.due_at = match keeps_due {
                    true => stored.due_at.or(due_at),
                    false => due_at,
                };
            }
        }
        self.enter_into_indexes(run);
    }

    pub(super) fn list_limits(&self, query: &LimitQuery) -> Vec<LimitRow> {
        let mut rows: Vec<_> = self.desk.counters().collect();
        rows.sort_by_key(|(key, _)| *key);
        let listed = rows.into_iter().filter(|(key, _)| {
            query
                .workflow
                .is_none_or(|workflow| workflow == key.workflow)
                && query.after.as_ref().is_none_or(|after| *key > after)
        });
        let row = |(key, counter): (&LimitKey, &Counter)| {
            counter.row(key.clone(), self.desk.next_at(key))
        };
        listed.take(query.limit).map(row).collect()
    }

    pub(super) fn find_turn(&self, run: RunId) -> Option<Turn> {
        let admission = self.desk.admission(run)?;
        let key = admission.queue()?;
        let counter = self.desk.counter(&key)?;
        Some(Turn {
            limit: counter.row(key.clone(), self.desk.next_at(&key)),
            position: self.desk.position(run)?,
            since: admission.since,
            priority: admission.priority,
        })
    }

    pub(super) fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Vec<RunId> {
        let of_key = |(run, admission): (&RunId, &Admission)| {
            let is_of_key =
                admission.workflow == workflow && admission.slot.as_deref() == Some(key);
            is_of_key.then_some((admission.since, *run))
        };
        let mut runs: Vec<_> = self.desk.admissions().filter_map(of_key).collect();
        runs.sort_unstable();
        let outdone = runs
            .len()
            .saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        runs.truncate(outdone.min(limit));
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// Gives the key to a run, unless another has it still.
    fn claim(
        &mut self,
        workflow: WorkflowId,
        key: Idempotency,
        run: RunId,
        now: Timestamp,
    ) -> Option<Committed> {
        let Idempotency {
            key,
            fingerprint,
            expires_at,
        } = key;
        let place = (workflow, key);
        if let Some(held) = self.keys.get(&place).filter(|held| held.expires_at > now) {
            return Some(Committed::Replayed {
                run: held.run,
                fingerprint: held.fingerprint,
            });
        }
        self.keys.insert(
            place,
            KeyHolder {
                run,
                fingerprint,
                expires_at,
            },
        );
        None
    }

    fn enter_into_indexes(&mut self, run: RunId) {
        if let Some(stored) = self.runs.get(&run) {
            self.due.extend(stored.due_at.map(|at| Due { at, run }));
            self.finished
                .extend(stored.finished_at().map(|at| (at, run)));
        }
    }

    fn take_from_indexes(&mut self, run: RunId) {
        if let Some(stored) = self.runs.get(&run) {
            stored.due_at.map(|at| self.due.remove(&Due { at, run }));
            stored
                .finished_at()
                .map(|at| self.finished.remove(&(at, run)));
        }
    }

    pub(super) fn journal(&self, run: RunId, from: Seq) -> Vec<String> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.runs.get(&run).map_or_else(Vec::new, |stored| {
            stored.journal.iter().skip(from).cloned().collect()
        })
    }

    pub(super) fn read_journal(&self, run: RunId, from: Seq, limit: usize) -> Option<Stretch> {
        let stored = self.runs.get(&run)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let records = stored.journal.iter().skip(from).cloned();
        Some(Stretch::take(stored.summary.status, records, limit))
    }

    pub(super) fn list_runs(&self, query: &RunQuery) -> Vec<RunRow> {
        let after = query.after.map_or(Bound::Unbounded, Bound::Excluded);
        let matching = |(_, stored): &(&RunId, &Stored)| {
            query
                .workflow
                .is_none_or(|workflow| workflow == stored.workflow)
                && (query.statuses.is_empty() || query.statuses.contains(&stored.summary.status))
                && query
                    .labels
                    .iter()
                    .all(|(name, value)| stored.labels.get(name) == Some(value))
                && query
                    .created_from
                    .is_none_or(|from| stored.created_at >= from)
                && query
                    .created_before
                    .is_none_or(|before| stored.created_at < before)
        };
        let row = |(run, stored): (&RunId, &Stored)| RunRow {
            run: *run,
            workflow: stored.workflow,
            version: stored.version,
            created_at: stored.created_at,
            summary: stored.summary.clone(),
            due_at: stored.due_at,
            first_record: stored.journal.first().cloned().unwrap_or_default(),
        };
        match query.order {
            Order::NewestFirst => {
                let runs = self.runs.range((Bound::Unbounded, after)).rev();
                runs.filter(matching).take(query.limit).map(row).collect()
            }
            Order::OldestFirst => {
                let runs = self.runs.range((after, Bound::Unbounded));
                runs.filter(matching).take(query.limit).map(row).collect()
            }
        }
    }

    pub(super) fn list_due(&self, after: Option<Due>, before: Timestamp, limit: usize) -> Vec<Due> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.due.range((after, Bound::Unbounded));
        due.take_while(|due| due.at < before)
            .take(limit)
            .copied()
            .collect()
    }

    pub(super) fn claim_due(&mut self, claim: &Claim) -> Vec<Due> {
        let among = claim.among.as_ref();
        let claimed: Vec<Due> = self
            .due
            .iter()
            .take_while(|due| due.at < claim.before)
            .filter(|due| among.is_none_or(|among| among.contains(&due.run)))
            .take(claim.limit)
            .copied()
            .collect();
        for due in &claimed {
            self.move_due(due.run, Some(claim.until));
        }
        claimed
    }

    pub(super) fn renew(&mut self, renewal: Renewal) -> bool {
        let found = self.runs.get(&renewal.run).and_then(|run| run.due_at);
        let holds = found == Some(renewal.from);
        if holds {
            self.move_due(renewal.run, renewal.to);
        }
        holds
    }

    pub(super) fn settle(&mut self, run: RunId) {
        let is_finished = self
            .runs
            .get(&run)
            .is_some_and(|stored| stored.finished_at().is_some());
        if is_finished {
            self.move_due(run, None);
        }
    }

    fn move_due(&mut self, run: RunId, due_at: Option<Timestamp>) {
        self.take_from_indexes(run);
        if let Some(stored) = self.runs.get_mut(&run) {
            stored.due_at = due_at;
        }
        self.enter_into_indexes(run);
    }

    /// The plainest way: this store looks.
    pub(super) fn count_runs(&self, of: Option<WorkflowId>) -> RunCounts {
        let mut counts = RunCounts::default();
        let runs = self.runs.values();
        for stored in runs.filter(|stored| of.is_none_or(|of| of == stored.workflow)) {
            counts.add(stored.summary.status, 1);
        }
        counts
    }

    /// The first unfinished run of a workflow.
    pub(super) fn unfinished_of(&self, workflow: WorkflowId) -> Option<RunId> {
        let mut unfinished = self.runs.iter().filter(|(_, stored)| {
            stored.workflow == workflow && !stored.summary.status.is_finished()
        });
        unfinished.next().map(|(run, _)| *run)
    }

    /// Whether there is any run of a workflow.
    pub(super) fn has_runs_of(&self, workflow: WorkflowId) -> bool {
        self.runs.values().any(|stored| stored.workflow == workflow)
    }

    pub(super) fn write_value(
        &mut self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Written {
        let found = self.values.get(key).map(|value| value.version);
        if !expected.allows(found) {
            return Written::Conflict(found);
        }
        let Some(bytes) = value else {
            self.values.remove(key);
            return Written::Deleted;
        };
        self.last_value_version += 1;
        let version = self.last_value_version;
        self.values.insert(key.clone(), Value { bytes, version });
        Written::Version(version)
    }

    pub(super) fn remove_finished(
        &mut self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> usize {
        let is_settled = |run| self.runs.get(run).is_some_and(|run| run.due_at.is_none());
        let old = self
            .finished
            .iter()
            .take_while(|(completed_at, _)| *completed_at < finished_before)
            .filter(|(_, run)| is_settled(run));
        let old: Vec<_> = old.take(limit).copied().collect();
        for (_, run) in &old {
            self.take_from_indexes(*run);
            self.runs.remove(run);
        }
        self.keys.retain(|_, claim| claim.expires_at > now);
        self.desk.forget_idle(now);
        old.len()
    }
}
