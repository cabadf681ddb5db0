//! What the store in memory holds, and every rule of the port over it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{AuditId, RunId, TokenId, WorkflowId};
use millwork_core::run::Summary;
use millwork_core::time::Timestamp;

use crate::{
    AuditEntry, Claim, Commit, Committed, Due, Expected, Idempotency, InstalledPlugin, Order,
    Plugin, PluginDecision, Renewal, RunQuery, RunRow, SealedSecret, Token, Value, ValueKey,
    Workflow, Written,
};

#[derive(Debug, Default)]
pub(super) struct State {
    runs: BTreeMap<RunId, Stored>,
    due: BTreeSet<Due>,
    finished: BTreeSet<(Timestamp, RunId)>,
    keys: HashMap<(WorkflowId, String), KeyHolder>,
    pub(super) workflows: BTreeMap<(WorkflowId, u32), Workflow>,
    pub(super) plugins: HashMap<Digest, Plugin>,
    pub(super) values: HashMap<ValueKey, Value>,
    last_value_version: u64,
    pub(super) tokens: BTreeMap<TokenId, Token>,
    pub(super) audit: BTreeMap<AuditId, AuditEntry>,
    pub(super) installed: BTreeMap<(String, String), InstalledPlugin>,
    pub(super) decisions: BTreeMap<String, PluginDecision>,
    pub(super) secrets: BTreeMap<String, SealedSecret>,
}

#[derive(Debug)]
struct Stored {
    workflow: WorkflowId,
    version: u32,
    created_at: Timestamp,
    summary: Summary,
    due_at: Option<Timestamp>,
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

    pub(super) fn commit(&mut self, commit: Commit) -> Committed {
        let Commit {
            run,
            first_seq,
            records,
            summary,
            due_at,
            keeps_due,
            new,
        } = commit;
        let length = self.runs.get(&run).map(|stored| stored.journal.len());
        let is_in_form = !records.is_empty() && new.is_some() == (first_seq == 0);
        let is_next = length.unwrap_or(0) == usize::try_from(first_seq).unwrap_or(usize::MAX);
        if !is_in_form || !is_next {
            return Committed::Conflict;
        }
        if let Some(new) = new {
            if let Some(key) = new.idempotency
                && let Some(replayed) = self.claim(new.workflow, key, run, new.created_at)
            {
                return replayed;
            }
            let (workflow, version, created_at) = (new.workflow, new.version, new.created_at);
            let stored = Stored {
                workflow,
                version,
                created_at,
                summary,
                due_at,
                journal: records,
            };
            self.runs.insert(run, stored);
        } else {
            self.take_from_indexes(run);
            if let Some(stored) = self.runs.get_mut(&run) {
                stored.journal.extend(records);
                stored.summary = summary;
                if !keeps_due {
                    stored.due_at = due_at;
                }
            }
        }
        self.enter_into_indexes(run);
        Committed::Written
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

    pub(super) fn list_runs(&self, query: &RunQuery) -> Vec<RunRow> {
        let after = query.after.map_or(Bound::Unbounded, Bound::Excluded);
        let matching = |(_, stored): &(&RunId, &Stored)| {
            query
                .workflow
                .is_none_or(|workflow| workflow == stored.workflow)
                && (query.statuses.is_empty() || query.statuses.contains(&stored.summary.status))
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
            self.move_due(renewal.run, Some(renewal.to));
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

    pub(super) fn unfinished(&self) -> u64 {
        let count = self
            .runs
            .values()
            .filter(|stored| !stored.summary.status.is_finished())
            .count();
        u64::try_from(count).unwrap_or(u64::MAX)
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
        old.len()
    }
}
